public import TinctureMerging
public import TinctureTensors

/// Lets the elements of task vectors compete, within a model and between models, and keeps the winners.
///
/// With D elements and T models, and quantiles over whole task vectors:
///
/// - aᵢ is |τᵢ|, clipped to its quantiles `clip_low` and 1 − `clip_high`, and sᵢ the same from 0 to 1;
/// - the balance is bᵢ = exp(T sᵢ²) tanh(τᵢ S), where S is Σ τⱼ or, with `inter: normalized`, Σ sign(τⱼ) sⱼ;
/// - gᵢ is bᵢ from 0 at its quantile 1 − `ratio` to 1 at its maximum, and 0 below;
/// - θ = θ₀ + λ Σ wᵢ sign(τᵢ) aᵢ gᵢ / Σ gᵢ.
///
/// The quantile q is the element of rank ⌊q D⌋, for the upper clip ⌊(1 − q) D − 1⌋, as in the published code. Balances are
/// worked out in double precision and kept as single; where all magnitudes are equal, sᵢ is 0. Complexity: O(T D) in five
/// passes over the models, with a few megabytes for each model and worker in the first four.
/// Source: Du et al., arXiv:2410.02396.
public struct Pcb: MergeMethod {
  static let ratio = Parameter<Double>(
    "ratio", default: 0.1, in: .fraction,
    "The fraction of each task vector's elements, those with the largest balances, that stays.")
  static let clipLow = Parameter<Double>(
    "clip_low", default: 1e-4, in: .between(0, 0.5),
    "The fraction of smallest magnitudes that are raised to the next larger one.")
  static let clipHigh = Parameter<Double>(
    "clip_high", default: 1e-4, in: .between(0, 0.5),
    "The fraction of largest magnitudes that are lowered to the next smaller one.")
  static let inter = Parameter<String>(
    "inter", default: "sum", of: ["sum", "normalized"],
    "What an element is multiplied by to see whether models agree: the sum of the task vectors, or that"
      + " of their signs times magnitudes from 0 to 1.")
  static let weight = PerModelParameter<Double>(
    "weight", default: 1, "How much of each task vector is added.")
  static let scale = Parameter<Double>(
    "lambda", default: 1.2, "What the merged task vector is multiplied by.")

  /// The description of the method.
  public let info = MethodInfo(
    name: "pcb", aliases: ["pcb_merging"], title: "PCB",
    summary: "Weighs elements by size within their model and by agreement, and keeps the best.",
    formula:
      "aᵢ = clip |τᵢ|, sᵢ = a from 0 to 1;  bᵢ = exp(T sᵢ²) tanh(τᵢ Σ τⱼ);  gᵢ = top(bᵢ, ratio) from 0 to 1;"
      + "  θ = θ₀ + λ Σ wᵢ sign(τᵢ) aᵢ gᵢ / Σ gᵢ",
    source: "Du et al. 2024, Parameter Competition Balancing",
    link: "https://arxiv.org/abs/2410.02396", base: .required, models: 1...Int.max,
    streaming: .model, parameters: [ratio, clipLow, clipHigh, inter, weight, scale],
    presets: [
      .init("root", [], "The authors' code for language models."),
      .init(
        "vision",
        [
          ("ratio", .number(0.05)), ("clip_low", .number(0.01)), ("clip_high", .number(0.01)),
          ("inter", .text("normalized")),
        ], "The authors' code for vision models."),
      .init(
        "flexmerge", [("lambda", .number(1))],
        "FlexMerge's copy, but with the fraction that it means to keep."),
    ])

  /// The bounds of one model's elements.
  public struct Limits: Sendable, Hashable {
    /// Magnitudes are clipped to these.
    let magnitudes: ClosedRange<Float>
    /// Balances are clipped to these.
    var balances: ClosedRange<Float> = 0...0
  }

  /// Creates the method.
  public init() {}

  /// The bounds are known before tensors are merged.
  public func isElementwise(_ parameters: ResolvedParameters) -> Bool { true }

  /// A sum, balances, and the sum of the weights.
  public func workingMemory(_ parameters: ResolvedParameters, _ scope: WorkingScope)
    -> WorkingMemory
  { WorkingMemory(vectors: 3) }

