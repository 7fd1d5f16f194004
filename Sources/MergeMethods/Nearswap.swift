public import TinctureMerging
internal import TinctureTensors

/// Moves each element of the base by at most t towards the other model.
///
/// Where the two differ by less than t the other model's element is taken.
public struct Nearswap: ElementwiseMergeMethod {
  static let t = Parameter<Double>("t", in: .above(0), "The largest distance an element may move.")

  /// The description of the method.
  public let info = MethodInfo(
    name: "nearswap", title: "NearSwap",
    summary: "Moves each element of the base by at most t towards the other model.",
    formula: "w = clamp(t / max(|θ₀ − θ₁|, 1e-6), 0, 1);  θ = w θ₁ + (1 − w) θ₀",
    source: "alchemonaut, QuartetAnemoi",
    link: "https://huggingface.co/alchemonaut/QuartetAnemoi-70B-t0.0001", base: .required,
    models: 1...1, streaming: .element, parameters: [t])

  /// Creates the method.
  public init() {}

  /// Blocks hold the models.
  public var form: InputForm { .values }

  /// Merges one block.
  public func merge(
    _ block: inout ElementBlock, _ inputs: MergeInputs, state: Void,
    into output: inout MutableSpan<Float>
  ) {
    Kernels.nearswap(
      block.base, block[model: 0], within: Float(inputs[Self.t]), floor: 1e-6, into: &output)
  }
}
