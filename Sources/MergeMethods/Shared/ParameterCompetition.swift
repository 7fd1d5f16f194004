internal import TinctureMerging
internal import TinctureTensors

/// How the elements of task vectors compete within a model and between models: the steps of PCB.
///
/// Bounds of magnitudes and balances are those of whole models; `Pcb` says what they are. Which models compete
/// with one another may be chosen for each tensor. Source: Du et al., arXiv:2410.02396.
public struct ParameterCompetition: Sendable {
  /// The bounds of one model's elements.
  struct Limits: Sendable, Hashable {
    /// Magnitudes are clipped to these.
    let magnitudes: ClosedRange<Float>
    /// Balances are clipped to these.
    var balances: ClosedRange<Float> = 0...0
  }

  /// The bounds by the positions of models in the recipe.
  private var limits: [Int: Limits] = [:]
  private let isNormalized: Bool

  /// A competition of no models.
  init() { isNormalized = false }

  /// Finds the bounds of every model's magnitudes, and then of its balances.
  ///
  /// - Parameters:
  ///   - session: The merge.
  ///   - ratio: The fraction of each task vector that stays.
  ///   - low: The fraction of magnitudes that are raised to the next larger one.
  ///   - high: The fraction of magnitudes that are lowered to the next smaller one.
  ///   - isNormalized: Whether models agree by signs times shares in place of task vectors.
  /// - Throws: What reading throws.
  /// - Complexity: Four passes over the models.
  init(
    _ session: MergeSession, ratio: Double, low: Double, high: Double, isNormalized: Bool
  ) async throws(TinctureError) {
    self.isNormalized = isNormalized
    let magnitudes = try await session.findings(.magnitude) { _, total in
      // Truncated in this order, as published: the upper bound is not the mirror image of the lower.
      let upper = Int(Double(total) * (1 - high) - 1)
      return [min(total - 1, Int(Double(total) * low)), max(0, upper)]
    } visit: { (inputs, count) throws(TinctureError) in
      try inputs.scan(.taskVectors) { (block) throws(TinctureError) in
        for (position, model) in inputs.step.modelIndices.enumerated() {
          count(block[model: position], model)
        }
      }
    }
    limits = magnitudes.mapValues { found in
      Limits(magnitudes: found[0]...max(found[0], found[1]))
    }
    let known = self
    let balances = try await session.findings(.value) { _, total in
      [min(total - 1, Int(Double(total) * (1 - ratio))), total - 1]
    } visit: { (inputs, count) throws(TinctureError) in
      var sum = inputs.scratch()
      var balance = inputs.scratch()
      let all = Array(0..<inputs.modelCount)
      try inputs.scan(.taskVectors) { (block) throws(TinctureError) in
        known.addUp(&block, inputs, all, &sum)
        for (position, model) in inputs.step.modelIndices.enumerated() {
          known.weigh(&block, position, inputs, of: all.count, sum, &balance)
          count(balance.prefix(block.count), model)
        }
      }
    }
    for (model, found) in balances {
      limits[model]?.balances = found[0]...max(found[0], found[1])
    }
  }

  /// What elements are multiplied by to see whether models agree, in a block.
  private func addUp(
    _ block: inout ElementBlock, _ inputs: MergeInputs, _ members: [Int],
    _ sum: inout ScratchVector
  ) {
    sum.use(block.count) { sum in
      guard isNormalized else {
        var weights = [Float](repeating: 0, count: block.modelCount)
        for member in members { weights[member] = 1 }
        return block.weightedSum(weights, into: &sum)
      }
      Kernels.clear(&sum)
      for member in members {
        let bounds = limits[inputs.step.modelIndices[member]]?.magnitudes ?? 0...0
        Kernels.addNormalised(block[model: member], between: bounds, to: &sum)
      }
    }
  }

