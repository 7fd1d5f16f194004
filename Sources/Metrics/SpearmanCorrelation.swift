public import TinctureTensors

/// Spearman's rank correlation of predicted and true numbers.
///
/// The Pearson correlation of ranks, where equal numbers share the mean of their ranks, as in SciPy's
/// `spearmanr`. Undefined (nil) with fewer than two examples, when one side is constant, and when a
/// number is NaN.
///
/// All numbers are kept, 16 bytes an example; the value takes O(n log n).
public struct SpearmanCorrelation: Metric {
  private var predicted: [Double] = []
  private var actual: [Double] = []

  /// Starts a count.
  public init() {}

  /// How many pairs were counted.
  public var count: Int { predicted.count }

  /// Name, formula, direction, unit and the output that is needed.
  public var info: MetricInfo {
    MetricInfo(
      "spearman", title: "Spearman correlation",
      formula: "Pearson correlation of the ranks, ties averaged", unit: .coefficient,
      needs: .numbers)
  }

  /// The figure so far, or nil where it is undefined.
  public var value: Double? {
    guard !predicted.contains(where: \.isNaN), !actual.contains(where: \.isNaN) else { return nil }
    var correlation = PearsonCorrelation()
    for (x, y) in zip(Self.ranks(predicted), Self.ranks(actual)) { correlation.add(x, y) }
    return correlation.value
  }

  /// Takes a batch into account.
  ///
  /// - Parameter batch: Outputs of the kind that `info` names.
  /// - Throws: `data` when the batch is of another kind or does not fit itself; nothing is counted then.
  public mutating func add(_ batch: Observations) throws(TinctureError) {
    guard case .numbers(let predicted, let actual) = batch else { throw batch.mismatch(info) }
    try Observations.check(predicted.count, actual.count, "numbers", info)
    self.predicted += predicted
    self.actual += actual
  }

  /// The ranks of numbers, from 1; equal numbers share the mean of their ranks.
  static func ranks(_ values: [Double]) -> [Double] {
    let order = values.indices.sorted { values[$0] < values[$1] }
    var ranks = [Double](repeating: 0, count: values.count)
    var start = 0
    while start < order.count {
      var end = start + 1
      while end < order.count, values[order[end]] == values[order[start]] { end += 1 }
      for position in start..<end { ranks[order[position]] = Double(start + 1 + end) / 2 }
      start = end
    }
    return ranks
  }
}
