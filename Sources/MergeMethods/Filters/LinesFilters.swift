public import TinctureMerging
public import TinctureTensors

/// Scales the merged task vector by layer: little in the first layers, more in the last.
///
/// τ ← (α + β l / (L − 1)) τ in layer l of L, and α τ outside of layers. With `alpha: auto`
/// α = (‖Σᵢ τᵢ‖ / ‖τ‖) / N, which makes the first layers as long as the mean of the models' own task vectors.
/// Source: Wang et al., arXiv:2410.17146.
public struct LinesFilter: MergedVectorFilter {
  static let alpha = Parameter<AutomaticNumber>(
    "alpha", in: .atLeast(0),
    "The scale of the first layer and outside of layers; auto is (‖Σ τᵢ‖ / ‖τ‖) / N.")
  static let beta = Parameter<Double>(
    "beta", default: 0.5, "How much larger the scale of the last layer is.")

  /// The description of the step.
  public let info = FilterInfo(
    name: "lines", aliases: ["layer_increasing_scaling"],
    summary: "Scales the merged task vector by layer, less in the first layers than in the last.",
    formula: "τ ← (α + β l / (L − 1)) τ in layer l of L;  outside of layers α τ",
    source: "Wang et al. 2024, LiNeS", link: "https://arxiv.org/abs/2410.17146",
    parameters: [alpha, beta])

  /// Creates the filter.
  public init() {}

  /// Needs layers.
  public func check(_ plan: MergePlan) throws(TinctureError) { try LayerScaling.check(plan) }

  /// The scale of the first layer may depend on norms.
  public func needsNorms(_ parameters: ResolvedParameters) -> Bool {
    parameters[Self.alpha] == .automatic
  }

  /// Two passes more for norms.
  public func cost(_ parameters: ResolvedParameters) -> String? {
    needsNorms(parameters)
      ? "finds alpha by merging all tensors once beforehand without writing them" : nil
  }

  /// Multiplies by the layer's scale.
  public func settled(_ inputs: MergeInputs, _ norms: MergedNorms?) throws(TinctureError)
    -> (any MergedVectorPass)?
  {
    let alpha: Double
    switch inputs[Self.alpha] {
    case .number(let number): alpha = number
    case .automatic:
      let ratio = norms.map { $0.merged > 0 ? $0.sum / $0.merged : 1 } ?? 1
      alpha = ratio / Double(max(1, inputs.modelCount))
    }
    let factor = LayerScaling.factor(inputs.step, alpha: alpha, beta: inputs[Self.beta])
    return MergedFactorPass(Float(factor))
  }
}

/// Scales each task vector by layer, which keeps what the base can do besides the task.
///
/// τᵢ ← (α + β l / (L − 1)) τᵢ, by default with β = 1 − α: the last layer stays as it is.
/// Source: Wang et al., arXiv:2410.17146.
public struct TaskLinesFilter: TaskVectorFilter {
  static let alpha = Parameter<Double>(
    "alpha", in: .atLeast(0), "The scale of the first layer and outside of layers.")
  static let beta = Parameter<AutomaticNumber>(
    "beta", "How much larger the scale of the last layer is; auto is 1 − alpha.")

  /// The description of the step.
  public let info = FilterInfo(
    name: "lines", aliases: ["layer_increasing_scaling"],
    summary: "Scales each task vector by layer, less in the first layers than in the last.",
    formula: "τᵢ ← (α + β l / (L − 1)) τᵢ in layer l of L;  outside of layers α τᵢ",
    source: "Wang et al. 2024, LiNeS", link: "https://arxiv.org/abs/2410.17146",
    parameters: [alpha, beta])

  /// Creates the filter.
  public init() {}

  /// Needs layers.
  public func check(_ plan: MergePlan) throws(TinctureError) { try LayerScaling.check(plan) }

  /// Multiplies by the layer's scale.
  public func settled(_ inputs: MergeInputs) throws(TinctureError) -> any TaskVectorPass {
    let alpha = inputs[Self.alpha]
    let beta =
      switch inputs[Self.beta] {
      case .automatic: 1 - alpha
      case .number(let number): number
      }
    let factor = Float(LayerScaling.factor(inputs.step, alpha: alpha, beta: beta))
    return FactorPass(factors: [Float](repeating: factor, count: inputs.modelCount))
  }
}

/// Multiplies the merged task vector by a number.
struct MergedFactorPass: MergedVectorPass {
  private let factor: Float

  /// Nil for 1, which changes nothing.
  init?(_ factor: Float) {
    guard factor != 1 else { return nil }
    self.factor = factor
  }

  func apply(to vector: inout MutableSpan<Float>, from start: Int) {
    Kernels.scale(&vector, by: factor)
  }
}
