/// Numbers as people read them.
public enum NumberText {
  /// A number with a fixed number of digits after the point; a dash for what is no number.
  public static func decimal(_ value: Double, _ digits: Int) -> String {
    guard value.isFinite else { return value.isNaN ? "–" : value < 0 ? "−∞" : "∞" }
    let scale = power(of: 10, digits)
    let scaled = (value.magnitude * scale).rounded()
    guard scaled < 9e15 else { return String(value) }
    let whole = Int(scaled) / Int(scale)
    let rest = String(Int(scaled) % Int(scale))
    let sign = value < 0 && scaled > 0 ? "-" : ""
    guard digits > 0 else { return "\(sign)\(whole)" }
    return "\(sign)\(whole).\(String(repeating: "0", count: digits - rest.count))\(rest)"
  }

  /// A fraction in per cent.
  public static func percent(_ fraction: Double, _ digits: Int = 1) -> String {
    decimal(100 * fraction, digits) + (fraction.isFinite ? " %" : "")
  }

  /// A number of bytes in the largest fitting unit.
  public static func bytes(_ count: Int) -> String {
    let units = ["B", "kB", "MB", "GB", "TB"]
    var value = Double(count)
    var unit = 0
    while value >= 999.95, unit < units.count - 1 {
      value /= 1000
      unit += 1
    }
    return unit == 0 ? "\(count) B" : "\(decimal(value, 1)) \(units[unit])"
  }

  /// Seconds in the two largest fitting units.
  public static func duration(_ seconds: Double) -> String {
    guard seconds.isFinite, seconds.magnitude < 1e15 else { return "–" }
    let whole = Int(seconds.rounded())
    if whole < 60 { return "\(whole) s" }
    if whole < 3600 { return "\(whole / 60) min \(whole % 60) s" }
    return "\(whole / 3600) h \(whole / 60 % 60) min"
  }

  /// A number with so many digits that count; powers of ten for what is very large or very small.
  public static func significant(_ value: Double, _ digits: Int = 3) -> String {
    guard value.isFinite, value != 0 else { return decimal(value, 0) }
    var exponent = 0
    var mantissa = value.magnitude
    while mantissa >= 10 { (mantissa, exponent) = (mantissa / 10, exponent + 1) }
    while mantissa < 1 { (mantissa, exponent) = (mantissa * 10, exponent - 1) }
    if exponent > 5 || exponent < -4 {
      return "\(value < 0 ? "-" : "")\(decimal(mantissa, digits - 1))e\(exponent)"
    }
    return decimal(value, max(0, digits - 1 - exponent))
  }

  static func power(of base: Double, _ exponent: Int) -> Double {
    let power = (0..<exponent.magnitude).reduce(1.0) { product, _ in product * base }
    return exponent < 0 ? 1 / power : power
  }
}

/// What the numbers of a chart mean.
public enum ReportUnit: Sendable, Hashable {
  /// Plain numbers.
  case number
  /// Fractions, shown in per cent.
  case fraction
  /// Numbers of bytes.
  case bytes

  /// A number in four or five characters, without its unit.
  func shortText(_ value: Double) -> String {
    guard self != .bytes else { return text(value).replacing(" ", with: "") }
    let shown = self == .fraction ? 100 * value : value
    let size = shown.magnitude
    if size >= 9999.5 { return NumberText.significant(shown, 1) }
    return NumberText.decimal(shown, size < 0.995 ? 2 : size < 9.95 ? 1 : 0)
  }

  /// A number in words.
  public func text(_ value: Double) -> String {
    switch self {
    case .number: NumberText.significant(value)
    case .fraction: NumberText.percent(value)
    case .bytes:
      value.magnitude < 9e15 ? NumberText.bytes(Int(value)) : NumberText.significant(value)
    }
  }
}
