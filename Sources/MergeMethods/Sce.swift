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

  /// A search for a threshold, a mask and a vector.
  public func workingMemory(_ parameters: ResolvedParameters, _ scope: WorkingScope)
    -> WorkingMemory
  {
    // The search ends before the mask begins.
    let mask = Self.records(scope) ? Self.maskBytes(scope) : 0
    return WorkingMemory(
      vectors: 1, bytes: max(scope.rankSearchBytes(ranks: 1, series: 1), mask))
  }

  /// Makes one tensor.
  public func merge(_ inputs: MergeInputs, state: Void) throws(TinctureError) {
    let selection = try select(inputs)
    if case .nothing = selection {
      return try inputs.produce(.taskVectors) { (block, output) throws(TinctureError) in
        Kernels.copy(block.base, to: &output)
      }
    }
    let (weights, chosen) = try energies(inputs, selection)
    let ones = weights.map { _ in Float(1) }
    var running = chosen
    var variance = inputs.scratch()
    try inputs.produce(.taskVectors) { (block, output) throws(TinctureError) in
      running.apply(to: &block, &variance, inputs.workspace)
      block.elect(
        votes: ones, weights: weights.map { Float($0) }, divisor: .participantsAtLeast(1e-6),
        into: &output)
    }
  }

  // The positions with the largest variance; positions on which all models agree never count.
  private func select(_ inputs: MergeInputs) throws(TinctureError) -> SharedSelection {
    let fraction = inputs[Self.topk]
    guard fraction < 1 else { return .everything }
    guard fraction > 0 else { return .nothing }
    var search = RankSearch(.magnitude, reusing: inputs.workspace.takeTables(1))
    var variance = inputs.scratch()
    if inputs.workingScope.samples(ranks: 1, series: 1) {
      try inputs.sample(.taskVectors, count: RankSearch.sampleCount) {
        (block) throws(TinctureError) in
        variance.use(block.count) { block.variance(into: &$0) }
        search.sample(variance.prefix(block.count))
      }
      search.expect([1 - fraction], skippingZeros: true)
    }
    let total = inputs.elementCount
    var count = 0
    while !search.isFinished {
      var different = 0
      try inputs.scan(.taskVectors) { (block) throws(TinctureError) in
        variance.use(block.count) { block.variance(into: &$0) }
        different += Kernels.countNonzero(variance.prefix(block.count))
        search.count(variance.prefix(block.count))
      }
      count = Int(Double(different) * fraction)
      guard count > 0 else { return .nothing }
      search.endPass(ranks: [total - count])
    }
    inputs.workspace.giveBack(search.tables)
    guard let finding = search.finding(rank: total - count) else { return .nothing }
    return .largest(finding.cut(keeping: count, of: total))
  }

  /// The share of each model in the energy that is left, and the selection in the form that costs least
  /// from now on.
  private func energies(_ inputs: MergeInputs, _ selection: SharedSelection)
    throws(TinctureError) -> ([Double], SharedSelection)
  {
    var sums = [Double](repeating: 0, count: inputs.modelCount)
    var running = selection
    var mask = RecordedMask()
    let records = Self.records(inputs.workingScope) && selection.needsVariance
    if records { mask.reserve(Self.maskBytes(inputs.workingScope)) }
    var variance = inputs.scratch()
    let workspace = inputs.workspace
    try inputs.scan(.taskVectors) { (block) throws(TinctureError) in
      running.apply(to: &block, &variance, workspace)
      if records { workspace.readMask(block.count) { mask.append($0) } }
      for model in sums.indices {
        Kernels.addDot(block[model: model], block[model: model], to: &sums[model])
      }
    }
    let chosen = records ? SharedSelection.recorded(mask) : selection
    let energies = sums.map { $0 / Double(max(1, inputs.elementCount)) }
    let total = energies.reduce(0, +)
    guard total >= inputs[Self.uniformBelow], total > 0 else {
      return (sums.map { _ in 1 / Double(sums.count) }, chosen)
    }
    return (energies.map { $0 / total }, chosen)
  }

  /// Whether the mask is kept between passes instead of being worked out again.
  private static func records(_ scope: WorkingScope) -> Bool { maskBytes(scope) <= scope.share / 2 }

  private static func maskBytes(_ scope: WorkingScope) -> Int { scope.elementCount / 8 + 1 }
}
