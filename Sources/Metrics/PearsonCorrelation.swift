public import TinctureTensors

/// Pearson's correlation of predicted and true numbers.
///
/// r = Σ(x − x̄)(y − ȳ) / √(Σ(x − x̄)² Σ(y − ȳ)²), by updates of means and centred sums (Welford), which
/// lose no digits to a large common offset. Undefined (nil) with fewer than two examples, when one side
/// is constant, and when a number is not finite, where SciPy's `pearsonr` gives NaN.
///
/// Memory is constant.
public struct PearsonCorrelation: Metric {
  /// How many pairs were counted.
  public private(set) var count = 0
  private var meanX = 0.0
  private var meanY = 0.0
  private var squaresX = 0.0
  private var squaresY = 0.0
  private var products = 0.0

  /// Starts a count.
  public init() {}

  /// Name, formula, direction, unit and the output that is needed.
  public var info: MetricInfo {
    MetricInfo(
      "pearson", title: "Pearson correlation",
      formula: "Σ(x − x̄)(y − ȳ) / √(Σ(x − x̄)² Σ(y − ȳ)²)", unit: .coefficient, needs: .numbers)
  }

  /// The figure so far, or nil where it is undefined.
  public var value: Double? {
    guard count > 1, squaresX > 0, squaresY > 0 else { return nil }
    let r = products / (squaresX.squareRoot() * squaresY.squareRoot())
    return r.isFinite ? min(1, max(-1, r)) : nil
  }

  /// Takes a batch into account.
  ///
  /// - Parameter batch: Outputs of the kind that `info` names.
  /// - Throws: `data` when the batch is of another kind or does not fit itself; nothing is counted then.
  public mutating func add(_ batch: Observations) throws(TinctureError) {
    guard case .numbers(let predicted, let actual) = batch else { throw batch.mismatch(info) }
    try Observations.check(predicted.count, actual.count, "numbers", info)
    for (x, y) in zip(predicted, actual) { add(x, y) }
  }

  /// Counts one pair.
  mutating func add(_ x: Double, _ y: Double) {
    count += 1
    let n = Double(count)
    let dx = x - meanX
    let dy = y - meanY
    meanX += dx / n
    meanY += dy / n
    squaresX += dx * (x - meanX)
    squaresY += dy * (y - meanY)
    products += dx * (y - meanY)
  }
}
