public import TinctureMerging
public import TinctureTensors

/// Averages models with weights: θ = Σᵢ wᵢ θᵢ, divided by Σᵢ wᵢ unless told otherwise.
///
/// Uniform weights give a uniform model soup. Source: Wortsman et al., "Model soups", arXiv:2203.05482.
public struct Linear: MergeMethod {
  static let weight = PerModelParameter<Double>("weight", "How much each model counts.")
  static let normalize = Parameter<Bool>(
    "normalize", default: true, "Divide by the sum of the weights.")

  /// The description of the method.
  public let info = MethodInfo(
    name: "linear", aliases: ["weighted_average"], title: "Linear",
    summary: "Averages the models, each with its weight.",
    formula: "θ = Σ wᵢ θᵢ / Σ wᵢ   (without the division when normalize is false)",
    source: "Wortsman et al. 2022, Model soups", link: "https://arxiv.org/abs/2203.05482",
    base: .member, models: 1...Int.max, streaming: .element, parameters: [weight, normalize],
    presets: [
      .init("uniform", [("weight", .number(1))], "The plain mean, a uniform soup."),
      .init("fusion_bench", [("weight", .number(1))], "simple_average of FusionBench."),
    ])

  /// Creates the method.
  public init() {}

  /// Steps may be cut anywhere.
  public func isElementwise(_ parameters: ResolvedParameters) -> Bool { true }

  /// Weights that cancel cannot be normalised.
  public func objection(to parameters: ResolvedParameters, modelCount: Int) -> String? {
    let sum = parameters[Self.weight].reduce(0, +)
    guard parameters[Self.normalize], sum == 0 else { return nil }
    return "the weights add up to zero and cannot be normalised; set normalize: false"
  }

  /// The result counts as often as all its models do together.
  public func continuation(_ state: Void, _ parameters: ResolvedParameters, modelCount: Int)
    -> MergeContinuation?
  {
    let weights = parameters[Self.weight]
    let sum = weights.reduce(0, +)
    return MergeContinuation(
      modelCount: modelCount, merged: ["weight": .number(parameters[Self.normalize] ? sum : 1)],
      appended: Set(weights).count == 1 ? ["weight": .number(weights[0])] : [:])
  }

  /// Merges one tensor.
  public func merge(_ inputs: MergeInputs, state: Void) throws(TinctureError) {
    let weights = inputs[Self.weight]
    let scale = inputs[Self.normalize] ? Float(1 / weights.reduce(0, +)) : 1
    try inputs.produceWeightedSum(.values, weights.map { Float($0) }, scale: scale)
  }
}
