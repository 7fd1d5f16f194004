public import TinctureFitting
public import TinctureMerging
public import TinctureTensors

/// FW-Merging, soft: merges the models that the tasks choose into the model so far, again and again.
///
/// From the base, in each step every task chooses by the derivative of its loss over 100 labelled examples an
/// expert that no task before has chosen (least Σ_p cos(∂loss/∂θ_p, s_p)). The chosen ones are merged around
/// the model θ so far: θ ← θ + Σ λ (s − θ), with layer-wise λ by AdaMerging, or the same λ for all. AdaMerging
/// begins at 0.3 in the first step and at 10⁻⁸ later, as the reference does. When all experts are chosen
/// anyway no derivative is taken. Shapes: any network of a suite. Source: arXiv:2503.12649.
public struct SoftFrankWolfe: CoefficientMethod {
  static let steps = LearningParameters.rounds(10, name: "steps")
  static let choices = Parameter<Int>(
    "choices", default: 0, in: .between(0, 1e6),
    "How many experts are chosen in a step; 0 is one for each task, thus all.")
  static let mixing = Parameter<String>(
    "mixing", default: "adamerging", of: ["adamerging", "task_arithmetic"],
    "How the chosen experts are merged into the model so far.")
  static let rate = Parameter<Double>(
    "step_size", default: 0.3, in: .atLeast(0),
    "For mixing: task_arithmetic, λ is 0.3 in the first step and 0.6 / (i + 2) times this later.")
  static let rounds = Parameter<Int>(
    "ada_steps", default: 500, in: .between(1, 1e7), "Steps of AdaMerging.")
  static let batchSize = Parameter<Int>(
    "ada_batch_size", default: 16, in: .between(1, 1e6),
    "Examples of a task in a step of AdaMerging.")
  static let learningRate = LearningParameters.rate(1e-3)
  static let laterStart = Parameter<Double>(
    "ada_init", default: 1e-8, "λ at the start of AdaMerging after the first step.")
  static let objective = Parameter<String>(
    "objective", default: "entropy", of: ["entropy", "labels"],
    "What AdaMerging follows: sureness, or labels.")

  /// The description of the method.
  public let info = MethodInfo(
    name: "fw_merging_soft", aliases: ["fw_soft"], title: "FW-Merging, soft",
    summary: "Merges the models that the tasks choose by their derivatives, again and again.",
    formula: "θ ← θ + Σ λₗₛ (s − θ) over the chosen s;  λ by AdaMerging",
    source: "FW-Merging, 2025", link: "https://arxiv.org/abs/2503.12649",
    base: .required, models: 1...Int.max, streaming: .model, isRandom: true, learns: true,
    parameters: [
      steps, FrankWolfe.examples, choices, mixing, rate, LearningParameters.start, rounds,
      batchSize, learningRate, laterStart, objective,
    ])

  /// Creates the method.
  public init() {}

  /// How AdaMerging goes; labels are asked for by choices.
  public func fitSettings(
    _ parameters: ResolvedParameters, _ options: MergeOptions
  ) -> FitSettings {
    var settings = FitSettings(LearningParameters.objective(parameters[Self.objective]))
    settings.rounds = parameters[Self.rounds]
    settings.batchSize = parameters[Self.batchSize]
    settings.stepsByTask = false
    settings.seed = options.seed
    return settings
  }

  /// How the choice of experts goes.
  private func choiceSettings(_ fit: CoefficientFit, _ step: Int) -> FitSettings {
    var settings = FitSettings(.labels)
    settings.rounds = 1
    settings.batchSize = fit.parameters[FrankWolfe.examples]
    settings.lossScale = 1 / Double(fit.vectors.taskCount)
    settings.stepsByTask = false
    settings.seed = fit.session.options.seed &+ UInt64(step)
    return settings
  }

  /// Coefficients follow from the steps.
  public func coefficientSettings(_ parameters: ResolvedParameters) -> CoefficientSettings {
    CoefficientSettings()
  }

  /// Choices need labels.
  public func check(_ plan: MergePlan) throws(TinctureError) {
    let parameters = plan.steps.first?.parameters ?? .init()
    var settings = fitSettings(parameters, plan.options)
    if parameters[Self.choices] > 0 { settings.objective = .labels }
    try Learning.check(plan, info, settings)
  }

  /// Carries out the steps.
  public func learn(_ fit: CoefficientFit) throws(TinctureError) -> LearnedTable {
    let (vectors, count) = (fit.vectors, fit.vectors.taskCount)
    let limit = fit.parameters[Self.choices] == 0 ? count : fit.parameters[Self.choices]
    var center = vectors.tensors.map { _ in Array(repeating: Float(0), count: count) }
    var learned: LearnedTable?
    for step in 0..<fit.parameters[Self.steps] {
      var chosen = Array(0..<count)
      if limit < count {
        let choice = try FrankWolfeChoice(
          vectors, at: center, limit: limit, on: fit.problem.device)
        _ = try fit.run(choice, choiceSettings(fit, step), stage: 2 * step + 1)
        chosen = choice.chosen
      }
      let isFirst = step == 0
      let isLearned = fit.parameters[Self.mixing] == "adamerging"
      let start =
        isLearned
        ? (isFirst
          ? fit.parameters[LearningParameters.start] : fit.parameters[Self.laterStart])
        : 0.3 * (isFirst ? 1 : fit.parameters[Self.rate] * 2 / Double(step + 2))
      let merge = ShiftedMerge(
        vectors, around: center, chosen: chosen, start: Float(start),
        rate: fit.parameters[Self.learningRate], on: fit.problem.device)
      var outcome: FitOutcome?
      if isLearned {
        var settings = fitSettings(fit.parameters, fit.session.options)
        settings.seed &+= UInt64(step)
        outcome = try fit.run(merge, settings, stage: 2 * step + 2)
      }
      center = merge.coefficients
      var next = LearnedTable(merge.table, outcome)
      next.stages = learned?.stages ?? []
      if let last = learned?.outcome { next.stages.append(("Step \(step)", last.history)) }
      learned = next
    }
    guard let learned else { throw TinctureError(.recipe, "There must be at least one step.") }
    return learned
  }
}
