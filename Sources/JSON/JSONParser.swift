public import TinctureTensors

/// Reads JSON strictly: one value, no duplicate keys, no trailing text, bounded nesting.
///
/// Errors carry the byte offset. Numbers keep their spelling. Texts must be valid UTF-8 and valid
/// escapes; a lone surrogate escape is an error.
struct JSONParser {
  private let bytes: UnsafeBufferPointer<UInt8>
  private var position = 0
  private let depthLimit = 128

  init(_ bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

  static func failure(_ message: String, at offset: Int) -> TinctureError {
    TinctureError(.checkpoint, message, at: .init(byteOffset: offset))
  }

  mutating func parseDocument() throws(TinctureError) -> JSONValue {
    let value = try parseValue(depth: 0)
    skipSpace()
    guard position == bytes.count else {
      throw Self.failure("There is text after the end of the JSON document.", at: position)
    }
    return value
  }

  private var current: UInt8? { position < bytes.count ? bytes[position] : nil }

  private mutating func skipSpace() {
    while let byte = current, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 {
      position += 1
    }
  }

  private mutating func parseValue(depth: Int) throws(TinctureError) -> JSONValue {
    guard depth < depthLimit else {
      throw Self.failure("The JSON is nested deeper than \(depthLimit) levels.", at: position)
    }
    skipSpace()
    guard let byte = current else {
      throw Self.failure("The JSON ends where a value was expected.", at: position)
    }
    switch byte {
    case UInt8(ascii: "{"): return .object(try parseObject(depth: depth))
    case UInt8(ascii: "["): return .array(try parseArray(depth: depth))
    case UInt8(ascii: "\""): return .string(try parseString())
    case UInt8(ascii: "t"): return try parseWord("true", .bool(true))
    case UInt8(ascii: "f"): return try parseWord("false", .bool(false))
    case UInt8(ascii: "n"): return try parseWord("null", .null)
    case UInt8(ascii: "N"): return try parseWord("NaN", .number("NaN"))
    case UInt8(ascii: "I"): return try parseWord("Infinity", .number("Infinity"))
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try parseNumber()
    default:
      throw Self.failure(
        "A JSON value cannot start with \(describe(byte)).", at: position)
    }
  }

  private func describe(_ byte: UInt8) -> String {
    byte >= 0x20 && byte < 0x7F
      ? "'\(Character(UnicodeScalar(byte)))'" : "the byte 0x" + String(byte, radix: 16)
  }

  private mutating func parseWord(_ word: String, _ value: JSONValue) throws(TinctureError)
    -> JSONValue
  {
    let start = position
    for expected in word.utf8 {
      guard current == expected else {
        throw Self.failure("A JSON value is misspelt; '\(word)' was expected.", at: start)
      }
      position += 1
    }
    return value
  }

  private mutating func parseObject(depth: Int) throws(TinctureError) -> JSONObject {
    position += 1
    var object = JSONObject()
    skipSpace()
    if current == UInt8(ascii: "}") {
      position += 1
      return object
    }
    while true {
      skipSpace()
      let start = position
      guard current == UInt8(ascii: "\"") else {
        throw Self.failure("A JSON key was expected.", at: position)
      }
      let key = try parseString()
      guard object[key] == nil else {
        throw Self.failure("The JSON key \"\(key)\" is written twice.", at: start)
      }
      skipSpace()
      guard current == UInt8(ascii: ":") else {
        throw Self.failure("A ':' was expected after the JSON key \"\(key)\".", at: position)
      }
      position += 1
      object[key] = try parseValue(depth: depth + 1)
      skipSpace()
      switch current {
      case UInt8(ascii: ","): position += 1
      case UInt8(ascii: "}"):
        position += 1
        return object
      default: throw Self.failure("A ',' or '}' was expected in a JSON object.", at: position)
      }
    }
  }

  private mutating func parseArray(depth: Int) throws(TinctureError) -> [JSONValue] {
    position += 1
    var items: [JSONValue] = []
    skipSpace()
    if current == UInt8(ascii: "]") {
      position += 1
      return items
    }
    while true {
      items.append(try parseValue(depth: depth + 1))
      skipSpace()
      switch current {
      case UInt8(ascii: ","): position += 1
      case UInt8(ascii: "]"):
        position += 1
        return items
      default: throw Self.failure("A ',' or ']' was expected in a JSON array.", at: position)
      }
    }
  }

  private mutating func parseNumber() throws(TinctureError) -> JSONValue {
    let start = position
    func isDigit(_ byte: UInt8?) -> Bool {
      guard let byte else { return false }
      return byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")
    }
    if current == UInt8(ascii: "-") { position += 1 }
    if current == UInt8(ascii: "I") { return try parseWord("Infinity", .number("-Infinity")) }
    guard isDigit(current) else {
      throw Self.failure("A JSON number needs a digit here.", at: position)
    }
    let leadingZero = current == UInt8(ascii: "0")
    position += 1
    if leadingZero, isDigit(current) {
      throw Self.failure("A JSON number cannot start with a superfluous zero.", at: start)
    }
    while isDigit(current) { position += 1 }
    if current == UInt8(ascii: ".") {
      position += 1
      guard isDigit(current) else {
        throw Self.failure("A JSON number needs a digit after its point.", at: position)
      }
      while isDigit(current) { position += 1 }
    }
    if current == UInt8(ascii: "e") || current == UInt8(ascii: "E") {
      position += 1
      if current == UInt8(ascii: "+") || current == UInt8(ascii: "-") { position += 1 }
      guard isDigit(current) else {
        throw Self.failure("A JSON number needs a digit in its exponent.", at: position)
      }
      while isDigit(current) { position += 1 }
    }
    return .number(String(decoding: bytes[start..<position], as: UTF8.self))
  }

  private mutating func parseString() throws(TinctureError) -> String {
    let start = position
    position += 1
    let begin = position
    while let byte = current, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\"), byte >= 0x20 {
      position += 1
    }
    if current == UInt8(ascii: "\"") {
      let text = try decode(UnsafeBufferPointer(rebasing: bytes[begin..<position]), at: start)
      position += 1
      return text
    }
    var buffer = Array(bytes[begin..<position])
    while true {
      guard let byte = current else {
        throw Self.failure("A JSON text has no closing quote.", at: start)
      }
      position += 1
      if byte == UInt8(ascii: "\"") { break }
      guard byte >= 0x20 else {
        throw Self.failure("A JSON text holds a raw control character.", at: position - 1)
      }
      if byte == UInt8(ascii: "\\") {
        try parseEscape(into: &buffer)
      } else {
        buffer.append(byte)
      }
    }
    return try buffer.withUnsafeBufferPointer { (raw) throws(TinctureError) in
      try decode(raw, at: start)
    }
  }

