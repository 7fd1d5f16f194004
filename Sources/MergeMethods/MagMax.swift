public import TinctureMerging
internal import TinctureTensors

/// Takes at every position the element of the task vector that is largest there.
///
/// τ is τᵢ of the model with the largest |τᵢ|; of models that tie the last one in the recipe counts, as in the
/// published code. θ = θ₀ + λ τ. Complexity: O(n) for each model, in one pass.
/// Source: Marczak et al., arXiv:2407.06322.
public struct MagMax: ElementwiseMergeMethod {
  static let scale = Parameter<Double>(
    "lambda", default: 0.5, "What the chosen elements are multiplied by.")

  /// The description of the method.
  public let info = MethodInfo(
    name: "magmax", title: "MagMax",
    summary: "Takes each element from the task vector that is largest there.",
    formula: "τ = τⱼ with j = argmaxᵢ |τᵢ|, the last of those that tie;  θ = θ₀ + λ τ",
    source: "Marczak et al. 2024, MagMax", link: "https://arxiv.org/abs/2407.06322",
    base: .required, models: 1...Int.max, streaming: .element, parameters: [scale])

  /// Creates the method.
  public init() {}

  /// Blocks hold task vectors.
  public var form: InputForm { .taskVectors }

  /// Merges one block.
  public func merge(
    _ block: inout ElementBlock, _ inputs: MergeInputs, state: Void,
    into output: inout MutableSpan<Float>
  ) {
    for model in 0..<block.modelCount { Kernels.takeLarger(block[model: model], into: &output) }
    let scale = inputs[Self.scale]
    if scale != 1 { Kernels.scale(&output, by: Float(scale)) }
    Kernels.add(block.base, to: &output)
  }
}
