/// The objects of one category and size in all images so far, from which precision and recall follow.
struct DetectionCurve: Sendable {
  private var found: [ImageMatching.Found] = []
  private var annotationCount = 0

  /// Takes an image into account.
  mutating func add(_ image: ImageMatching) {
    found += image.found
    annotationCount += image.annotationCount
  }

  /// Precision and recall of one category at one overlap.
  struct Figures {
    /// The precision averaged over 101 recalls.
    var precision: Double
    /// The largest recall.
    var recall: Double
  }

  /// The figures at each overlap.
  ///
  /// - Parameter limit: How many objects of each image are looked at.
  /// - Returns: The figures, or nil without annotations that count.
  /// - Complexity: O(n log n).
  func figures(limit: Int) -> [Figures]? {
    guard annotationCount > 0 else { return nil }
    let kept = found.indices.filter { found[$0].rank < limit }
    let order = kept.sorted { (found[$1].score, $0) < (found[$0].score, $1) }
    return ImageMatching.thresholds.indices.map { figures(order, bit: UInt16(1) << $0) }
  }

  private func figures(_ order: [Int], bit: UInt16) -> Figures {
    var precisions: [Double] = []
    var recalls: [Double] = []
    var right = 0
    var wrong = 0
    for index in order {
      if found[index].ignored & bit == 0 {
        if found[index].matched & bit != 0 { right += 1 } else { wrong += 1 }
      }
      recalls.append(Double(right) / Double(annotationCount))
      // The last term keeps the ratio defined before the first object that counts.
      precisions.append(Double(right) / (Double(right + wrong) + 0x1p-52))
    }
    for index in precisions.indices.dropLast().reversed() {
      precisions[index] = max(precisions[index], precisions[index + 1])
    }
    var sum = 0.0
    var position = 0
    for step in 0...100 {
      let recall = Double(step) * 0.01
      while position < recalls.count, recalls[position] < recall { position += 1 }
      guard position < recalls.count else { break }
      sum += precisions[position]
    }
    return Figures(precision: sum / 101, recall: recalls.last ?? 0)
  }
}

/// COCO's twelve figures; each is nil when there are no annotations of its size.
public struct DetectionSummary: Sendable, Hashable {
  /// The areas of all, small, medium and large objects.
  static let sizes: [ClosedRange<Double>] = [0...1e10, 0...1024, 1024...9216, 9216...1e10]

  /// Precision over all overlaps and sizes.
  public let averagePrecision: Double?
  /// Precision at an overlap of 0.5.
  public let averagePrecision50: Double?
  /// Precision at an overlap of 0.75.
  public let averagePrecision75: Double?
  /// Precision of objects of at most 32² pixels.
  public let averagePrecisionSmall: Double?
  /// Precision of objects of 32² to 96² pixels.
  public let averagePrecisionMedium: Double?
  /// Precision of objects of at least 96² pixels.
  public let averagePrecisionLarge: Double?
  /// Recall with one object for each image and category.
  public let averageRecall1: Double?
  /// Recall with at most ten objects for each image and category.
  public let averageRecall10: Double?
  /// Recall with at most a hundred objects for each image and category.
  public let averageRecall100: Double?
  /// Recall of objects of at most 32² pixels.
  public let averageRecallSmall: Double?
  /// Recall of objects of 32² to 96² pixels.
  public let averageRecallMedium: Double?
  /// Recall of objects of at least 96² pixels.
  public let averageRecallLarge: Double?

  /// Puts categories together, each with a curve for each of `sizes`.
  init(_ categories: [[DetectionCurve]]) {
    let full = Self.sizes.indices.map { size in
      categories.compactMap { $0[size].figures(limit: 100) }
    }
    func precision(_ size: Int, _ threshold: Int? = nil) -> Double? {
      Self.mean(full[size]) { figures in
        threshold.map { [figures[$0].precision] } ?? figures.map(\.precision)
      }
    }
    func recall(_ figures: [[DetectionCurve.Figures]]) -> Double? {
      Self.mean(figures) { $0.map(\.recall) }
    }
    averagePrecision = precision(0)
    averagePrecision50 = precision(0, 0)
    averagePrecision75 = precision(0, 5)
    averagePrecisionSmall = precision(1)
    averagePrecisionMedium = precision(2)
    averagePrecisionLarge = precision(3)
    averageRecall1 = recall(categories.compactMap { $0[0].figures(limit: 1) })
    averageRecall10 = recall(categories.compactMap { $0[0].figures(limit: 10) })
    averageRecall100 = recall(full[0])
    averageRecallSmall = recall(full[1])
    averageRecallMedium = recall(full[2])
    averageRecallLarge = recall(full[3])
  }

  private static func mean(
    _ categories: [[DetectionCurve.Figures]], _ values: ([DetectionCurve.Figures]) -> [Double]
  ) -> Double? {
    let all = categories.flatMap(values)
    return all.isEmpty ? nil : all.reduce(0, +) / Double(all.count)
  }
}