  private func decode(_ raw: UnsafeBufferPointer<UInt8>, at offset: Int) throws(TinctureError)
    -> String
  {
    guard let text = String(validating: raw, as: UTF8.self) else {
      throw Self.failure("A JSON text is not valid UTF-8.", at: offset)
    }
    return text
  }

  private mutating func parseEscape(into buffer: inout [UInt8]) throws(TinctureError) {
    let start = position - 1
    guard let byte = current else {
      throw Self.failure("A JSON text ends inside an escape.", at: start)
    }
    position += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): buffer.append(byte)
    case UInt8(ascii: "b"): buffer.append(0x08)
    case UInt8(ascii: "f"): buffer.append(0x0C)
    case UInt8(ascii: "n"): buffer.append(0x0A)
    case UInt8(ascii: "r"): buffer.append(0x0D)
    case UInt8(ascii: "t"): buffer.append(0x09)
    case UInt8(ascii: "u"):
      var code = try parseHex(start)
      if code >= 0xD800, code < 0xDC00, current == UInt8(ascii: "\\"), position + 1 < bytes.count,
        bytes[position + 1] == UInt8(ascii: "u")
      {
        position += 2
        let low = try parseHex(start)
        guard low >= 0xDC00, low < 0xE000 else {
          throw Self.failure("A JSON text holds half of a surrogate pair.", at: start)
        }
        code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
      }
      guard let scalar = UnicodeScalar(code) else {
        throw Self.failure("A JSON text holds half of a surrogate pair.", at: start)
      }
      buffer.append(contentsOf: Array(String(Character(scalar)).utf8))
    default: throw Self.failure("A JSON text holds an unknown escape.", at: start)
    }
  }

  private mutating func parseHex(_ start: Int) throws(TinctureError) -> UInt32 {
    guard position + 4 <= bytes.count,
      let text = String(validating: bytes[position..<position + 4], as: UTF8.self),
      text.utf8.allSatisfy({ UInt8(ascii: "+") != $0 && UInt8(ascii: "-") != $0 }),
      let code = UInt32(text, radix: 16)
    else { throw Self.failure("A JSON escape needs four hexadecimal digits.", at: start) }
    position += 4
    return code
  }
}

extension JSONValue {
  /// Parses a JSON document.
  ///
  /// - Parameter bytes: The text in UTF-8.
  /// - Throws: `TinctureError` with the code `checkpoint` and the byte offset.
  /// - Complexity: O(n).
  public init(parsing bytes: UnsafeBufferPointer<UInt8>) throws(TinctureError) {
    var parser = JSONParser(bytes)
    self = try parser.parseDocument()
  }

  /// Parses a JSON document.
  ///
  /// - Parameter bytes: The text in UTF-8.
  /// - Throws: `TinctureError` with the code `checkpoint` and the byte offset.
  public init(parsing bytes: [UInt8]) throws(TinctureError) {
    self = try bytes.withUnsafeBufferPointer { (raw) throws(TinctureError) in
      try JSONValue(parsing: raw)
    }
  }

  /// Parses a JSON document.
  ///
  /// - Parameter text: The document.
  /// - Throws: `TinctureError` with the code `checkpoint` and the byte offset.
  public init(parsing text: String) throws(TinctureError) {
    try self.init(parsing: Array(text.utf8))
  }
}