  /// The balances of one model in a block, among a number of models.
  private func weigh(
    _ block: inout ElementBlock, _ position: Int, _ inputs: MergeInputs, of count: Int,
    _ sum: borrowing ScratchVector, _ balance: inout ScratchVector
  ) {
    let bounds = limits[inputs.step.modelIndices[position]]?.magnitudes ?? 0...0
    balance.use(block.count) { balance in
      Kernels.balance(
        block[model: position], between: bounds, sum: sum.prefix(block.count), models: count,
        into: &balance)
    }
  }

  /// The bounds of a model's balances in a competition of some of the step's models.
  ///
  /// Balances are kept without the factor exp(count), which is another one when fewer models compete.
  private func balances(_ position: Int, of count: Int, _ inputs: MergeInputs) -> ClosedRange<Float>
  {
    let bounds = limits[inputs.step.modelIndices[position]]?.balances ?? 0...0
    guard count < inputs.modelCount else { return bounds }
    let factor = Powers.exponential(Double(inputs.modelCount - count))
    func scaled(_ bound: Float) -> Float {
      let most = Double(Float.greatestFiniteMagnitude)
      return Float(min(max(Double(bound) * factor, -most), most))
    }
    return scaled(bounds.lowerBound)...scaled(bounds.upperBound)
  }

  /// What is left of the bounds of members' balances in one tensor: from the least to the largest clipped one.
  ///
  /// - Parameters:
  ///   - inputs: The tensor.
  ///   - members: The positions of the models that compete.
  /// - Returns: A range for each member.
  /// - Throws: What reading throws.
  func spans(_ inputs: MergeInputs, _ members: [Int]) throws(TinctureError) -> [ClosedRange<Float>]
  {
    var sum = inputs.scratch()
    var balance = inputs.scratch()
    let bounds = members.map { balances($0, of: members.count, inputs) }
    var least = [Float](repeating: .infinity, count: members.count)
    var most = [Float](repeating: -.infinity, count: members.count)
    try inputs.scan(.taskVectors) { (block) throws(TinctureError) in
      addUp(&block, inputs, members, &sum)
      for (index, member) in members.enumerated() {
        weigh(&block, member, inputs, of: members.count, sum, &balance)
        let values = balance.prefix(block.count)
        var (low, high) = (least[index], most[index])
        for position in 0..<values.count {
          let value = values[position]
          if value < low { low = value }
          if value > high { high = value }
        }
        (least[index], most[index]) = (low, high)
      }
    }
    return members.indices.map { index in
      let (low, high) = (bounds[index].lowerBound, bounds[index].upperBound)
      func clipped(_ value: Float) -> Float { min(max(value, low), high) }
      guard least[index] <= most[index] else { return low...low }
      return clipped(least[index])...clipped(most[index])
    }
  }

  /// Vectors that a merge needs.
  static let vectors = 3

  /// Adds the merged task vector of a block to zeros.
  ///
  /// - Parameters:
  ///   - block: The task vectors.
  ///   - inputs: The tensor.
  ///   - members: The positions of the models that compete.
  ///   - weights: How much of each member is added.
  ///   - spans: Where members' balances lie, if not between the bounds of whole models.
  ///   - output: Holds zeros and receives the vector.
  func merge(
    _ block: inout ElementBlock, _ inputs: MergeInputs, _ members: [Int], weights: [Float],
    spans: [ClosedRange<Float>]? = nil, into output: inout MutableSpan<Float>
  ) {
    var sum = inputs.scratch()
    var balance = inputs.scratch()
    var totals = inputs.scratch()
    addUp(&block, inputs, members, &sum)
    totals.use(block.count) { Kernels.clear(&$0) }
    for (index, member) in members.enumerated() {
      guard let own = limits[inputs.step.modelIndices[member]] else { continue }
      weigh(&block, member, inputs, of: members.count, sum, &balance)
      let bounds = spans?[index] ?? balances(member, of: members.count, inputs)
      totals.use(block.count) { totals in
        Kernels.addBalanced(
          block[model: member], between: own.magnitudes, by: balance.prefix(block.count),
          between: bounds, times: weights[index], to: &output, total: &totals)
      }
    }
    Kernels.divide(&output, byNonzero: totals.prefix(block.count))
  }
}
