internal import SystemPackage
internal import TinctureFitting
internal import TinctureMerging
internal import TinctureTensors
internal import TinctureTorch

/// What all learned methods do alike.
enum Learning {
  /// Makes sure that LibTorch is there.
  static func requireEngine() throws(TinctureError) { _ = try LibTorch.current() }

  /// Checks a plan: the models against the suite, data and heads, and that what is set holds for all tensors.
  ///
  /// - Parameters:
  ///   - plan: The plan.
  ///   - info: The method.
  ///   - needsLabels: Whether it must be known what is true.
  ///   - controlTask: A further task of the suite that takes part.
  /// - Returns: What is learned from.
  /// - Throws: What does not fit.
  @discardableResult
  static func check(
    _ plan: MergePlan, _ info: MethodInfo, needsLabels: Bool, controlTask: String? = nil
  ) throws(TinctureError) -> LearningProblem {
    let merged = plan.steps.filter { if case .merge = $0.action { true } else { false } }
    let copies = plan.steps.filter { if case .copy = $0.action { true } else { false } }
    if let first = merged.first,
      let other = merged.first(where: { $0.parameters != first.parameters })
    {
      throw TinctureError(
        .recipe,
        "\(info.name) is learned as a whole: its parameters cannot differ from tensor to tensor.",
        at: .init(file: plan.options.data?.source.name, tensor: other.name))
    }
    let problem = try LearningProblem(steps: merged, copies: copies, options: plan.options)
    try LibTorch.current().require(problem.device)
    _ = try problem.tasks(needsLabels: needsLabels)
    if let controlTask { _ = try problem.otherTask(controlTask, needsLabels: needsLabels) }
    return problem
  }

  /// Checks a plan for a fit.
  @discardableResult
  static func check(
    _ plan: MergePlan, _ info: MethodInfo, _ settings: FitSettings
  ) throws(TinctureError) -> LearningProblem {
    try check(
      plan, info, needsLabels: settings.needsLabels, controlTask: settings.controlTask)
  }

  /// Tells the observer of a merge how far a fit is.
  static func report(_ history: FitHistory, _ session: MergeSession) {
    session.report(
      .learned(
        LearningProgress(
          round: history.losses.count, of: history.roundCount, resumed: history.resumedRounds,
          losses: history.lastLosses, coefficients: history.coefficientRange)))
  }

  /// Makes θ₀ + λ Σ τ of one tensor, in the order in which a fit adds task vectors, so that it has the same bits.
  static func addTaskVectors(
    _ inputs: MergeInputs, times scale: Float
  ) throws(TinctureError) {
    let count = scale == 0 ? 0 : inputs.step.models.count
    try inputs.produce(.taskVectors) { (block, output) in
      Kernels.copy(block.base, to: &output)
      for model in 0..<count { Kernels.add(block[model: model], times: scale, to: &output) }
    }
  }

  /// The type of a word that recipes use.
  static func dtype(_ word: String) -> DType {
    switch word {
    case "float32": .f32
    case "bfloat16": .bf16
    default: .f16
    }
  }

  /// What a fit does and holds in memory, in words.
  static func text(
    _ plan: MergePlan, _ settings: FitSettings, memoryLimit: Int, isChanged: Bool
  ) -> String {
    // A tensor may be made in several steps.
    let whole = Dictionary(
      plan.steps.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    let steps = Array(whole.values)
    let model = 4 * steps.reduce(0) { $0 + $1.shape.elementCount }
    let count = steps.map(\.models.count).max() ?? 0
    let resident = TaskVectorSet.residentBytes(steps, isChanged: isChanged)
    let fits = resident <= memoryLimit
    let bytes = Double((fits ? resident : model) + 2 * model) / 1e6
    let vectors = fits ? "and task vectors" : "with task vectors read in every turn"
    let length = settings.passes.map { "\($0) passes" } ?? "\(settings.rounds) rounds"
    return "\(count) tasks, \(length) of \(settings.batchSize) examples each;"
      + " \(Int(bytes.rounded(.up))) MB for base, merged model, derivative \(vectors)"
  }

  /// Carries a fit out within a merge.
  static func run(
    _ problem: LearningProblem, _ vectors: TaskVectorSet, _ merge: any LearnableMerge,
    _ settings: FitSettings, _ session: MergeSession, snapshot: String = "fit"
  ) throws(TinctureError) -> FitOutcome {
    var fit = MergeFit(problem, vectors, merge, settings)
    fit.interruption = session.interruption
    fit.snapshotPath = session.scratch?.appending(snapshot + ".safetensors")
    return try fit.run { report($0, session) }
  }
}
