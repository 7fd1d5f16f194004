public import TinctureMerging
public import TinctureTensors

/// Adds the sum of the task vectors to the base, scaled by layer.
///
/// θ = θ₀ + (α + β l / (L − 1)) Σᵢ τᵢ in layer l of L, and with α outside of layers. `alpha: auto` is 1 / N. For
/// any other merge the step `lines` under `postprocess` does the same. The published search for β goes from
/// 0.1 to 1. Source: Wang et al., arXiv:2410.17146.
public struct Lines: MergeMethod {
  static let alpha = Parameter<AutomaticNumber>(
    "alpha", in: .atLeast(0), "The scale of the first layer and outside of layers; auto is 1 / N.")

  /// The description of the method.
  public let info = MethodInfo(
    name: "lines", title: "LiNeS",
    summary: "Adds task vectors to the base, less in the first layers than in the last.",
    formula: "θ = θ₀ + (α + β l / (L − 1)) Σ τᵢ in layer l of L;  outside of layers θ₀ + α Σ τᵢ",
    source: "Wang et al. 2024, LiNeS", link: "https://arxiv.org/abs/2410.17146",
    base: .required, models: 1...Int.max, streaming: .element,
    parameters: [alpha, LinesFilter.beta],
    presets: [
      .init(
        "fusion_bench", [("alpha", .number(0.125)), ("beta", .number(0.5))],
        "The values for eight tasks.")
    ])

  /// Creates the method.
  public init() {}

  /// Steps may be cut anywhere.
  public func isElementwise(_ parameters: ResolvedParameters) -> Bool { true }

  /// Needs layers.
  public func check(_ plan: MergePlan) throws(TinctureError) { try LayerScaling.check(plan) }

  /// Merges one tensor.
  public func merge(_ inputs: MergeInputs, state: Void) throws(TinctureError) {
    let alpha =
      switch inputs[Self.alpha] {
      case .automatic: 1 / Double(inputs.modelCount)
      case .number(let number): number
      }
    let factor = LayerScaling.factor(inputs.step, alpha: alpha, beta: inputs[LinesFilter.beta])
    let ones = [Float](repeating: 1, count: inputs.modelCount)
    try inputs.produceWeightedSum(.taskVectors, ones, scale: Float(factor))
  }
}
