public import TinctureMerging
internal import TinctureTensors

/// Adds task vectors where one model alone changed an element, and averages them where several did.
///
/// Source: "Reinforced Agent Merging", arXiv:2601.13572.
public struct Ram: ElementwiseMergeMethod {
  static let epsilon = Parameter<Double>(
    "epsilon", default: 1e-5, in: .atLeast(0), "Changes up to this size count as none.")

  /// The description of the method.
  public let info = MethodInfo(
    name: "ram", title: "RAM",
    summary: "Keeps what one model alone changed, averages what several changed.",
    formula: "aᵢ = [|τᵢ| > ε];  θ = θ₀ + Σ aᵢ τᵢ / max(Σ aᵢ, 1)",
    source: "Reinforced Agent Merging, 2026", link: "https://arxiv.org/abs/2601.13572",
    base: .required, models: 1...Int.max, streaming: .element, parameters: [epsilon])

  /// Creates the method.
  public init() {}

  /// Blocks hold task vectors.
  public var form: InputForm { .taskVectors }

  /// One vector of counts.
  public func workingMemory(_ parameters: ResolvedParameters, _ scope: WorkingScope)
    -> WorkingMemory
  { WorkingMemory(vectors: 1) }

  /// Merges one block.
  public func merge(
    _ block: inout ElementBlock, _ inputs: MergeInputs, state: Void,
    into output: inout MutableSpan<Float>
  ) {
    var counts = inputs.scratch()
    let epsilon = Float(inputs[Self.epsilon])
    counts.use(block.count) { counts in
      Kernels.clear(&counts)
      for model in 0..<block.modelCount {
        Kernels.accumulateActive(block[model: model], above: epsilon, sum: &output, count: &counts)
      }
      Kernels.divide(&output, byNonzero: counts.span)
    }
    Kernels.add(block.base, to: &output)
  }
}
