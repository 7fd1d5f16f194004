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
  /// - Throws: What does not fit.
  static func check(
    _ plan: MergePlan, _ info: MethodInfo, needsLabels: Bool
  ) throws(TinctureError) {
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
  }

  /// What a fit does and holds in memory, in words.
  static func text(_ plan: MergePlan, _ settings: FitSettings, memoryLimit: Int) -> String {
    var elements: [String: Int] = [:]
    for step in plan.steps { elements[step.name] = step.shape.elementCount }
    let model = 4 * elements.values.reduce(0, +)
    let count = plan.steps.map(\.models.count).max() ?? 0
    let fits = (count + 1) * model <= memoryLimit
    let bytes = Double(fits ? (count + 3) * model : 3 * model) / 1e6
    let vectors = fits ? "and task vectors" : "with task vectors read in every turn"
    return "\(count) tasks, \(settings.rounds) rounds of \(settings.batchSize) examples each;"
      + " \(Int(bytes.rounded(.up))) MB for base, merged model, derivative \(vectors)"
  }

  /// Carries a fit out within a merge.
  static func run(
    _ problem: LearningProblem, _ vectors: TaskVectorSet, _ merge: any LearnableMerge,
    _ settings: FitSettings, _ session: MergeSession
  ) throws(TinctureError) -> FitOutcome {
    var fit = MergeFit(problem, vectors, merge, settings)
    fit.interruption = session.interruption
    fit.snapshotPath = session.scratch?.appending("fit.safetensors")
    return try fit.run { history in
      session.report(
        .learned(
          LearningProgress(
            round: history.losses.count, of: history.roundCount, resumed: history.resumedRounds,
            losses: history.lastLosses, coefficients: history.coefficientRange)))
    }
  }
}
