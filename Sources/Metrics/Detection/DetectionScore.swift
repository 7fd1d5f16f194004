public import TinctureTensors

/// COCO's average precision and recall of found objects, by boxes or by masks.
///
/// AP is the precision averaged over 101 recalls (0, 0.01, … 1), over the overlaps 0.5, 0.55, … 0.95 and
/// over the categories that have annotations; AP50 and AP75 are those at one overlap. AR@k is the largest
/// recall with at most k objects of each image and category, averaged likewise. Small is an area up to
/// 32² pixels, medium up to 96², large above. Crowds are treated as `pycocotools` does, with which all
/// figures agree; figures without annotations are nil (there −1).
///
/// Of objects that are equally sure the one of the earlier image goes first, so give images in the order
/// of their numbers to get the figures of `pycocotools` to the last digit.
///
/// Regions are let go after each image; 40 bytes are kept for each found object and size.
/// Source: Lin et al., Microsoft COCO, 2014, arXiv:1405.0312; the evaluation of cocodataset.org.
public struct DetectionScore: Metric {
  /// What is compared.
  public enum Kind: Sendable, Hashable {
    /// Boxes.
    case boxes
    /// Masks.
    case masks
  }

  /// What is compared.
  public let kind: Kind
  private var categories: [Int: [DetectionCurve]] = [:]

  /// Starts a count.
  public init(_ kind: Kind) { self.kind = kind }

  /// Name, formula, direction, unit and the output that is needed.
  public var info: MetricInfo {
    switch kind {
    case .boxes:
      MetricInfo(
        "box_ap", title: "Box AP",
        formula: "precision, averaged over 101 recalls, overlaps 0.5 to 0.95 and categories",
        needs: .boxes)
    case .masks:
      MetricInfo(
        "mask_ap", title: "Mask AP",
        formula: "precision, averaged over 101 recalls, overlaps 0.5 to 0.95 and categories",
        needs: .masks)
    }
  }

  /// The figure so far, or nil where it is undefined.
  public var value: Double? { summary.averagePrecision }

  /// The figure and those that belong to it.
  public var details: [(name: String, value: Double?)] {
    let summary = summary
    return [
      (info.name, summary.averagePrecision), ("ap50", summary.averagePrecision50),
      ("ap75", summary.averagePrecision75), ("ap_small", summary.averagePrecisionSmall),
      ("ap_medium", summary.averagePrecisionMedium), ("ap_large", summary.averagePrecisionLarge),
      ("ar1", summary.averageRecall1), ("ar10", summary.averageRecall10),
      ("ar100", summary.averageRecall100), ("ar_small", summary.averageRecallSmall),
      ("ar_medium", summary.averageRecallMedium), ("ar_large", summary.averageRecallLarge),
    ]
  }

  /// COCO's twelve figures.
  ///
  /// - Complexity: O(n log n) in the number of found objects.
  public var summary: DetectionSummary {
    DetectionSummary(categories.keys.sorted().compactMap { categories[$0] })
  }

  /// Takes a batch into account.
  ///
  /// - Parameter batch: Outputs of the kind that `info` names.
  /// - Throws: `data` when the batch is of another kind or does not fit itself; nothing is counted then.
  public mutating func add(_ batch: Observations) throws(TinctureError) {
    guard case .objects(let predicted, let actual) = batch else { throw batch.mismatch(info) }
    try Observations.check(predicted.count, actual.count, "images", info)
    for (found, annotated) in zip(predicted, actual) { try check(found, annotated) }
    for (found, annotated) in zip(predicted, actual) { add(found, annotated) }
  }

  /// Adds an image whose regions are all of one kind and extent.
  private mutating func add(_ found: [DetectedObject], _ annotated: [AnnotatedObject]) {
    let detected = Dictionary(grouping: found, by: \.category)
    let actual = Dictionary(grouping: annotated, by: \.category)
    for category in Set(detected.keys).union(actual.keys).sorted() {
      let annotations = actual[category] ?? []
      let objects = Self.surest(detected[category] ?? [])
      let overlaps = objects.flatMap { object in
        annotations.map { Self.overlap(object.region, $0.region, $0.isCrowd) }
      }
      let curves = DetectionSummary.sizes.map { sizes in
        ImageMatching(objects, annotations, overlaps: overlaps, sizes: sizes)
      }
      var sums =
        categories[category] ?? DetectionSummary.sizes.map { _ in DetectionCurve() }
      for (index, curve) in curves.enumerated() { sums[index].add(curve) }
      categories[category] = sums
    }
  }

  /// The objects from the surest on, equal ones in their order.
  private static func surest(_ objects: [DetectedObject]) -> [DetectedObject] {
    let order = objects.indices.sorted {
      (objects[$1].score, $0) < (objects[$0].score, $1)
    }
    return order.prefix(ImageMatching.objectLimit).map { objects[$0] }
  }

  private static func overlap(
    _ found: ObjectRegion, _ annotated: ObjectRegion, _ isCrowd: Bool
  ) -> Double {
    switch (found, annotated) {
    case (.box(let first), .box(let second)): first.overlap(with: second, isCrowd: isCrowd)
    case (.mask(let first), .mask(let second)): first.overlap(with: second, isCrowd: isCrowd)
    default: 0
    }
  }

  private func check(
    _ found: [DetectedObject], _ annotated: [AnnotatedObject]
  ) throws(TinctureError) {
    if let object = found.first(where: { !$0.score.isFinite }) {
      throw TinctureError(
        .data, "An object of category \(object.category) has the score \(object.score).")
    }
    var extents: (Int, Int)?
    for region in found.map(\.region) + annotated.map(\.region) {
      switch (kind, region) {
      case (.boxes, .box): break
      case (.masks, .mask(let mask)):
        if let extents, extents != (mask.height, mask.width) {
          throw TinctureError(
            .data,
            "One image has masks of \(extents.0) × \(extents.1) and of \(mask.height) ×"
              + " \(mask.width) pixels; resize what the network puts out to the image.")
        }
        extents = (mask.height, mask.width)
      default:
        throw TinctureError(
          .data, "The metric \(info.name) needs \(info.needs.rawValue) of all objects.")
      }
    }
  }
}
