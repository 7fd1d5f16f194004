import TinctureTensors

/// The instructions of a pickle that stand for a value by themselves.
enum PickleLiteral {
  /// Reads what follows the instruction and returns its value.
  static func read(_ opcode: PickleOpcode, from reader: inout PickleReader)
    throws(TinctureError) -> PickleValue
  {
    switch opcode {
    case .none: return .none
    case .newTrue: return .bool(true)
    case .newFalse: return .bool(false)
    case .binaryInteger1: return .integer(Int(try reader.byte()))
    case .binaryInteger2: return .integer(Int(try reader.number(2)))
    case .binaryInteger:
      return .integer(Int(Int32(truncatingIfNeeded: try reader.number(4))))
    case .long1: return try long(reader.length(1), from: &reader)
    case .long4: return try long(reader.length(4), from: &reader)
    case .integer, .long: return try decimal(from: &reader)
    case .float:
      _ = try reader.line()
      return .opaque
    case .binaryFloat:
      try reader.skip(8)
      return .opaque
    case .shortBinaryUnicode: return .text(try reader.text(reader.length(1)))
    case .binaryUnicode: return .text(try reader.text(reader.length(4)))
    case .binaryUnicode8: return .text(try reader.text(reader.length(8)))
    case .shortBinaryString: return string(try reader.bytes(reader.length(1)))
    case .binaryString: return string(try reader.bytes(reader.length(4)))
    case .string: return quoted(try reader.line())
    case .unicode: return plain(try reader.line()[...])
    case .shortBinaryBytes: return try bytes(reader.length(1), from: &reader)
    case .binaryBytes: return try bytes(reader.length(4), from: &reader)
    case .binaryBytes8, .byteArray8: return try bytes(reader.length(8), from: &reader)
    default:
      throw reader.failure("The pickle uses the instruction \(opcode) where no value can stand.")
    }
  }

  /// A text of Python 2; bytes that are no UTF-8 are no name of a tensor.
  private static func string(_ bytes: [UInt8]) -> PickleValue {
    String(validating: bytes, as: UTF8.self).map { .text($0) } ?? .opaque
  }

  private static func quoted(_ line: [UInt8]) -> PickleValue {
    guard line.count >= 2, let quote = line.first, quote == line.last,
      quote == UInt8(ascii: "'") || quote == UInt8(ascii: "\"")
    else { return .opaque }
    return plain(line[1..<line.count - 1])
  }

  /// A text without escapes; others are no names of tensors.
  private static func plain(_ bytes: ArraySlice<UInt8>) -> PickleValue {
    bytes.allSatisfy { $0 < 0x80 && $0 != UInt8(ascii: "\\") }
      ? .text(String(decoding: bytes, as: UTF8.self)) : .opaque
  }

  private static func bytes(_ count: Int, from reader: inout PickleReader)
    throws(TinctureError) -> PickleValue
  {
    try reader.skip(count)
    return .opaque
  }

  private static func decimal(from reader: inout PickleReader) throws(TinctureError) -> PickleValue
  {
    let start = reader.position
    var text = String(decoding: try reader.line(), as: UTF8.self)
    if text == "00" { return .bool(false) }
    if text == "01" { return .bool(true) }
    if text.hasSuffix("L") { text.removeLast() }
    if let value = Int(text) { return .integer(value) }
    guard !text.isEmpty, text.utf8.dropFirst().allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) else {
      throw reader.failure("The pickle holds \"\(text.prefix(40))\" for an integer.", at: start)
    }
    return .opaque
  }

  private static func long(_ count: Int, from reader: inout PickleReader)
    throws(TinctureError) -> PickleValue
  {
    let bytes = try reader.bytes(count)
    guard bytes.count <= 8 else { return .longInteger(bytes) }
    var value: UInt64 = bytes.last ?? 0 >= 0x80 ? .max : 0
    for byte in bytes.reversed() { value = value << 8 | UInt64(byte) }
    return .integer(Int(truncatingIfNeeded: value))
  }
}
