internal import TinctureTensors

/// The kind of output of a network that a metric needs.
public enum OutputKind: String, Sendable, Hashable, CaseIterable {
  /// A class for each example, as a label or as scores of all classes.
  case classes
  /// Scores of all classes for each example.
  case scores
  /// A number for each example.
  case numbers
  /// The likelihood of a text.
  case likelihood
  /// A class for each pixel.
  case labelMaps = "label maps"
  /// A depth for each pixel.
  case depthMaps = "depth maps"
  /// A direction for each pixel.
  case normalMaps = "normal maps"
  /// Objects with boxes.
  case boxes
  /// Objects with masks.
  case masks
}

/// A batch of outputs of a network and of what is true, in the form that metrics take.
///
/// Lists of one case have an entry for each example or pixel, in the same order; the shape of an image
/// plays no part, except for objects.
public enum Observations: Sendable {
  /// Predicted and true classes, of examples or of pixels.
  case labels(predicted: [Int], actual: [Int])
  /// Scores, row after row with `classCount` in each, and true classes; higher scores win.
  case scores([Float], classCount: Int, actual: [Int])
  /// Predicted and true numbers.
  case numbers(predicted: [Double], actual: [Double])
  /// The sum of −ln p over tokens (natural logarithm), and how many tokens those are.
  case likelihood(negativeLogLikelihood: Double, tokenCount: Int)
  /// Predicted and true depths; `valid` says which pixels count, all with a positive true depth if nil.
  case depths(predicted: [Float], actual: [Float], valid: [Bool]? = nil)
  /// Predicted and true directions, x y z for each pixel; `valid` says which pixels count, all whose
  /// true direction is not zero if nil.
  case directions(predicted: [Float], actual: [Float], valid: [Bool]? = nil)
  /// Predicted and annotated objects, image by image.
  case objects(predicted: [[DetectedObject]], actual: [[AnnotatedObject]])

  /// The kind of the batch, in words.
  var kind: String {
    switch self {
    case .labels: "labels"
    case .scores: "scores"
    case .numbers: "numbers"
    case .likelihood: "likelihoods"
    case .depths: "depths"
    case .directions: "directions"
    case .objects: "objects"
    }
  }

  /// Predicted and true classes; of scores, the class of the highest.
  ///
  /// The first of several equal highest scores wins; a score that is not a number never does.
  ///
  /// - Throws: `data` when the batch has no classes or its counts differ.
  /// - Complexity: O(n) in the number of scores.
  func labelled(
    for info: MetricInfo
  ) throws(TinctureError) -> (predicted: [Int], actual: [Int]) {
    switch self {
    case .labels(let predicted, let actual):
      try Self.check(predicted.count, actual.count, "labels", info)
      return (predicted, actual)
    case .scores(let scores, let classCount, let actual):
      try Self.check(scores: scores, classCount, actual, info)
      let predicted = actual.indices.map { row in
        let start = row * classCount
        var best = 0
        for column in 1..<max(1, classCount)
        where scores[start + column] > scores[start + best] || scores[start + best].isNaN {
          best = column
        }
        return best
      }
      return (predicted, actual)
    default: throw mismatch(info)
    }
  }

  /// The failure of a metric that needs something else.
  func mismatch(_ info: MetricInfo) -> TinctureError {
    TinctureError(
      .data,
      "The metric \(info.name) needs \(info.needs.rawValue), not \(kind); choose a metric that fits the"
        + " task.")
  }

  static func check(
    _ predicted: Int, _ actual: Int, _ noun: String, _ info: MetricInfo
  ) throws(TinctureError) {
    guard predicted == actual else {
      throw TinctureError(
        .data,
        "The metric \(info.name) got \(predicted) predicted and \(actual) true \(noun); there must be"
          + " one for each.")
    }
  }

  static func check(
    scores: [Float], _ classCount: Int, _ actual: [Int], _ info: MetricInfo
  ) throws(TinctureError) {
    let (expected, overflow) = actual.count.multipliedReportingOverflow(by: classCount)
    guard classCount > 0, !overflow, scores.count == expected else {
      throw TinctureError(
        .data,
        "The metric \(info.name) got \(scores.count) scores for \(actual.count) examples with"
          + " \(classCount) classes; there must be one for each class of each example.")
    }
  }
}
