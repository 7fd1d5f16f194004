public import TinctureMerging
internal import TinctureTensors

/// Interpolates between a base and one fine-tuned model: θ = (1 − α) θ₀ + α θ₁.
///
/// Source: Wortsman et al., "Robust fine-tuning of zero-shot models", arXiv:2109.01903.
public struct WiseFT: ElementwiseMergeMethod {
  static let alpha = Parameter<Double>(
    "alpha", default: 0.5, "How far to go from the base to the model.")

  /// The description of the method.
  public let info = MethodInfo(
    name: "wise_ft", title: "WiSE-FT",
    summary: "Interpolates between the base and one fine-tuned model.",
    formula: "θ = (1 − α) θ₀ + α θ₁",
    source: "Wortsman et al. 2022, Robust fine-tuning of zero-shot models",
    link: "https://arxiv.org/abs/2109.01903", base: .required, models: 1...1, streaming: .element,
    parameters: [alpha])

  /// Creates the method.
  public init() {}

  /// Blocks hold the models.
  public var form: InputForm { .values }

  /// Merges one block.
  public func merge(
    _ block: inout ElementBlock, _ inputs: MergeInputs, state: Void,
    into output: inout MutableSpan<Float>
  ) {
    let alpha = Float(inputs[Self.alpha])
    Kernels.combine(1 - alpha, block.base, alpha, block[model: 0], into: &output)
  }
}
