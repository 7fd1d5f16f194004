internal import TinctureTensors

/// Merges tensors of one shape element by element, piece by piece.
///
/// 1. Prune: the int(density · n) largest magnitudes of each tensor stay (of equal ones the first), or each
///    element stays with the probability `density` and is divided by it. 2. Elect the sign of each place from
///    the pruned elements, not weighted; zero counts as positive. 3. Multiply by the weights. 4. Sum, or for
///    an election divide the sum of the elements that agree by how many they are. Elements that are zero
///    have no voice.
struct ElementMerge {
  let rule: ElementRule
  let weights: [Double]
  let majoritySign: MajoritySign
  let density: Double
  /// The random numbers of each tensor.
  let random: [CounterRandom]
  private var cuts: [MagnitudeCut?]

  /// Prepares a merge.
  ///
  /// - Parameters:
  ///   - rule: The rule.
  ///   - weights: One for each tensor.
  ///   - options: Density and election.
  ///   - random: One for each tensor.
  ///   - cuts: Where magnitudes are cut; nil keeps all.
  init(
    _ rule: ElementRule, weights: [Double], _ options: CombinationOptions,
    random: [CounterRandom], cuts: [MagnitudeCut?]? = nil
  ) {
    self.rule = rule
    self.weights = weights
    majoritySign = options.majoritySign
    density = options.density
    self.random = random
    self.cuts = cuts ?? [MagnitudeCut?](repeating: nil, count: weights.count)
  }

  /// Whether the places of the cuts must be found first.
  var needsCuts: Bool { rule.pruning == .magnitude && density < 1 }

  /// Finds where the magnitudes of each tensor are cut.
  ///
  /// - Parameters:
  ///   - count: The number of elements of each tensor.
  ///   - pieces: Calls its argument with all elements of a tensor in order.
  /// - Throws: What `pieces` throws.
  mutating func findCuts(
    count: Int,
    pieces: (Int, (ContiguousArray<Float>) -> Void) throws(TinctureError) -> Void
  ) throws(TinctureError) {
    guard needsCuts, count > 0 else { return }
    let kept = Int(density * Double(count))
    for tensor in weights.indices {
      guard kept > 0 else {
        cuts[tensor] = MagnitudeCut(at: .infinity, ties: 0)
        continue
      }
      var statistic = OrderStatistic(.magnitude)
      try pieces(tensor) { statistic.count($0.span) }
      statistic.select([count - kept])
      try pieces(tensor) { statistic.refine($0.span) }
      cuts[tensor] = statistic.finding(rank: count - kept)?.cut(keeping: kept, of: count)
    }
  }

  /// Merges the next piece; pieces must come in order.
  ///
  /// - Parameters:
  ///   - pieces: The elements of each tensor.
  ///   - start: The place of the first of them.
  /// - Returns: The merged elements.
  mutating func merge(_ pieces: [ContiguousArray<Float>], from start: Int) -> ContiguousArray<Float>
  {
    var pruned = pieces
    for tensor in pruned.indices where density < 1 {
      switch rule.pruning {
      case .none: break
      case .magnitude:
        var values = pruned[tensor]
        var span = values.mutableSpan
        cuts[tensor]?.keepLargest(&span)
        pruned[tensor] = values
      case .random:
        var values = pruned[tensor]
        var span = values.mutableSpan
        random[tensor].drop(
          &span, keeping: density, from: start, scale: Float(1 / density))
        pruned[tensor] = values
      }
    }
    let count = pruned.first?.count ?? 0
    var result = ContiguousArray<Float>(repeating: 0, count: count)
    for index in 0..<count {
      result[index] = Float(rule.elects ? elected(pruned, index) : sum(pruned, index))
    }
    return result
  }

  private func sum(_ tensors: [ContiguousArray<Float>], _ index: Int) -> Double {
    var sum = 0.0
    for (tensor, weight) in zip(tensors, weights) { sum += weight * Double(tensor[index]) }
    return sum
  }

  private func elected(_ tensors: [ContiguousArray<Float>], _ index: Int) -> Double {
    var votes = 0.0
    for tensor in tensors {
      let value = Double(tensor[index])
      votes += majoritySign == .total ? value : value > 0 ? 1 : value < 0 ? -1 : 0
    }
    let isPositive = votes >= 0
    var (sum, voices) = (0.0, 0)
    for (tensor, weight) in zip(tensors, weights) {
      let value = Double(tensor[index])
      guard isPositive ? value > 0 : value < 0 else { continue }
      sum += weight * value
      voices += 1
    }
    return voices > 0 ? sum / Double(voices) : 0
  }
}

extension ElementMerge {
  /// Merges whole tensors.
  mutating func merge(_ tensors: [ContiguousArray<Float>]) throws(TinctureError)
    -> ContiguousArray<Float>
  {
    try findCuts(count: tensors.first?.count ?? 0) { (tensor, body) throws(TinctureError) in
      body(tensors[tensor])
    }
    return merge(tensors, from: 0)
  }
}
