public import TinctureTensors

/// How far predicted depths are from the true ones, absolutely or relatively.
///
/// absolute = (1/n) Σ |d̂ − d|, relative = (1/n) Σ |d̂ − d| / d, over the valid pixels of all images
/// together (published code for multi-task benchmarks averages the means of batches instead, which
/// depends on the batches). Without a mask the pixels with a positive true depth are valid; for the
/// relative error pixels whose true depth is not positive never are.
///
/// Memory is constant; sums are in double precision.
public struct DepthError: Metric {
  /// What a difference is compared with.
  public enum Kind: Sendable, Hashable {
    /// Nothing: the difference in the unit of depth.
    case absolute
    /// The true depth.
    case relative
  }

  /// What a difference is compared with.
  public let kind: Kind
  /// The number of valid pixels.
  public private(set) var count = 0
  private var sum = 0.0

  /// Starts a count.
  public init(_ kind: Kind) { self.kind = kind }

  /// Name, formula, direction, unit and the output that is needed.
  public var info: MetricInfo {
    switch kind {
    case .absolute:
      MetricInfo(
        "depth_abs", title: "Absolute depth error", formula: "(1/n) Σ |d̂ − d|", direction: .lower,
        unit: .depth, needs: .depthMaps)
    case .relative:
      MetricInfo(
        "depth_rel", title: "Relative depth error", formula: "(1/n) Σ |d̂ − d| / d",
        direction: .lower, unit: .ratio, needs: .depthMaps)
    }
  }

  /// The figure so far, or nil where it is undefined.
  public var value: Double? { count == 0 ? nil : sum / Double(count) }

  /// Takes a batch into account.
  ///
  /// - Parameter batch: Outputs of the kind that `info` names.
  /// - Throws: `data` when the batch is of another kind or does not fit itself; nothing is counted then.
  public mutating func add(_ batch: Observations) throws(TinctureError) {
    guard case .depths(let predicted, let actual, let valid) = batch else {
      throw batch.mismatch(info)
    }
    try Observations.check(predicted.count, actual.count, "depths", info)
    if let valid { try Observations.check(valid.count, actual.count, "depths", info) }
    for (index, depth) in actual.enumerated() {
      guard valid?[index] ?? (depth > 0), kind == .absolute || depth > 0 else { continue }
      let difference = Double((Double(predicted[index]) - Double(depth)).magnitude)
      sum += kind == .absolute ? difference : difference / Double(depth)
      count += 1
    }
  }
}
