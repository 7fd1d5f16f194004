internal import SystemPackage
internal import TinctureCheckpoints
public import TinctureFitting
internal import TinctureMergeMethods
public import TinctureMerging
public import TinctureTensors

/// Representation surgery: subtracts from a merged model's features, for each task, what they have too much.
///
/// The merged model θ stays as it is. For a feature f [D] of task t, f̂ = f − Uₜ ReLU(Aₜ f) with A [r, D] and
/// U [D, r]; A begins uniform in ±1/√D and U with zeros, so that nothing is corrected at first. Both minimise
/// mean |f̂ − f of the expert| by Adam over examples without labels, with a step after each of the two
/// batches of 16 that a task sees in a round. Surgery v2 corrects the tokens that leave every block in the same
/// way, and the loss adds up mean |mean token − the expert's| over the blocks. What is merged first is said by
/// `merge`, and may be any model: with `none` the base is corrected, which another recipe may have merged.
/// Sources: Yang et al., arXiv:2402.02705; Yang et al., arXiv:2410.14389.
public struct Surgery: CoefficientMethod {
  /// Representation surgery.
  public static let features = Surgery(
    "surgery", aliases: ["representation_surgery"], title: "Representation surgery",
    summary: "Corrects a merged model's features by a small layer for each task.",
    formula: "f̂ = f − Uₜ ReLU(Aₜ f);  U and A minimise mean |f̂ − f of expert t|",
    source: "Yang et al. 2024, Representation Surgery",
    link: "https://arxiv.org/abs/2402.02705", correctsBlocks: false)
  /// Surgery v2.
  public static let blocks = Surgery(
    "surgery_v2", aliases: ["deep_surgery"], title: "Surgery v2",
    summary: "Corrects what leaves every block of a merged model by a small layer for each task.",
    formula:
      "X̂ᵢ = Xᵢ − Uₜᵢ ReLU(Aₜᵢ Xᵢ);  U and A minimise Σᵢ mean |mean token of X̂ᵢ − that of expert t|",
    source: "Yang et al. 2024, SurgeryV2", link: "https://arxiv.org/abs/2410.14389",
    correctsBlocks: true)

  static let merge = Parameter<String>(
    "merge", default: "task_arithmetic",
    of: ["task_arithmetic", "ties", "average", "adamerging", "none"],
    "What is merged first; none corrects the base, which may be any merged model.")
  static let scale = Parameter<Double>(
    "lambda", default: 0.3,
    "The coefficient of task vectors, for merge: task_arithmetic and ties; adamerging begins with it."
  )
  static let density = Parameter<Double>(
    "density", default: 0.2, in: .fraction,
    "The fraction of each task vector that stays, for merge: ties.")
  static let mergeSteps = Parameter<Int>(
    "merge_steps", default: 500, in: .between(1, 1e7), "The steps of merge: adamerging.")
  static let mergeRate = Parameter<Double>(
    "merge_lr", default: 1e-3, in: .atLeast(0), "The step size of merge: adamerging.")
  static let rank = Parameter<Int>(
    "rank", default: 16, in: .between(1, 1e5), "r, the numbers between both layers of a correction."
  )
  static let rounds = LearningParameters.rounds(500, name: "steps")
  static let batchSize = LearningParameters.batchSize(16)
  static let batches = Parameter<Int>(
    "batches", default: 2, in: .between(1, 1000),
    "Batches of a task in a turn, with a step after each.")
  static let rate = Parameter<Double>(
    "lr", default: 1e-3, in: .atLeast(0), "The step size of corrections.")

  /// The description of the method.
  public let info: MethodInfo
  private let correctsBlocks: Bool

  private init(
    _ name: String, aliases: [String], title: String, summary: String, formula: String,
    source: String, link: String, correctsBlocks: Bool
  ) {
    self.correctsBlocks = correctsBlocks
    info = MethodInfo(
      name: name, aliases: aliases, title: title, summary: summary, formula: formula,
      source: source, link: link, base: .required, models: 1...Int.max, streaming: .model,
      isRandom: true, learns: true, makesParts: true,
      parameters: [
        Self.merge, Self.scale, Self.density, Self.mergeSteps, Self.mergeRate,
        LearningParameters.granularity, LearningParameters.chunks, LearningParameters.clamp,
        Self.rank, Self.rounds, Self.batchSize, Self.batches, Self.rate,
      ],
      presets: [
        .init("adamerging", [("merge", .text("adamerging"))], "On layer-wise AdaMerging."),
        .init(
          "fusion_bench", [("merge", .text("adamerging")), ("steps", .number(1000))],
          "On layer-wise AdaMerging, with 1000 steps."),
      ])
  }

