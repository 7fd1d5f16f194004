/// A YAML scalar, read by the rules of YAML 1.1 as PyYAML applies them.
package struct YAMLScalar {
  /// The text without quotes.
  package var text: String
  /// Whether the text was written without quotes.
  package var isPlain: Bool

  /// Whether this is `null`, `~` or nothing at all.
  package var isNull: Bool { isPlain && ["", "~", "null", "Null", "NULL"].contains(text) }

  /// The truth value; `yes`, `no`, `on` and `off` are some.
  package var bool: Bool? {
    guard isPlain else { return nil }
    return switch text {
    case "true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON": true
    case "false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF": false
    default: nil
    }
  }

  /// The whole number, also when it is written as `8.0`.
  package var integer: Int? { number.flatMap { Int(exactly: $0) } }

  /// The number, quoted or not; infinities and not-a-number are numbers here.
  ///
  /// Quoted numbers and forms such as `1e-5`, which PyYAML takes for texts, count because mergekit
  /// turns them into numbers later.
  package var number: Double? {
    let isNegative = text.hasPrefix("-")
    let digits = text.hasPrefix("-") || text.hasPrefix("+") ? text.dropFirst() : text[...]
    guard let first = digits.utf8.first, digits.utf8.count <= 400 else { return nil }
    let magnitude: Double?
    switch digits.lowercased() {
    case ".inf", "inf", "infinity": magnitude = .infinity
    case ".nan", "nan": magnitude = .nan
    default:
      guard first == UInt8(ascii: ".") || (0x30...0x39).contains(first) else { return nil }
      magnitude = Self.magnitude(of: digits)
    }
    return magnitude.map { isNegative ? -$0 : $0 }
  }

  /// Reads digits without a sign: decimal, `0x`, `0b`, octal with a leading zero, underscores.
  private static func magnitude(of digits: Substring) -> Double? {
    let clean = String(digits.filter { $0 != "_" })
    if clean.hasPrefix("0x") { return UInt64(clean.dropFirst(2), radix: 16).map { Double($0) } }
    if clean.hasPrefix("0b") { return UInt64(clean.dropFirst(2), radix: 2).map { Double($0) } }
    let isOctal =
      clean.utf8.count > 1 && clean.hasPrefix("0")
      && clean.utf8.allSatisfy { (0x30...0x37).contains($0) }
    if isOctal { return UInt64(clean, radix: 8).map { Double($0) } }
    let allowed = clean.utf8.allSatisfy { "0123456789.eE+-".utf8.contains($0) }
    guard allowed else { return nil }
    let padded = clean.hasPrefix(".") ? "0" + clean : clean
    if let value = Double(padded) { return value }
    let withZero = padded.replacing(".e", with: ".0e").replacing(".E", with: ".0E")
    return Double(withZero.hasSuffix(".") ? withZero + "0" : withZero)
  }
}
