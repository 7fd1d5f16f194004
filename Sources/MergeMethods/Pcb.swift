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

  /// Creates the method.
  public init() {}

  /// The bounds are known before tensors are merged.
  public func isElementwise(_ parameters: ResolvedParameters) -> Bool { true }

  /// A sum, balances, and the sum of the weights.
  public func workingMemory(_ parameters: ResolvedParameters, _ scope: WorkingScope)
    -> WorkingMemory
  { WorkingMemory(vectors: ParameterCompetition.vectors) }

  /// Quantiles are of whole models.
  public func check(_ plan: MergePlan) throws(TinctureError) {
    try plan.requireOneValue(of: ["ratio", "clip_low", "clip_high", "inter"])
  }

  /// What the bounds cost.
  public func preparation(_ plan: MergePlan, memoryLimit: Int) -> String? {
    "four passes over all models for the quantiles of magnitudes and balances"
  }

  /// Finds the bounds of every model's magnitudes, and then of its balances.
  public func prepare(_ session: MergeSession) async throws(TinctureError) -> ParameterCompetition {
    guard let parameters = session.steps.first?.parameters else { return ParameterCompetition() }
    return try await ParameterCompetition(
      session, ratio: parameters[Self.ratio], low: parameters[Self.clipLow],
      high: parameters[Self.clipHigh], isNormalized: parameters[Self.inter] == "normalized")
  }

  /// Makes one tensor.
  public func merge(_ inputs: MergeInputs, state: ParameterCompetition) throws(TinctureError) {
    let scale = inputs[Self.scale]
    let weights = inputs[Self.weight].map { Float($0 * scale) }
    let members = Array(weights.indices)
    try inputs.produce(.taskVectors) { (block, output) throws(TinctureError) in
      state.merge(&block, inputs, members, weights: weights, into: &output)
      Kernels.add(block.base, to: &output)
    }
  }
}
