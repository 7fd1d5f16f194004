public import TinctureMerging
public import TinctureTensors

/// RAM with the elements that one model alone changed amplified, the more the more it shares.
///
/// Source: "Reinforced Agent Merging", arXiv:2601.13572, with counts taken for each tensor.
public struct RamPlus: MergeMethod {
  static let r = Parameter<Double>("r", default: 0.1, in: .atLeast(0), "The strength of the boost.")
  static let alpha = Parameter<Double>(
    "alpha", default: 0.2, in: .atLeast(0), "The largest ratio of shared to unique that counts.")
  static let epsilon = Ram.epsilon

  /// The description of the method.
  public let info = MethodInfo(
    name: "ramplus_tl", title: "RAM+, tensor-local",
    summary: "RAM, with what one model alone changed amplified by how much it shares otherwise.",
    formula: "ρᵢ = shared / unique;  unique elements × (1 + r clamp(ρᵢ, 0, α));  then as RAM",
    source: "Reinforced Agent Merging, 2026", link: "https://arxiv.org/abs/2601.13572",
    base: .required, models: 1...Int.max, streaming: .tensor, parameters: [r, alpha, epsilon])

  /// Creates the method.
  public init() {}

  /// Counts and sums.
  public func workingMemory(_ parameters: ResolvedParameters, _ scope: WorkingScope)
    -> WorkingMemory
  { WorkingMemory(vectors: 2) }

  /// Makes one tensor.
  public func merge(_ inputs: MergeInputs, state: Void) throws(TinctureError) {
    let epsilon = Float(inputs[Self.epsilon])
    var counts = inputs.scratch()
    var sums = inputs.scratch()
    var tallies = [(unique: UInt64, shared: UInt64)](repeating: (0, 0), count: inputs.modelCount)
    try inputs.scan(.taskVectors) { (block) throws(TinctureError) in
      sums.use(block.count) { Kernels.clear(&$0) }
      Self.countActive(&block, epsilon, &counts, &sums)
      for model in tallies.indices {
        let found = Kernels.countActive(
          block[model: model], above: epsilon, count: counts.prefix(block.count))
        tallies[model].unique += found.unique
        tallies[model].shared += found.shared
      }
    }
    let boosts = tallies.map { tally in
      let ratio = Double(tally.shared) / max(Double(tally.unique), inputs[Self.epsilon])
      return Float(1 + inputs[Self.r] * max(0, min(inputs[Self.alpha], ratio)))
    }
    try inputs.produce(.taskVectors) { (block, output) throws(TinctureError) in
      sums.use(block.count) { Kernels.clear(&$0) }
      Self.countActive(&block, epsilon, &counts, &sums)
      Kernels.copy(sums.prefix(block.count), to: &output)
      Kernels.divide(&output, byNonzero: counts.prefix(block.count))
      for (model, boost) in boosts.enumerated() {
        Kernels.scaleUnique(
          block[model: model], above: epsilon, by: boost, count: counts.prefix(block.count),
          into: &output)
      }
      Kernels.add(block.base, to: &output)
    }
  }

  private static func countActive(
    _ block: inout ElementBlock, _ epsilon: Float, _ counts: inout ScratchVector,
    _ sums: inout ScratchVector
  ) {
    counts.use(block.count) { counts in
      Kernels.clear(&counts)
      sums.use(block.count) { sums in
        for model in 0..<block.modelCount {
          Kernels.accumulateActive(block[model: model], above: epsilon, sum: &sums, count: &counts)
        }
      }
    }
  }
}
