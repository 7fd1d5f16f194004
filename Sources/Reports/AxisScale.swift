/// An axis with marks at round numbers: multiples of one, two or five times a power of ten.
public struct AxisScale: Sendable, Hashable {
  /// Where the axis begins.
  public let low: Double
  /// Where the axis ends.
  public let high: Double
  /// The distance of the marks.
  public let step: Double
  /// The marks, of which the first is the beginning and the last the end.
  public let marks: [Double]

  /// Creates an axis.
  ///
  /// - Parameters:
  ///   - values: What it has to cover; numbers that are not finite are left out.
  ///   - startsAtZero: Whether it covers zero, too.
  ///   - intervals: The most intervals between marks.
  public init(covering values: some Sequence<Double>, startsAtZero: Bool = true, intervals: Int = 5)
  {
    var low = startsAtZero ? 0 : Double.infinity
    var high = startsAtZero ? 0 : -Double.infinity
    for value in values where value.isFinite {
      // Beyond this the length of the axis might not be finite.
      let bounded = min(max(value, -1e300), 1e300)
      low = min(low, bounded)
      high = max(high, bounded)
    }
    if low > high { (low, high) = (0, 1) }
    if high - low <= max(low.magnitude, high.magnitude) * 1e-12 {
      // All values are the same.
      (low, high) = high == 0 ? (0, 1) : (min(low, 0), max(high, 0))
    }
    var step = Self.roundStep(atLeast: (high - low) / Double(max(1, intervals)))
    var bounds = (first: (low / step).rounded(.down), last: (high / step).rounded(.up))
    // Rounding both ends outwards may have added an interval.
    if bounds.last - bounds.first > Double(max(1, intervals)) {
      step = Self.roundStep(atLeast: step * 1.5)
      bounds = ((low / step).rounded(.down), (high / step).rounded(.up))
    }
    self.step = step
    self.low = bounds.first * step
    self.high = bounds.last * step
    marks = (Int(bounds.first)...Int(bounds.last)).map { Double($0) * step }
  }

  private static func roundStep(atLeast length: Double) -> Double {
    guard length > 1e-300 else { return 1e-300 }
    var power = 1.0
    while power * 10 <= length { power *= 10 }
    while power > length { power /= 10 }
    return [1.0, 2, 5, 10].map { $0 * power }.first { $0 >= length * (1 - 1e-9) } ?? 10 * power
  }

  /// Where a value lies: 0 at the beginning of the axis, 1 at its end, and within them always.
  public func fraction(_ value: Double) -> Double {
    guard !value.isNaN else { return 0 }
    return min(max((value - low) / (high - low), 0), 1)
  }

  /// The text of a mark.
  public func text(_ mark: Double, _ unit: ReportUnit) -> String {
    guard unit != .bytes else { return unit.text(mark) }
    let factor: Double = unit == .fraction ? 100 : 1
    var digits = 0
    var distance = step * factor
    while distance < 0.999_999, digits < 9 { (distance, digits) = (distance * 10, digits + 1) }
    guard digits < 9, (mark * factor).magnitude < 1e7 else { return unit.text(mark) }
    return NumberText.decimal(mark * factor, digits) + (unit == .fraction ? " %" : "")
  }
}
