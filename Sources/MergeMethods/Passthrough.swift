public import TinctureMerging
public import TinctureTensors

/// Takes each tensor from the one model that a slice names, optionally scaled: θ = s θ₁.
///
/// Stacking slices of layers of several models gives what is called a frankenmerge. Without a scale the
/// bytes are copied.
public struct Passthrough: ElementwiseMergeMethod {
  static let scale = PerModelParameter<Double>(
    "scale", default: 1, "What the tensors are multiplied by.")

  /// The description of the method.
  public let info = MethodInfo(
    name: "passthrough", title: "Passthrough",
    summary: "Takes tensors as they are, to stack layers of several models.",
    formula: "θ = s θ₁", source: "mergekit", link: nil, base: .none, models: 1...1,
    streaming: .element, takesAdapters: true, parameters: [scale])

  /// Creates the method.
  public init() {}

  /// Blocks hold the model.
  public var form: InputForm { .values }

  /// Copies bytes when there is nothing to multiply.
  public func merge(_ inputs: MergeInputs, state: Void) throws(TinctureError) {
    if inputs[Self.scale][0] == 1 {
      try inputs.passThrough(model: 0)
    } else {
      try inputs.produce(form) { (block, output) throws(TinctureError) in
        merge(&block, inputs, state: state, into: &output)
      }
    }
  }

  /// Scales one block.
  public func merge(
    _ block: inout ElementBlock, _ inputs: MergeInputs, state: Void,
    into output: inout MutableSpan<Float>
  ) {
    Kernels.scale(block[model: 0], by: Float(inputs[Self.scale][0]), into: &output)
  }
}