  /// How AdaMerging goes, where it comes first.
  public func fitSettings(
    _ parameters: ResolvedParameters, _ options: MergeOptions
  ) -> FitSettings {
    // Two batches of 16 whose means are added, as published.
    var settings = FitSettings(.entropy)
    settings.rounds = parameters[Self.mergeSteps]
    (settings.batchSize, settings.lossScale, settings.stepsByTask) = (32, 2, false)
    settings.seed = options.seed
    return settings
  }

  /// How coefficients move, where AdaMerging comes first.
  public func coefficientSettings(_ parameters: ResolvedParameters) -> CoefficientSettings {
    LearningParameters.coefficients(parameters, rate: Self.mergeRate, start: Self.scale)
  }

  /// TIES' trimming and election, where it comes first.
  public func change(
    _ session: MergeSession, _ parameters: ResolvedParameters
  ) async throws(TinctureError) -> (any TaskVectorChange)? {
    guard parameters[Self.merge] == "ties" else { return nil }
    return TiesChange(
      selection: try await TiesSelection(session, density: parameters[Self.density]))
  }

  /// Checks models, tasks, data, heads and network against each other.
  public func check(_ plan: MergePlan) throws(TinctureError) {
    let problem = try Learning.check(plan, info, needsLabels: false)
    if correctsBlocks { _ = try SurgeryFit.blocks(of: problem) }
  }

  /// Merges, and learns the corrections of the merged model.
  public func prepare(_ session: MergeSession) async throws(TinctureError) -> State {
    let parameters = session.steps.first?.parameters ?? .init()
    let change = try await change(session, parameters)
    let problem = try LearningProblem(
      steps: session.steps, copies: session.copies, options: session.options)
    let vectors = try problem.vectors(
      memoryLimit: session.memoryLimit, workers: session.workers, change: change)
    let merge = CoefficientMerge(
      vectors, coefficients(parameters, vectors.taskCount), on: problem.device)
    if parameters[Self.merge] == "adamerging" {
      let settings = fitSettings(parameters, session.options)
      _ = try Learning.run(problem, vectors, merge, settings, session)
    }
    let merged = try merge.readers().merging(problem.constants) { $1 }
    var fit = SurgeryFit(problem, merged: merged, settings(parameters, session.options))
    fit.interruption = session.interruption
    fit.snapshotPath = session.scratch?.appending("surgery.safetensors")
    let outcome = try fit.run { Learning.report($0, session) }
    var parts = TaskPartsWriter(method: info.name)
    try outcome.add(to: &parts)
    return LearnedCoefficients(
      merge.table, vectors.tensors, outcome.history, parts, method: info.name, change: change)
  }

  /// The coefficients with which task vectors are merged, or with which AdaMerging begins.
  private func coefficients(
    _ parameters: ResolvedParameters, _ taskCount: Int
  ) -> CoefficientSettings {
    var settings = coefficientSettings(parameters)
    switch parameters[Self.merge] {
    case "adamerging": return settings
    case "average": settings.starts = [1 / Float(max(1, taskCount))]
    case "none": settings.starts = [0]
    default: settings.starts = [Float(parameters[Self.scale])]
    }
    (settings.granularity, settings.link) = (.task, .identity)
    return settings
  }

  private func settings(
    _ parameters: ResolvedParameters, _ options: MergeOptions
  ) -> SurgerySettings {
    var settings = SurgerySettings()
    settings.correctsBlocks = correctsBlocks
    settings.rank = parameters[Self.rank]
    settings.rounds = parameters[Self.rounds]
    settings.batchSize = parameters[Self.batchSize]
    settings.batches = parameters[Self.batches]
    settings.rate = parameters[Self.rate]
    settings.seed = options.seed
    return settings
  }
}
