internal import TinctureBanks
public import TinctureMerging
public import TinctureTensors

/// Adds all task vectors and keeps a mask for each task that leaves its own elements.
///
/// τ is the sum of the task vectors, or what TIES makes of them (`vector: ties`), and the merged model is θ₀ + τ. Beside it
/// stands `tasks.bank` with mᵢ = [|τᵢ| > λᵢ |τ − τᵢ|], one bit for an element, so that OUTPUT#TASK is θ₀ + mᵢ τ, with the base
/// taken from the merged model. λᵢ is chosen between 0.2 and 0.6 for each task by validation, as in the paper, where the recipe names
/// a suite under `data`: the smallest one with which the task's model does best; the default is in the middle. The merged model itself is of little use beyond that: `consensus` makes one that is.
/// Masks are made over what the merged model has after rounding. Complexity: O(n) for each model in two passes, with TIES
/// in five. Source: Wang et al., arXiv:2405.07813.
public struct TallMasks: ElementwiseMergeMethod {
  /// The description of the method.
  public let info = MethodInfo(
    name: "tall_masks", aliases: ["tall_mask", "tall"], title: "TALL-masks",
    summary: "Adds all task vectors; masks beside the model give each task its own again.",
    formula: "τ = Σ τᵢ;  θ = θ₀ + τ;  of a task: θ₀ + τ [|τᵢ| > λᵢ |τ − τᵢ|]",
    source: "Wang et al. 2024, Localizing task information (TALL-masks)",
    link: "https://arxiv.org/abs/2405.07813", base: .required, models: 1...Int.max,
    streaming: .model, makesParts: true,
    validated: ValidatedParameter(
      MultiTaskVector.threshold.declaration.name, candidates: [0.2, 0.3, 0.4, 0.5, 0.6]),
    parameters: [
      MultiTaskVector.threshold, MultiTaskVector.vector, MultiTaskVector.density, TaskNames.task,
    ],
    presets: [
      .init("flexmerge", [("tall_mask_lambda", .number(0.3))], "The threshold of FlexMerge."),
      .init("fusion_bench", [("tall_mask_lambda", .number(0.6))], "The threshold of FusionBench."),
    ])

  /// Creates the method.
  public init() {}

  /// Blocks hold task vectors.
  public var form: InputForm { .taskVectors }

  /// Room for TIES.
  public func workingMemory(_ parameters: ResolvedParameters, _ scope: WorkingScope)
    -> WorkingMemory
  { WorkingMemory(vectors: MultiTaskVector.vectors(parameters)) }

  /// The thresholds are those of whole models, and every task needs a name.
  public func check(_ plan: MergePlan) throws(TinctureError) {
    try MultiTaskVector.check(plan)
    let merged = plan.merged
    _ = try MultiTaskVector.thresholds(merged, MultiTaskVector.threshold)
    _ = try TaskNames.all(merged)
  }

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
    Kernels.add(block.base, to: &output)
  }

  /// That of the masks.
  public func completionMemory(_ plan: MergePlan, workers: Int, limit: Int) -> Int {
    MergedOutput.maskMemory(plan.merged, workers: workers, limit: limit)
  }

  /// Writes the masks.
  public func complete(_ output: MergedOutput, _ session: MergeSession, state: TiesState)
    async throws(TinctureError)
  {
    let tasks = try TaskNames.all(session.steps)
    let thresholds = try MultiTaskVector.thresholds(session.steps, MultiTaskVector.threshold)
    let masks = TaskMasks(
      BankCodec(.tall),
      tasks: tasks.map { task in
        .init(
          name: task.name, location: task.location, threshold: thresholds[task.model] ?? 0)
      })
    try await output.write(masks, of: tasks.map(\.model), session)
  }
}
