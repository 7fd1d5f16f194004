#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Darwin
#endif
public import TinctureTensors

/// The angle between predicted and true surface normals, in degrees.
///
/// angle = arccos(n̂·n / (|n̂||n|)): mean, median, and the share of pixels below 11.25°, 22.5° and 30°,
/// over the valid pixels of all images together. Directions need not have unit length. A predicted
/// direction of length zero, which points nowhere, counts as 90°. Without a mask the pixels whose true
/// direction is not zero are valid; with one, too, a true direction of zero is left out.
///
/// The median comes from a histogram with steps of 180°/2¹⁸ and is wrong by at most 0.0004°; mean and
/// shares are exact. Memory is 2 MiB, whatever the number of pixels.
public struct NormalError: Metric {
  /// Which figure is meant.
  public enum Figure: Sendable, Hashable {
    /// The mean angle.
    case mean
    /// The median angle.
    case median
    /// The share of angles below the first threshold, 11.25°.
    case within11
    /// The share of angles below the second threshold, 22.5°.
    case within22
    /// The share of angles below the third threshold, 30°.
    case within30
  }

  private static let stepCount = 1 << 18
  private static let thresholds = [11.25, 22.5, 30]

  /// Which figure is meant.
  public let figure: Figure
  /// The number of valid pixels.
  public private(set) var count = 0
  private var sum = 0.0
  private var below = [0, 0, 0]
  private var histogram = [Int](repeating: 0, count: stepCount)

  /// Starts a count.
  public init(_ figure: Figure = .mean) { self.figure = figure }

  /// Name, formula, direction, unit and the output that is needed.
  public var info: MetricInfo { Self.info(of: figure) }

  private static func info(of figure: Figure) -> MetricInfo {
    func share(_ name: String, _ angle: String) -> MetricInfo {
      MetricInfo(
        name, title: "Normals within \(angle)°", formula: "(1/n) Σ [angle < \(angle)°]",
        needs: .normalMaps)
    }
    switch figure {
    case .mean:
      return MetricInfo(
        "normal_mean", title: "Mean normal error", formula: "(1/n) Σ arccos(n̂·n / (|n̂||n|))",
        direction: .lower, unit: .degrees, needs: .normalMaps)
    case .median:
      return MetricInfo(
        "normal_median", title: "Median normal error", formula: "median arccos(n̂·n / (|n̂||n|))",
        direction: .lower, unit: .degrees, needs: .normalMaps)
    case .within11: return share("normal_11", "11.25")
    case .within22: return share("normal_22", "22.5")
    case .within30: return share("normal_30", "30")
    }
  }

  /// The figure so far, or nil where it is undefined.
  public var value: Double? { value(of: figure) }

  /// The figure and those that belong to it.
  public var details: [(name: String, value: Double?)] {
    let others: [Figure] = [.mean, .median, .within11, .within22, .within30]
    return ([figure] + others.filter { $0 != figure }).map {
      (Self.info(of: $0).name, value(of: $0))
    }
  }

  /// One of the figures, or nil without valid pixels.
  ///
  /// - Complexity: O(1), and O(2¹⁸) for the median.
  public func value(of figure: Figure) -> Double? {
    guard count > 0 else { return nil }
    switch figure {
    case .mean: return sum / Double(count)
    case .median: return (angle(ranked: (count - 1) / 2) + angle(ranked: count / 2)) / 2
    case .within11: return Double(below[0]) / Double(count)
    case .within22: return Double(below[1]) / Double(count)
    case .within30: return Double(below[2]) / Double(count)
    }
  }

  /// Takes a batch into account.
  ///
  /// - Parameter batch: Outputs of the kind that `info` names.
  /// - Throws: `data` when the batch is of another kind or does not fit itself; nothing is counted then.
  public mutating func add(_ batch: Observations) throws(TinctureError) {
    guard case .directions(let predicted, let actual, let valid) = batch else {
      throw batch.mismatch(info)
    }
    try Observations.check(predicted.count, actual.count, "components", info)
    guard actual.count.isMultiple(of: 3), valid.map({ $0.count == actual.count / 3 }) ?? true else {
      throw TinctureError(
        .data,
        "\(actual.count) components and \(valid?.count ?? actual.count / 3) mask entries do not"
          + " make directions; there must be x, y and z for each pixel.")
    }
    var angles: [Double] = []
    angles.reserveCapacity(actual.count / 3)
    for pixel in 0..<actual.count / 3 where valid?[pixel] ?? true {
      var product = 0.0
      var first = 0.0
      var second = 0.0
      for axis in 3 * pixel..<3 * pixel + 3 {
        let p = Double(predicted[axis])
        let t = Double(actual[axis])
        product += p * t
        first += p * p
        second += t * t
      }
      guard second != 0 else { continue }
      let cosine = first != 0 ? product / (first.squareRoot() * second.squareRoot()) : 0
      guard !cosine.isNaN else {
        throw TinctureError(
          .data, "The direction of pixel \(pixel) is not a number; check what the network puts out."
        )
      }
      angles.append(acos(min(1, max(-1, cosine))) * 180 / .pi)
    }
    for angle in angles { count(angle) }
  }

  private mutating func count(_ angle: Double) {
    count += 1
    sum += angle
    for (index, threshold) in Self.thresholds.enumerated() where angle < threshold {
      below[index] += 1
    }
    histogram[min(Self.stepCount - 1, Int(angle / 180 * Double(Self.stepCount)))] += 1
  }

  /// The angle of a rank, counted from zero, up to the histogram's step.
  private func angle(ranked rank: Int) -> Double {
    var before = 0
    for (step, entries) in histogram.enumerated() {
      before += entries
      if before > rank { return (Double(step) + 0.5) * 180 / Double(Self.stepCount) }
    }
    return 180
  }
}
