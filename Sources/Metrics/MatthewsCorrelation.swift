public import TinctureTensors

/// Matthews' correlation of predicted and true classes, for two or more classes.
///
/// With t_c how often class c is true, p_c how often it is predicted, k right ones of n (Gorodkin 2004):
///
/// R = (k n − Σ t_c p_c) / √((n² − Σ p_c²)(n² − Σ t_c²))
///
/// It is 0 when every prediction, or every label, is the same class, as in scikit-learn's
/// `matthews_corrcoef`, and undefined only before the first example.
public struct MatthewsCorrelation: Metric {
  /// What was predicted for what.
  public private(set) var matrix: ConfusionMatrix

  /// Starts a count.
  ///
  /// - Parameter ignoredLabel: True labels that are left out.
  public init(ignoring ignoredLabel: Int? = nil) {
    matrix = ConfusionMatrix(ignoring: ignoredLabel)
  }

  /// Name, formula, direction, unit and the output that is needed.
  public var info: MetricInfo {
    MetricInfo(
      "matthews", title: "Matthews correlation",
      formula: "(k n − Σ t_c p_c) / √((n² − Σ p_c²)(n² − Σ t_c²))", unit: .coefficient,
      needs: .classes)
  }

  /// The figure so far, or nil where it is undefined.
  public var value: Double? {
    guard matrix.total > 0 else { return nil }
    let n = Double(matrix.total)
    var both = 0.0
    var predicted = 0.0
    var actual = 0.0
    for label in 0..<matrix.classCount {
      let p = Double(matrix.predictedCount(label)) / n
      let t = Double(matrix.actualCount(label)) / n
      both += p * t
      predicted += p * p
      actual += t * t
    }
    let isConstant = (0..<matrix.classCount).contains {
      matrix.predictedCount($0) == matrix.total || matrix.actualCount($0) == matrix.total
    }
    guard !isConstant else { return 0 }
    return (Double(matrix.correctCount) / n - both) / ((1 - predicted) * (1 - actual)).squareRoot()
  }

  /// Takes a batch into account.
  ///
  /// - Parameter batch: Outputs of the kind that `info` names.
  /// - Throws: `data` when the batch is of another kind or does not fit itself; nothing is counted then.
  public mutating func add(_ batch: Observations) throws(TinctureError) {
    let labels = try batch.labelled(for: info)
    try matrix.add(predicted: labels.predicted, actual: labels.actual)
  }
}
