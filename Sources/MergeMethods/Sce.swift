public import TinctureMerging
public import TinctureTensors

/// Selects elements on which the task vectors differ most, weighs models by the energy that is left and
/// erases what disagrees in sign.
///
/// Source: Wan et al., "FuseChat", arXiv:2408.07990.
public struct Sce: MergeMethod {
  static let topk = Parameter<Double>(
    "select_topk", default: 1, in: .fraction,
    "The fraction of elements with the largest variance that stays.")
  static let int8Mask = Parameter<Bool>(
    "int8_mask", default: false, "Accepted for old recipes; masks take no memory here.")
  static let uniformBelow = Parameter<Double>(
    "uniform_below", default: 1e-6, in: .atLeast(0),
    "Models count alike where the energies add up to less than this.")

  /// The description of the method.
  public let info = MethodInfo(
    name: "sce", title: "SCE",
    summary:
      "Keeps elements with the largest variance, weighs models by energy, erases disagreeing signs.",
    formula:
      "τ ← τ [top variance];  wᵢ = mean τᵢ² / Σ;  θ = θ₀ + Σ wᵢ τᵢ [sign = γ] / Σ wᵢ [sign = γ]",
    source: "Wan et al. 2024, FuseChat", link: "https://arxiv.org/abs/2408.07990",
    base: .required, models: 1...Int.max, streaming: .tensor,
    parameters: [topk, int8Mask, uniformBelow])

  /// Creates the method.
  public init() {}

  /// A histogram and four vectors.
  public func workingMemory(_ parameters: ResolvedParameters, _ scope: WorkingScope)
    -> WorkingMemory
  {
    let ranks = anticipates(scope) ? 1 : 0
    return WorkingMemory(vectors: 4, bytes: OrderStatistic.memory(expecting: ranks) + 1 << 19)
  }

  /// Makes one tensor.
  public func merge(_ inputs: MergeInputs, state: Void) throws(TinctureError) {
    let selection = try select(inputs)
    if case .nothing = selection {
      return try inputs.produce(.taskVectors) { (block, output) throws(TinctureError) in
        Kernels.copy(block.base, to: &output)
      }
    }
    let weights = try energies(inputs, selection)
    var running = selection
    var mean = inputs.scratch()
    var variance = inputs.scratch()
    var divisor = inputs.scratch()
    try inputs.produce(.taskVectors) { (block, output) throws(TinctureError) in
      Self.apply(&running, to: &block, &mean, &variance)
      let count = block.count
      mean.use(count) { sum in
        Kernels.clear(&sum)
        for model in weights.indices { Kernels.add(block[model: model], to: &sum) }
      }
      divisor.use(count) { divisor in
        Kernels.clear(&divisor)
        for (model, weight) in weights.enumerated() {
          Kernels.accumulateAgreeing(
            block[model: model], weight: Float(weight), signs: mean.prefix(count),
            numerator: &output, denominator: &divisor)
        }
        Kernels.divide(&output, byAtLeast: 1e-6, divisor.span)
      }
      Kernels.add(block.base, to: &output)
    }
  }

  /// Whether the threshold is guessed in the first pass, which saves the second where the guess holds.
  private func anticipates(_ scope: WorkingScope) -> Bool {
    scope.elementCount >= 1 << 20 && OrderStatistic.memory(expecting: 1) <= scope.share / 2
  }

  /// Which positions stay, for all models alike.
  private enum Selection {
    case everything
    case nothing
    case largest(MagnitudeCut)
  }

  // The positions with the largest variance; positions on which all models agree never count.
  private func select(_ inputs: MergeInputs) throws(TinctureError) -> Selection {
    let fraction = inputs[Self.topk]
    guard fraction < 1 else { return .everything }
    guard fraction > 0 else { return .nothing }
    var statistic = OrderStatistic(
      .magnitude, expecting: anticipates(inputs.workingScope) ? [1 - fraction] : [],
      skipsZeros: true)
    var mean = inputs.scratch()
    var variance = inputs.scratch()
    var different = 0
    try inputs.scan(.taskVectors) { (block) throws(TinctureError) in
      Self.variance(&block, &mean, &variance)
      different += Kernels.countNonzero(variance.prefix(block.count))
      statistic.count(variance.prefix(block.count))
    }
    let total = inputs.elementCount
    let count = Int(Double(different) * fraction)
    guard count > 0 else { return .nothing }
    statistic.select([total - count])
    if statistic.needsRefinement {
      try inputs.scan(.taskVectors) { (block) throws(TinctureError) in
        Self.variance(&block, &mean, &variance)
        statistic.refine(variance.prefix(block.count))
      }
    }
    guard let finding = statistic.finding(rank: total - count) else { return .nothing }
    return .largest(finding.cut(keeping: count, of: total))
  }

  private func energies(_ inputs: MergeInputs, _ selection: Selection) throws(TinctureError)
    -> [Double]
  {
    var sums = [Double](repeating: 0, count: inputs.modelCount)
    var running = selection
    var mean = inputs.scratch()
    var variance = inputs.scratch()
    try inputs.scan(.taskVectors) { (block) throws(TinctureError) in
      Self.apply(&running, to: &block, &mean, &variance)
      for model in sums.indices {
        Kernels.addDot(block[model: model], block[model: model], to: &sums[model])
      }
    }
    let energies = sums.map { $0 / Double(max(1, inputs.elementCount)) }
    let total = energies.reduce(0, +)
    guard total >= inputs[Self.uniformBelow], total > 0 else {
      return sums.map { _ in 1 / Double(sums.count) }
    }
    return energies.map { $0 / total }
  }

  private static func apply(
    _ selection: inout Selection, to block: inout ElementBlock, _ mean: inout ScratchVector,
    _ variance: inout ScratchVector
  ) {
    guard case .largest(let cut) = selection else { return }
    Self.variance(&block, &mean, &variance)
    var after = cut
    for model in 0..<block.modelCount {
      var own = cut
      let scores = variance.prefix(block.count)
      block.change(model: model) { x in own.keep(&x, whereLargest: scores) }
      after = own
    }
    selection = .largest(after)
  }

  // Σ (τᵢ − mean)² / N in single precision.
  private static func variance(
    _ block: inout ElementBlock, _ mean: inout ScratchVector, _ variance: inout ScratchVector
  ) {
    let count = block.count
    let share = 1 / Float(block.modelCount)
    mean.use(count) { mean in
      Kernels.clear(&mean)
      for model in 0..<block.modelCount { Kernels.add(block[model: model], to: &mean) }
      Kernels.scale(&mean, by: share)
    }
    let center = mean.prefix(count)
    variance.use(count) { variance in
      Kernels.clear(&variance)
      for model in 0..<block.modelCount {
        Kernels.addSquaredDeviation(block[model: model], from: center, times: share, to: &variance)
      }
    }
  }
}
