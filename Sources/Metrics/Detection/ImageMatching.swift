/// Which objects found in one image belong to which annotations of one category.
///
/// Follows COCO's evaluation: objects take, from the surest on, the free annotation with which they
/// overlap most and at least by the threshold; annotations that count go before those that do not, and a
/// crowd may be taken any number of times.
struct ImageMatching {
  /// The overlaps that are asked for: 0.5, 0.55, … 0.95.
  static let thresholds = (0..<10).map { 0.5 + Double($0) * ((0.95 - 0.5) / 9) }
  /// The most objects of an image and category that are looked at.
  static let objectLimit = 100

  /// A found object and what became of it at each threshold, one bit for each.
  struct Found: Sendable {
    /// How sure the network is.
    var score: Double
    /// Its rank among the objects of its image and category, from 0.
    var rank: Int
    /// The thresholds at which it is neither right nor wrong.
    var ignored: UInt16
    /// The thresholds at which it took an annotation.
    var matched: UInt16
  }

  /// The found objects, from the surest on.
  private(set) var found: [Found] = []
  /// The number of annotations that count.
  private(set) var annotationCount = 0

  /// Matches objects and annotations of one size class.
  ///
  /// - Parameters:
  ///   - detected: The found objects, from the surest on.
  ///   - actual: The annotations.
  ///   - overlaps: The overlap of each object (row) with each annotation (column).
  ///   - sizes: The areas that count.
  init(
    _ detected: [DetectedObject], _ actual: [AnnotatedObject], overlaps: [Double],
    sizes: ClosedRange<Double>
  ) {
    let isIgnored = actual.map { $0.isCrowd || !sizes.contains($0.area) }
    let order =
      actual.indices.filter { !isIgnored[$0] } + actual.indices.filter { isIgnored[$0] }
    annotationCount = isIgnored.count { !$0 }
    found = detected.enumerated().map { rank, object in
      Found(score: object.score, rank: rank, ignored: 0, matched: 0)
    }
    for (bit, threshold) in Self.thresholds.enumerated() {
      var isTaken = [Bool](repeating: false, count: actual.count)
      for row in detected.indices {
        var best: Int?
        var least = min(threshold, 1 - 1e-10)
        for column in order where !isTaken[column] || actual[column].isCrowd {
          if let best, !isIgnored[best], isIgnored[column] { break }
          let overlap = overlaps[row * actual.count + column]
          guard overlap >= least else { continue }
          least = overlap
          best = column
        }
        guard let best else { continue }
        isTaken[best] = true
        found[row].matched |= 1 << UInt16(bit)
        if isIgnored[best] { found[row].ignored |= 1 << UInt16(bit) }
      }
    }
    let all: UInt16 = (1 << UInt16(Self.thresholds.count)) - 1
    for row in detected.indices where !sizes.contains(detected[row].region.area) {
      found[row].ignored |= all & ~found[row].matched
    }
  }
}
