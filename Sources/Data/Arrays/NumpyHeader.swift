internal import TinctureTensors

/// What stands before the numbers of an npy file.
///
/// The magic, a version, the length of a text, and the text: a Python dictionary with exactly the keys
/// descr, fortran_order and shape. Source: `numpy.lib.format`, versions 1.0, 2.0 and 3.0.
struct NumpyHeader {
  /// The longest header that is read.
  static let sizeLimit = 1 << 16
  /// How many bytes decide about the length of the header.
  static let prefixSize = 12

  /// The type of the numbers.
  let dtype: DType
  /// Whether the highest byte comes first.
  let isBigEndian: Bool
  /// Whether the first axis is the fastest.
  let isFortranOrder: Bool
  /// The extents.
  let extents: [Int]
  /// The number of bytes before the numbers.
  let size: Int

  /// The number of bytes before the numbers, found from the first of them.
  ///
  /// - Throws: `data` when the magic or version is wrong or the header too long.
  static func size(_ prefix: [UInt8]) throws(TinctureError) -> Int {
    guard prefix.starts(with: [0x93] + Array("NUMPY".utf8)), prefix.count >= 10 else {
      throw TinctureError(
        .data, "This is no npy file; it does not begin with NumPy's signature.",
        at: .init(byteOffset: 0))
    }
    let start: Int
    var length = Int(prefix[8]) | Int(prefix[9]) << 8
    switch prefix[6] {
    case 1: start = 10
    case 2, 3:
      guard prefix.count >= 12 else {
        throw TinctureError(.data, "The npy header is cut.", at: .init(byteOffset: 8))
      }
      start = 12
      length |= Int(prefix[10]) << 16 | Int(prefix[11]) << 24
    default:
      throw TinctureError(
        .data,
        "The npy version \(prefix[6]).\(prefix[7]) is unknown; save the array with numpy.save.",
        at: .init(byteOffset: 6))
    }
    guard length <= sizeLimit else {
      throw TinctureError(
        .data, "The npy header claims \(length) bytes; at most \(sizeLimit) are read.",
        at: .init(byteOffset: 8))
    }
    return start + length
  }

  /// Reads a header.
  ///
  /// - Parameter bytes: Exactly the bytes before the numbers.
  /// - Throws: `data` when it is malformed or its type is none of numbers.
  init(parsing bytes: [UInt8]) throws(TinctureError) {
    size = bytes.count
    let start = bytes[6] == 1 ? 10 : 12
    guard let text = String(validating: bytes[start...], as: UTF8.self) else {
      throw TinctureError(.data, "The npy header is no text.", at: .init(byteOffset: start))
    }
    var literal = PythonLiteral(text)
    guard let fields = literal.dictionary(), fields.count == 3,
      case .text(let type) = fields["descr"], case .truth(let fortran) = fields["fortran_order"],
      case .numbers(let shape) = fields["shape"]
    else {
      throw TinctureError(
        .data,
        "The npy header is not a description of one array of numbers; structured and object arrays are"
          + " not read. Save columns as arrays of their own.", at: .init(byteOffset: start))
    }
    guard let dtype = Self.dtype(type) else {
      throw TinctureError(
        .data,
        "The npy type \"\(type)\" is not read; save as integers, floats or booleans (astype).",
        at: .init(byteOffset: start))
    }
    self.dtype = dtype
    isBigEndian = type.hasPrefix(">")
    isFortranOrder = fortran
    extents = shape
  }

  private static func dtype(_ name: String) -> DType? {
    guard let order = name.first, "<>|=".contains(order) else { return nil }
    let types: [String: DType] = [
      "b1": .bool, "u1": .u8, "i1": .i8, "u2": .u16, "i2": .i16, "u4": .u32, "i4": .i32,
      "u8": .u64, "i8": .i64, "f2": .f16, "f4": .f32, "f8": .f64,
    ]
    return types[String(name.dropFirst())]
  }
}

/// A reader of the few Python literals that npy headers hold.
private struct PythonLiteral {
  enum Value {
    case text(String)
    case truth(Bool)
    case numbers([Int])
  }

  private var rest: Substring

  init(_ text: String) { rest = text[...] }

  /// The dictionary that the text is, or nil.
  mutating func dictionary() -> [String: Value]? {
    var fields: [String: Value] = [:]
    guard take("{") else { return nil }
    while !take("}") {
      guard let key = string(), take(":"), let value = value(), fields[key] == nil else {
        return nil
      }
      fields[key] = value
      if !take(",") {
        guard take("}") else { return nil }
        break
      }
    }
    skipSpace()
    return rest.isEmpty ? fields : nil
  }

  private mutating func value() -> Value? {
    if take("True") { return .truth(true) }
    if take("False") { return .truth(false) }
    if let text = string() { return .text(text) }
    guard take("(") else { return nil }
    var numbers: [Int] = []
    while !take(")") {
      let digits = rest.prefix { $0.isASCII && $0.isNumber }
      guard let number = Int(digits) else { return nil }
      rest = rest[digits.endIndex...]
      _ = take("L")
      numbers.append(number)
      if !take(",") {
        guard take(")") else { return nil }
        break
      }
      skipSpace()
    }
    return .numbers(numbers)
  }

  private mutating func string() -> String? {
    skipSpace()
    guard let quote = rest.first, quote == "'" || quote == "\"" else { return nil }
    let inner = rest.dropFirst()
    guard let end = inner.firstIndex(of: quote) else { return nil }
    rest = inner[inner.index(after: end)...]
    return String(inner[..<end])
  }

  private mutating func take(_ token: String) -> Bool {
    skipSpace()
    guard rest.hasPrefix(token) else { return false }
    rest = rest.dropFirst(token.count)
    return true
  }

  private mutating func skipSpace() { rest = rest.drop { $0 == " " || $0 == "\n" } }
}
