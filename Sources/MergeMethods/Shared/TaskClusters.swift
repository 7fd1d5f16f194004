internal import TinctureTensors

/// Which tasks share a merged vector in a block of the model.
struct TaskClusters: Sendable {
  /// How clusters are compared.
  enum Linkage: String, CaseIterable {
    /// By the means of their members.
    case merged
    /// By the two members that are most alike.
    case single
    /// By the two members that are least alike.
    case complete
    /// By the mean over pairs of members.
    case average
  }

  /// How vectors are compared.
  enum Similarity: String, CaseIterable {
    case cosine
    case euclidean
    case sign
  }

  /// The clusters; members and clusters in the order of the recipe.
  private(set) var members: [[Int]]
  /// The inner products of the tasks' vectors.
  private let gram: [Double]
  /// How many elements of two tasks have the same sign; empty where it is not needed.
  private let agreement: [Double]
  private let elements: Double
  private let count: Int

  /// Begins with a cluster for each task.
  init(gram: [Double], agreement: [Double] = [], elements: Int = 1, count: Int) {
    self.gram = gram
    self.agreement = agreement
    self.elements = Double(max(1, elements))
    self.count = count
    members = (0..<count).map { [$0] }
  }

  /// The largest cluster, the first of those that are.
  var main: Int {
    members.indices.max { (members[$0].count, -$0) < (members[$1].count, -$1) } ?? 0
  }

  /// The tasks that have masks over one vector where clusters have those: the largest cluster, if it is of
  /// more than two.
  var masked: [Int] { members[main].count > 2 ? members[main] : [] }

  /// The room that the block takes, in bytes.
  ///
  /// - Parameters:
  ///   - size: The bytes of one copy of the block.
  ///   - elements: The elements of the block.
  ///   - hasMasks: Whether clusters have masks.
  /// - Returns: A copy for each cluster; with masks one for the merged model and one for each task without a
  ///   mask, single precision for what leads back to the base, and a bit for each element and mask.
  func room(size: Int, elements: Int, hasMasks: Bool) -> Int {
    guard hasMasks else { return members.count * size }
    let masked = masked.count
    guard masked > 0 else { return count * size }
    return (1 + count - masked) * size + 4 * elements + masked * elements / 8
  }

  /// The two clusters that are most alike, the first of several pairs.
  func closest(_ similarity: Similarity, _ linkage: Linkage) -> (
    first: Int, second: Int, value: Double
  )? {
    var best: (first: Int, second: Int, value: Double)?
    for first in members.indices {
      for second in members.indices where second > first {
        let value = compare(members[first], members[second], similarity, linkage)
        if value > best?.value ?? -.infinity { best = (first, second, value) }
      }
    }
    return best
  }

  /// Makes one cluster of two.
  mutating func merge(_ first: Int, _ second: Int) {
    members[first] = (members[first] + members[second]).sorted()
    members.remove(at: second)
  }

  /// Makes clusters of the tasks with the same label, in the order of their first members.
  mutating func join(_ labels: [Int]) {
    var places: [Int: Int] = [:]
    members = []
    for (task, label) in labels.enumerated() {
      if let place = places[label] {
        members[place].append(task)
      } else {
        places[label] = members.count
        members.append([task])
      }
    }
  }

  private func compare(
    _ first: [Int], _ second: [Int], _ similarity: Similarity, _ linkage: Linkage
  ) -> Double {
    func product(_ left: [Int], _ right: [Int]) -> Double {
      var sum = 0.0
      for a in left { for b in right { sum += gram[a * count + b] } }
      return sum / Double(left.count * right.count)
    }
    func value(_ left: [Int], _ right: [Int]) -> Double {
      let (own, its) = (product(left, left), product(right, right))
      let both = product(left, right)
      switch similarity {
      case .euclidean: return -(max(0, own + its - 2 * both) / elements).squareRoot()
      case .sign:
        let pairs = left.flatMap { a in right.map { agreement[a * count + $0] } }
        return pairs.reduce(0, +) / Double(pairs.count) / elements
      case .cosine:
        // Tasks that did not change the block are the same there.
        if own <= 0, its <= 0 { return 1 }
        return both / (max(0, own).squareRoot() * max(0, its).squareRoot() + 1e-8)
      }
    }
    guard linkage != .merged else { return value(first, second) }
    let pairs = first.flatMap { a in second.map { value([a], [$0]) } }
    switch linkage {
    case .single: return pairs.max() ?? 0
    case .complete: return pairs.min() ?? 0
    default: return pairs.reduce(0, +) / Double(pairs.count)
    }
  }
}
