public import TinctureTensors

/// The harmonic mean of precision and recall, of one class or averaged over classes.
///
/// F1 of class c = 2 TP / (2 TP + FP + FN), and 0 where that is 0/0. Averages run over the classes that
/// occur as a label or as a prediction, as in scikit-learn's `f1_score(average=…, zero_division=0)`:
///
/// - binary: F1 of the positive class;
/// - macro: the mean over classes;
/// - micro: F1 of the sums of TP, FP and FN, which is the accuracy;
/// - weighted: the mean weighted by how often each class is true.
public struct FScore: Metric {
  /// How classes are put together.
  public enum Average: Sendable, Hashable {
    /// F1 of this class alone.
    case binary(positive: Int)
    /// The mean over classes.
    case macro
    /// F1 of the sums.
    case micro
    /// The mean weighted by how often a class is true.
    case weighted
  }

  /// How classes are put together.
  public let average: Average
  /// What was predicted for what.
  public private(set) var matrix: ConfusionMatrix

  /// Starts a count.
  ///
  /// - Parameters:
  ///   - average: How classes are put together.
  ///   - ignoredLabel: True labels that are left out.
  public init(_ average: Average = .binary(positive: 1), ignoring ignoredLabel: Int? = nil) {
    self.average = average
    matrix = ConfusionMatrix(ignoring: ignoredLabel)
  }

  /// Name, formula, direction, unit and the output that is needed.
  public var info: MetricInfo {
    switch average {
    case .binary:
      MetricInfo(
        "f1", title: "F1", formula: "2 TP / (2 TP + FP + FN) of the positive class",
        needs: .classes)
    case .macro:
      MetricInfo(
        "f1_macro", title: "F1 (macro)", formula: "(1/C) Σ_c 2 TP_c / (2 TP_c + FP_c + FN_c)",
        needs: .classes)
    case .micro:
      MetricInfo(
        "f1_micro", title: "F1 (micro)", formula: "2 Σ_c TP_c / Σ_c (2 TP_c + FP_c + FN_c)",
        needs: .classes)
    case .weighted:
      MetricInfo(
        "f1_weighted", title: "F1 (weighted)",
        formula: "Σ_c (n_c / n) 2 TP_c / (2 TP_c + FP_c + FN_c)", needs: .classes)
    }
  }

  /// The figure so far, or nil where it is undefined.
  public var value: Double? {
    guard matrix.total > 0 else { return nil }
    switch average {
    case .binary(let positive):
      guard (0..<matrix.classCount).contains(positive) else { return 0 }
      return score(positive)
    case .micro: return Double(matrix.correctCount) / Double(matrix.total)
    case .macro:
      let present = (0..<matrix.classCount).filter {
        matrix.actualCount($0) + matrix.predictedCount($0) > 0
      }
      return present.reduce(0) { $0 + score($1) } / Double(present.count)
    case .weighted:
      return (0..<matrix.classCount).reduce(0) {
        $0 + Double(matrix.actualCount($1)) * score($1)
      } / Double(matrix.total)
    }
  }

  /// Takes a batch into account.
  ///
  /// - Parameter batch: Outputs of the kind that `info` names.
  /// - Throws: `data` when the batch is of another kind or does not fit itself; nothing is counted then.
  public mutating func add(_ batch: Observations) throws(TinctureError) {
    let labels = try batch.labelled(for: info)
    try matrix.add(predicted: labels.predicted, actual: labels.actual)
  }

  private func score(_ label: Int) -> Double {
    let both = matrix.actualCount(label) + matrix.predictedCount(label)
    return both == 0 ? 0 : 2 * Double(matrix[actual: label, predicted: label]) / Double(both)
  }
}
