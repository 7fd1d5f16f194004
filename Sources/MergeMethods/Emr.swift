internal import TinctureBanks
public import TinctureMerging
public import TinctureTensors

/// Elects one task vector for all tasks, and keeps a mask and a factor for each.
///
/// γ is the sign of Σ τᵢ, negative where it is zero, and τ is γ times the largest |τᵢ| of that sign. The merged model is θ₀ + τ. Beside
/// it stands `tasks.bank` with mᵢ = [τᵢ τ > 0], one bit for an element, and the factors λᵢ, so that OUTPUT#TASK is
/// θ₀ + λᵢ mᵢ τ, with the base taken from the merged model. With `rescale: means` λᵢ is the ratio of the sums over
/// tensors of mean |τᵢ| and of mean |mᵢ τ|, as in the published code; with `sums` that of the sums over all elements, as in the paper.
/// Masks are made over what the merged model has after rounding. Complexity: O(n) for each model, in two passes.
/// Source: Huang et al., arXiv:2405.17461.
public struct Emr: ElementwiseMergeMethod {
  static let rescale = Parameter<String>(
    "rescale", default: "means", of: BankCodec.Rescaling.allCases.map(\.rawValue),
    "Whether factors are ratios of sums of means, so that small tensors count as much as large ones, or"
      + " of sums over all elements.")

  /// The description of the method.
  public let info = MethodInfo(
    name: "emr", aliases: ["emr_merging"], title: "EMR-Merging",
    summary: "Elects one task vector; masks beside the model give each task its own again.",
    formula:
      "γ = sign Σ τᵢ;  τ = γ max |τᵢ| [sign = γ];  θ = θ₀ + τ;  of a task: θ₀ + λᵢ τ [τᵢ τ > 0]",
    source: "Huang et al. 2024, EMR-Merging", link: "https://arxiv.org/abs/2405.17461",
    base: .required, models: 1...Int.max, streaming: .element, makesParts: true,
    parameters: [rescale, TaskNames.task])

  /// Creates the method.
  public init() {}

  /// Blocks hold task vectors.
  public var form: InputForm { .taskVectors }

  /// A sum, and while masks are made some blocks and the bits of a tensor.
  public func workingMemory(_ parameters: ResolvedParameters, _ scope: WorkingScope)
    -> WorkingMemory
  { WorkingMemory(vectors: 1) }

  /// Every task needs a name.
  public func check(_ plan: MergePlan) throws(TinctureError) {
    try plan.requireOneValue(of: ["rescale"])
    _ = try TaskNames.all(plan.merged)
  }

  /// Merges one block.
  public func merge(
    _ block: inout ElementBlock, _ inputs: MergeInputs, state: Void,
    into output: inout MutableSpan<Float>
  ) {
    Self.elect(&block, Array(0..<block.modelCount), inputs, into: &output)
    Kernels.add(block.base, to: &output)
  }

  /// Adds the elected task vector of some models to zeros.
  static func elect(
    _ block: inout ElementBlock, _ members: [Int], _ inputs: MergeInputs,
    into output: inout MutableSpan<Float>
  ) {
    var sum = inputs.scratch()
    var weights = [Float](repeating: 0, count: block.modelCount)
    for member in members { weights[member] = 1 }
    sum.use(block.count) { block.weightedSum(weights, into: &$0) }
    for member in members {
      Kernels.raise(&output, to: block[model: member], whereSignIsOf: sum.prefix(block.count))
    }
    Kernels.takeSign(of: sum.prefix(block.count), into: &output)
  }

  /// That of the masks.
  public func completionMemory(_ plan: MergePlan, workers: Int, limit: Int) -> Int {
    MergedOutput.maskMemory(plan.merged, workers: workers, limit: limit)
  }

  /// Writes the masks.
  public func complete(_ output: MergedOutput, _ session: MergeSession, state: Void)
    async throws(TinctureError)
  {
    guard let parameters = session.steps.first?.parameters else { return }
    var codec = BankCodec(.emr)
    codec.rescaling = BankCodec.Rescaling(rawValue: parameters[Self.rescale]) ?? .means
    let tasks = try TaskNames.all(session.steps)
    let masks = TaskMasks(codec, tasks: tasks.map { .init(name: $0.name, location: $0.location) })
    try await output.write(masks, of: tasks.map(\.model), session)
  }
}
