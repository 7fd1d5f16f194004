public import TinctureTensors

/// What a suite may say about a metric besides its name.
public struct MetricSettings: Sendable, Hashable {
  /// How many of the highest scores may hold the true class, for `top_k_accuracy`.
  public var k: Int
  /// The class whose F1 is meant by `f1`.
  public var positiveLabel: Int
  /// The number of classes of label maps; nil finds it from the labels.
  public var classCount: Int?
  /// The true label that is left out; nil leaves 255 out of label maps and nothing elsewhere.
  public var ignoredLabel: Int?

  /// Creates settings.
  public init(
    k: Int = 5, positiveLabel: Int = 1, classCount: Int? = nil, ignoredLabel: Int? = nil
  ) {
    self.k = k
    self.positiveLabel = positiveLabel
    self.classCount = classCount
    self.ignoredLabel = ignoredLabel
  }
}

/// All metrics by name.
///
/// Suites, tables and help screens are driven by this list.
public enum MetricRegistry {
  private typealias Maker =
    @Sendable (MetricSettings) throws(TinctureError) -> any Metric

  /// What each metric is, in the order in which they are listed.
  public static let all: [MetricInfo] = names.map { name in
    var info = (try? metric(named: name))?.info
    if name == "top_k_accuracy" {
      info = MetricInfo(
        name, title: "Top-k accuracy", formula: "(1/n) Σᵢ [yᵢ is among the k highest scores]",
        needs: .scores)
    }
    return info ?? MetricInfo(name, title: name, formula: "", needs: .classes)
  }

  /// The names, in the order in which they are listed.
  public static var names: [String] { makers.map(\.name) }

  /// Starts the metric of a name.
  ///
  /// - Parameters:
  ///   - name: The name; hyphens and upper case do not matter.
  ///   - settings: What else the suite says.
  /// - Returns: A metric that has seen nothing.
  /// - Throws: `recipe` when no metric has this name, or a setting is out of range.
  public static func metric(
    named name: String, settings: MetricSettings = MetricSettings()
  ) throws(TinctureError) -> any Metric {
    let wanted = String(name.lowercased().map { $0 == "-" ? "_" : $0 })
    guard let entry = makers.first(where: { $0.name == wanted }) else {
      throw TinctureError(
        .recipe,
        "There is no metric \"\(name)\"; there are \(names.joined(separator: ", ")).")
    }
    guard settings.k >= 1 else {
      throw TinctureError(
        .recipe, "The \(settings.k) highest scores hold no class; k is at least 1.")
    }
    return try entry.make(settings)
  }

  private static let makers: [(name: String, make: Maker)] = [
    ("accuracy", { Accuracy(ignoring: $0.ignoredLabel) }),
    ("top_k_accuracy", { Accuracy(top: $0.k, ignoring: $0.ignoredLabel) }),
    ("f1", { FScore(.binary(positive: $0.positiveLabel), ignoring: $0.ignoredLabel) }),
    ("f1_macro", { FScore(.macro, ignoring: $0.ignoredLabel) }),
    ("f1_micro", { FScore(.micro, ignoring: $0.ignoredLabel) }),
    ("f1_weighted", { FScore(.weighted, ignoring: $0.ignoredLabel) }),
    ("matthews", { MatthewsCorrelation(ignoring: $0.ignoredLabel) }),
    ("pearson", { _ in PearsonCorrelation() }),
    ("spearman", { _ in SpearmanCorrelation() }),
    ("perplexity", { _ in Perplexity() }),
    (
      "miou",
      { settings throws(TinctureError) in try segmentation(.meanIntersectionOverUnion, settings) }
    ),
    (
      "pixel_accuracy",
      { settings throws(TinctureError) in try segmentation(.pixelAccuracy, settings) }
    ),
    ("depth_abs", { _ in DepthError(.absolute) }),
    ("depth_rel", { _ in DepthError(.relative) }),
    ("normal_mean", { _ in NormalError(.mean) }),
    ("normal_median", { _ in NormalError(.median) }),
    ("normal_11", { _ in NormalError(.within11) }),
    ("normal_22", { _ in NormalError(.within22) }),
    ("normal_30", { _ in NormalError(.within30) }),
    ("box_ap", { _ in DetectionScore(.boxes) }),
    ("mask_ap", { _ in DetectionScore(.masks) }),
  ]

  private static func segmentation(
    _ figure: SegmentationScore.Figure, _ settings: MetricSettings
  ) throws(TinctureError) -> any Metric {
    try SegmentationScore(
      figure, classCount: settings.classCount, ignoring: settings.ignoredLabel ?? 255)
  }
}
