public import TinctureTensors

/// How well classes of pixels are predicted: mean intersection over union, or the share of right pixels.
///
/// IoU of class c = TP / (TP + FP + FN), over all pixels of all images together; mIoU is the mean over
/// the classes that occur as a label or as a prediction. A class that occurs in neither is left out,
/// since 0/0 says nothing. Pixels whose true label is the ignored one (often 255 or −1) count nowhere.
///
/// Memory is one integer for each pair of classes.
public struct SegmentationScore: Metric {
  /// Which figure is meant.
  public enum Figure: Sendable, Hashable {
    /// The mean intersection over union.
    case meanIntersectionOverUnion
    /// The share of pixels whose class is right.
    case pixelAccuracy
  }

  /// Which figure is meant.
  public let figure: Figure
  /// What was predicted for what.
  public private(set) var matrix: ConfusionMatrix

  /// Starts a count.
  ///
  /// - Parameters:
  ///   - figure: Which figure is meant.
  ///   - classCount: The number of classes, or nil to find it from the labels.
  ///   - ignoredLabel: The true label of pixels that are left out.
  /// - Throws: `data` when there are no or too many classes.
  public init(
    _ figure: Figure = .meanIntersectionOverUnion, classCount: Int? = nil,
    ignoring ignoredLabel: Int? = 255
  ) throws(TinctureError) {
    self.figure = figure
    matrix = try ConfusionMatrix(classCount: classCount, ignoring: ignoredLabel)
  }

  /// Name, formula, direction, unit and the output that is needed.
  public var info: MetricInfo {
    switch figure {
    case .meanIntersectionOverUnion:
      MetricInfo(
        "miou", title: "mIoU", formula: "(1/C) Σ_c TP_c / (TP_c + FP_c + FN_c)", needs: .labelMaps)
    case .pixelAccuracy:
      MetricInfo(
        "pixel_accuracy", title: "Pixel accuracy", formula: "Σ_c TP_c / n", needs: .labelMaps)
    }
  }

  /// The intersection over union of each class; nil for a class that does not occur.
  public var intersectionsOverUnions: [Double?] {
    (0..<matrix.classCount).map { label in
      let right = matrix[actual: label, predicted: label]
      let union = matrix.actualCount(label) + matrix.predictedCount(label) - right
      return union == 0 ? nil : Double(right) / Double(union)
    }
  }

  /// The figure so far, or nil where it is undefined.
  public var value: Double? {
    guard matrix.total > 0 else { return nil }
    switch figure {
    case .pixelAccuracy: return Double(matrix.correctCount) / Double(matrix.total)
    case .meanIntersectionOverUnion:
      let present = intersectionsOverUnions.compactMap(\.self)
      return present.reduce(0, +) / Double(present.count)
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
}
