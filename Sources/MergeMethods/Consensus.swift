public import TinctureMerging
public import TinctureTensors

/// Keeps of the vector of all tasks what several tasks need.
///
/// τ_M is the sum of the task vectors, or what TIES makes of them (`vector: ties`, trimmed to `density` of the whole
/// model, summed). The mask of task i is |τᵢ| > λᵢ |τ_M − τᵢ|, and an element stays that is in at least k masks: k = 1 removes
/// what no task needs, k = 2 also what a single one needs, k = 0 nothing. θ = θ₀ + λ τ_M [Σ maskᵢ ≥ k].
/// FusionBench's `tall_mask` compares other vectors, so that its masks are nearly all ones; this follows the authors' code.
/// Complexity: O(n) for each model; with TIES three more passes. Source: Wang et al., arXiv:2405.07813.
public struct Consensus: ElementwiseMergeMethod {
  static let count = Parameter<Int>(
    "consensus_k", default: 2, in: .between(0, 1e6),
    "In how many tasks' masks an element must be to stay.")
  static let scale = Parameter<Double>(
    "lambda", default: 0.3, "What remains of the vector of all tasks is multiplied by this.")

  /// The description of the method.
  public let info = MethodInfo(
    name: "consensus", aliases: ["consensus_merging"], title: "Consensus merging",
    summary: "Adds of the summed task vectors only what several tasks need.",
    formula:
      "τ = Σ τᵢ;  mᵢ = [|τᵢ| > λᵢ |τ − τᵢ|];  θ = θ₀ + λ τ [Σ mᵢ ≥ k]",
    source: "Wang et al. 2024, Localizing task information (TALL-masks)",
    link: "https://arxiv.org/abs/2405.07813", base: .required, models: 1...Int.max,
    streaming: .model,
    parameters: [
      MultiTaskVector.threshold, count, scale, MultiTaskVector.vector, MultiTaskVector.density,
    ],
    presets: [
      .init(
        "ties", [("vector", .text("ties")), ("lambda", .number(1))],
        "Consensus TIES: the vector of TIES with a fifth of the elements, summed."),
      .init(
        "flexmerge", [("tall_mask_lambda", .number(0.3))], "The threshold of FlexMerge."),
    ])

  /// Creates the method.
  public init() {}

  /// Blocks hold task vectors.
  public var form: InputForm { .taskVectors }

  /// Counts, and room for TIES.
  public func workingMemory(_ parameters: ResolvedParameters, _ scope: WorkingScope)
    -> WorkingMemory
  { WorkingMemory(vectors: 1 + MultiTaskVector.vectors(parameters)) }

  /// The thresholds of TIES are those of whole models.
  public func check(_ plan: MergePlan) throws(TinctureError) { try MultiTaskVector.check(plan) }

  /// Thresholds and signs of TIES, where it is asked for.
  public func prepare(_ session: MergeSession) async throws(TinctureError) -> TiesState {
    TiesState(selection: try await MultiTaskVector.prepare(session))
  }

  /// Merges one block.
  public func merge(
    _ block: inout ElementBlock, _ inputs: MergeInputs, state: TiesState,
    into output: inout MutableSpan<Float>
  ) {
    MultiTaskVector.make(&block, inputs, state.selection, into: &output)
    let needed = Float(inputs[Self.count])
    let thresholds = inputs[MultiTaskVector.threshold]
    var counts = inputs.scratch()
    counts.use(block.count) { counts in
      Kernels.clear(&counts)
      for (model, threshold) in thresholds.enumerated() {
        Kernels.countOwn(
          block[model: model], of: output.span, threshold: Float(threshold), count: &counts)
      }
      for position in 0..<counts.count { counts[position] = counts[position] >= needed ? 1 : 0 }
      Kernels.multiply(&output, by: counts.span)
    }
    Kernels.scale(&output, by: Float(inputs[Self.scale]))
    Kernels.add(block.base, to: &output)
  }
}

/// What `prepare` finds for methods that may have TIES inside.
public struct TiesState: Sendable {
  let selection: TiesSelection?
}
