public import TinctureTensors

/// The share of examples whose class is predicted rightly, or is among the k highest scores.
///
/// accuracy = (1/n) Σᵢ [ŷᵢ = yᵢ]; top-k: the true class is one of the k classes with the highest
/// scores. Of equal scores the class of the lower number ranks first, as in NumPy's stable sort; a score
/// that is not a number ranks last. With k at least the number of classes the top-k accuracy is 1.
///
/// Memory is constant.
public struct Accuracy: Metric {
  /// How many of the highest scores may hold the true class.
  public let k: Int
  /// True labels that are left out.
  public let ignoredLabel: Int?
  /// How many examples were counted.
  public private(set) var count = 0
  /// How many of them were right.
  public private(set) var correctCount = 0

  /// Starts a count.
  ///
  /// - Parameters:
  ///   - k: How many of the highest scores may hold the true class, at least 1.
  ///   - ignoredLabel: True labels that are left out.
  public init(top k: Int = 1, ignoring ignoredLabel: Int? = nil) {
    precondition(k >= 1, "The \(k) highest scores cannot hold a class; at least 1 is needed.")
    self.k = k
    self.ignoredLabel = ignoredLabel
  }

  /// Name, formula, direction, unit and the output that is needed.
  public var info: MetricInfo {
    k == 1
      ? MetricInfo(
        "accuracy", title: "Accuracy", formula: "(1/n) Σᵢ [ŷᵢ = yᵢ]", needs: .classes)
      : MetricInfo(
        "top_\(k)_accuracy", title: "Top-\(k) accuracy",
        formula: "(1/n) Σᵢ [yᵢ is among the \(k) highest scores]", needs: .scores)
  }

  /// The figure so far, or nil where it is undefined.
  public var value: Double? { count == 0 ? nil : Double(correctCount) / Double(count) }

  /// Takes a batch into account.
  ///
  /// - Parameter batch: Outputs of the kind that `info` names.
  /// - Throws: `data` when the batch is of another kind or does not fit itself; nothing is counted then.
  public mutating func add(_ batch: Observations) throws(TinctureError) {
    if k > 1 {
      guard case .scores(let scores, let classCount, let actual) = batch else {
        throw batch.mismatch(info)
      }
      try add(scores: scores, classCount: classCount, actual: actual)
    } else {
      let labels = try batch.labelled(for: info)
      for (predicted, actual) in zip(labels.predicted, labels.actual) where actual != ignoredLabel {
        count += 1
        if predicted == actual { correctCount += 1 }
      }
    }
  }

  private mutating func add(
    scores: [Float], classCount: Int, actual: [Int]
  ) throws(TinctureError) {
    try Observations.check(scores: scores, classCount, actual, info)
    if let wrong = actual.first(where: { $0 != ignoredLabel && !(0..<classCount).contains($0) }) {
      throw TinctureError(
        .data, "The true class \(wrong) has no score; there are \(classCount) classes.")
    }
    for (row, label) in actual.enumerated() where label != ignoredLabel {
      let start = row * classCount
      let own = scores[start + label]
      var before = 0
      for column in 0..<classCount where column != label {
        let score = scores[start + column]
        if score > own || (score == own && column < label) || (own.isNaN && !score.isNaN)
          || (own.isNaN && score.isNaN && column < label)
        {
          before += 1
        }
      }
      count += 1
      if before < k { correctCount += 1 }
    }
  }
}
