public import TinctureTensors

/// How often each class was predicted for each true class.
///
/// The matrix grows to the largest label that it meets, unless the number of classes was given; pairs
/// whose true label is the ignored one leave no trace.
///
/// Memory is one integer for each pair of classes.
public struct ConfusionMatrix: Sendable, Hashable {
  /// The largest number of classes; 128 MiB are needed for so many.
  public static let classLimit = 4096

  /// The number of classes, so far or as given.
  public private(set) var classCount: Int
  /// The number of pairs that were counted.
  public private(set) var total = 0
  private var counts: [Int]
  private let isFixed: Bool
  private let ignoredLabel: Int?

  /// Starts a count.
  ///
  /// - Parameters:
  ///   - classCount: The number of classes, or nil to find it from the labels.
  ///   - ignoredLabel: True labels that are left out.
  /// - Throws: `data` when there are no classes or more than `classLimit`.
  public init(classCount: Int? = nil, ignoring ignoredLabel: Int? = nil) throws(TinctureError) {
    if let classCount, !(1...Self.classLimit).contains(classCount) {
      throw TinctureError(
        .data, "\(classCount) classes are not counted; there can be 1 to \(Self.classLimit).")
    }
    self.classCount = classCount ?? 0
    self.ignoredLabel = ignoredLabel
    isFixed = classCount != nil
    counts = [Int](repeating: 0, count: self.classCount * self.classCount)
  }

  /// Starts a count whose number of classes is found from the labels.
  init(ignoring ignoredLabel: Int?) {
    classCount = 0
    counts = []
    isFixed = false
    self.ignoredLabel = ignoredLabel
  }

  /// How often a class was predicted where another is true.
  public subscript(actual actual: Int, predicted predicted: Int) -> Int {
    counts[actual * classCount + predicted]
  }

  /// How often a class is true.
  public func actualCount(_ label: Int) -> Int {
    (0..<classCount).reduce(0) { $0 + self[actual: label, predicted: $1] }
  }

  /// How often a class was predicted.
  public func predictedCount(_ label: Int) -> Int {
    (0..<classCount).reduce(0) { $0 + self[actual: $1, predicted: label] }
  }

  /// How often the prediction was right.
  public var correctCount: Int {
    (0..<classCount).reduce(0) { $0 + self[actual: $1, predicted: $1] }
  }

  /// Counts pairs of labels.
  ///
  /// - Parameters:
  ///   - predicted: The predicted classes.
  ///   - actual: The true classes, as many.
  /// - Throws: `data` when the counts differ or a label is negative or too large; nothing is counted then.
  /// - Complexity: O(n), besides growing.
  public mutating func add(predicted: [Int], actual: [Int]) throws(TinctureError) {
    guard predicted.count == actual.count else {
      throw TinctureError(
        .data,
        "There are \(predicted.count) predicted and \(actual.count) true labels; there must be one"
          + " for each.")
    }
    let limit = isFixed ? classCount : Self.classLimit
    var largest = -1
    for (index, label) in actual.enumerated() where label != ignoredLabel {
      guard (0..<limit).contains(label) else { throw outside(label, "true", limit) }
      guard (0..<limit).contains(predicted[index]) else {
        throw outside(predicted[index], "predicted", limit)
      }
      largest = max(largest, label, predicted[index])
    }
    if largest >= classCount { grow(to: largest + 1) }
    for (index, label) in actual.enumerated() where label != ignoredLabel {
      counts[label * classCount + predicted[index]] += 1
      total += 1
    }
  }

  private mutating func grow(to size: Int) {
    var larger = [Int](repeating: 0, count: size * size)
    for row in 0..<classCount {
      for column in 0..<classCount {
        larger[row * size + column] = counts[row * classCount + column]
      }
    }
    counts = larger
    classCount = size
  }

  private func outside(_ label: Int, _ which: String, _ limit: Int) -> TinctureError {
    TinctureError(
      .data,
      "The \(which) label \(label) is not one of 0 to \(limit - 1); name it as the ignored label, or"
        + " state the number of classes.")
  }
}
