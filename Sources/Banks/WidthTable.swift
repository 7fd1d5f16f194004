internal import TinctureTensors

/// What one tensor takes and loses at every width of its codes.
struct WidthTable: Sendable {
  /// Bytes and squared error of one expert's code, or of the shared vector's.
  struct Cost: Sendable, Hashable {
    var bytes = 0
    var error = 0.0
  }

  /// A choice of widths for the tensor with what it costs.
  struct Choice: Sendable, Hashable {
    var widths: TensorWidths
    var cost: Cost
  }

  let tensor: String
  /// Bytes that do not depend on widths, the description included.
  let fixedBytes: Int
  let experts: [String]
  /// The bytes of the shared vector for each of its widths; one entry, of no bytes, without one.
  let shared: [Int: Int]
  /// The costs by the shared vector's width, then by expert, then by the expert's own width.
  let own: [Int: [[Int: Cost]]]

  /// The cost of the same widths for all experts.
  func cost(shared width: Int, own bits: Int) -> Cost {
    var cost = Cost(bytes: fixedBytes + (shared[width] ?? 0))
    for expert in own[width] ?? [] {
      cost.bytes += expert[bits]?.bytes ?? 0
      cost.error += expert[bits]?.error ?? 0
    }
    return cost
  }

  /// The choices that no mixture of others beats, from the smallest to the most exact.
  ///
  /// For each width of the shared vector experts get bits one step at a time, where a byte saves the
  /// most; of all that come up, the lower convex hull over bytes is kept.
  func hull(_ start: TensorWidths) -> [Choice] {
    var found: [Choice] = []
    for width in shared.keys.sorted() {
      var widths = start
      widths.shared = width
      for expert in experts { widths.experts[expert] = BitBudget.widths.lowerBound }
      found.append(Choice(widths: widths, cost: cost(of: widths)))
      while let next = step(widths, width) {
        widths.experts[next.expert] = next.bits
        found.append(Choice(widths: widths, cost: cost(of: widths)))
      }
    }
    return Self.lowerHull(found)
  }

  private func cost(of widths: TensorWidths) -> Cost {
    var cost = Cost(bytes: fixedBytes + (shared[widths.shared] ?? 0))
    for (expert, costs) in zip(experts, own[widths.shared] ?? []) {
      let own = costs[widths[expert]] ?? Cost()
      cost.bytes += own.bytes
      cost.error += own.error
    }
    return cost
  }

  /// The expert and the width whose further bytes save the most error each; nil when none saves any.
  private func step(_ widths: TensorWidths, _ width: Int) -> (expert: String, bits: Int)? {
    var best: (expert: String, bits: Int)?
    var rate = 0.0
    for (expert, costs) in zip(experts, own[width] ?? []) {
      guard let now = costs[widths[expert]] else { continue }
      for bits in BitBudget.widths where bits > widths[expert] {
        guard let then = costs[bits], then.bytes > now.bytes, then.error < now.error else {
          continue
        }
        let saved = (now.error - then.error) / Double(then.bytes - now.bytes)
        if saved > rate { (best, rate) = ((expert, bits), saved) }
      }
    }
    return best
  }

  private static func lowerHull(_ choices: [Choice]) -> [Choice] {
    let ordered = choices.enumerated().sorted {
      ($0.element.cost.bytes, $0.element.cost.error, $0.offset)
        < ($1.element.cost.bytes, $1.element.cost.error, $1.offset)
    }.map(\.element)
    var hull: [Choice] = []
    for choice in ordered {
      if let last = hull.last, choice.cost.error >= last.cost.error { continue }
      while hull.count > 1,
        rate(from: hull[hull.count - 2], to: choice)
          >= rate(from: hull[hull.count - 2], to: hull[hull.count - 1])
      {
        hull.removeLast()
      }
      hull.append(choice)
    }
    return hull
  }

  /// The error that a further byte saves on the way from one choice to another.
  static func rate(from: Choice, to: Choice) -> Double {
    (from.cost.error - to.cost.error) / Double(max(1, to.cost.bytes - from.cost.bytes))
  }
}