  /// Quantiles are of whole models.
  public func check(_ plan: MergePlan) throws(TinctureError) {
    try plan.requireOneValue(of: ["ratio", "clip_low", "clip_high", "inter"])
  }

  /// What the bounds cost.
  public func preparation(_ plan: MergePlan, memoryLimit: Int) -> String? {
    "four passes over all models for the quantiles of magnitudes and balances"
  }

  /// Finds the bounds of every model's magnitudes, and then of its balances.
  public func prepare(_ session: MergeSession) async throws(TinctureError) -> [Int: Limits] {
    guard let parameters = session.steps.first?.parameters else { return [:] }
    let (low, high) = (parameters[Self.clipLow], parameters[Self.clipHigh])
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
    let limits = magnitudes.mapValues { found in
      Limits(magnitudes: found[0]...max(found[0], found[1]))
    }
    let ratio = parameters[Self.ratio]
    let balances = try await session.findings(.value) { _, total in
      [min(total - 1, Int(Double(total) * (1 - ratio))), total - 1]
    } visit: { (inputs, count) throws(TinctureError) in
      var sum = inputs.scratch()
      var balance = inputs.scratch()
      try inputs.scan(.taskVectors) { (block) throws(TinctureError) in
        addUp(&block, inputs, limits, &sum)
        for (position, model) in inputs.step.modelIndices.enumerated() {
          weigh(&block, position, inputs, limits, sum, &balance)
          count(balance.prefix(block.count), model)
        }
      }
    }
    return Dictionary(
      uniqueKeysWithValues: limits.map { model, limits in
        var limits = limits
        if let found = balances[model] { limits.balances = found[0]...max(found[0], found[1]) }
        return (model, limits)
      })
  }

  /// S of a block.
  private func addUp(
    _ block: inout ElementBlock, _ inputs: MergeInputs, _ limits: [Int: Limits],
    _ sum: inout ScratchVector
  ) {
    let isNormalized = inputs[Self.inter] == "normalized"
    sum.use(block.count) { sum in
      guard isNormalized else {
        return block.weightedSum([Float](repeating: 1, count: block.modelCount), into: &sum)
      }
      Kernels.clear(&sum)
      for (position, model) in inputs.step.modelIndices.enumerated() {
        let bounds = limits[model]?.magnitudes ?? 0...0
        Kernels.addNormalised(block[model: position], between: bounds, to: &sum)
      }
    }
  }

  /// The balances of one model in a block.
  private func weigh(
    _ block: inout ElementBlock, _ position: Int, _ inputs: MergeInputs, _ limits: [Int: Limits],
    _ sum: borrowing ScratchVector, _ balance: inout ScratchVector
  ) {
    let bounds = limits[inputs.step.modelIndices[position]]?.magnitudes ?? 0...0
    balance.use(block.count) { balance in
      Kernels.balance(
        block[model: position], between: bounds, sum: sum.prefix(block.count),
        models: block.modelCount, into: &balance)
    }
  }

  /// Makes one tensor.
  public func merge(_ inputs: MergeInputs, state: [Int: Limits]) throws(TinctureError) {
    let scale = inputs[Self.scale]
    let weights = inputs[Self.weight].map { Float($0 * scale) }
    var sum = inputs.scratch()
    var balance = inputs.scratch()
    var totals = inputs.scratch()
    try inputs.produce(.taskVectors) { (block, output) throws(TinctureError) in
      addUp(&block, inputs, state, &sum)
      totals.use(block.count) { Kernels.clear(&$0) }
      for (position, model) in inputs.step.modelIndices.enumerated() {
        guard let limits = state[model] else { continue }
        weigh(&block, position, inputs, state, sum, &balance)
        totals.use(block.count) { totals in
          Kernels.addBalanced(
            block[model: position], between: limits.magnitudes, by: balance.prefix(block.count),
            between: limits.balances, times: weights[position], to: &output, total: &totals)
        }
      }
      Kernels.divide(&output, byNonzero: totals.prefix(block.count))
      Kernels.add(block.base, to: &output)
    }
  }
}
