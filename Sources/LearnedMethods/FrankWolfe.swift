public import TinctureFitting
public import TinctureMerging
public import TinctureTensors

/// FW-Merging, hard: moves towards the model that points most against the derivative of the loss.
///
/// From task arithmetic with λ = init, in each step the mean cross entropy of the tasks over 100 labelled
/// examples of each is differentiated; of the experts and the model of the start the one is taken whose sum over
/// the tensors of cos(∂loss/∂θ_p, s_p) is least, or one for each tensor; θ ← θ + γ (s − θ) with
/// γ = scale · step_size · 2 / (i + 2). Whole weights are compared, as the reference has it, and not task
/// vectors. Shapes: any network of a suite. Source: arXiv:2503.12649.
public struct FrankWolfe: CoefficientMethod {
  static let steps = LearningParameters.rounds(10, name: "steps")
  static let examples = Parameter<Int>(
    "examples", default: 100, in: .between(1, 1e6), "Examples of a task in a step.")
  static let rate = Parameter<Double>(
    "step_size", default: 0.1, in: .atLeast(0), "What 2 / (i + 2) is multiplied by in the step i.")
  static let scale = Parameter<Double>(
    "scale", default: 0.3, in: .atLeast(0),
    "What the distance to the chosen model is multiplied by.")
  static let granularity = Parameter<String>(
    "granularity", default: "task", of: ["task", "layer"],
    "Whether one model is chosen for all tensors, or one for each tensor.")

  /// The description of the method.
  public let info = MethodInfo(
    name: "fw_merging", aliases: ["fw_hard"], title: "FW-Merging",
    summary: "Moves towards the model that points most against the loss, by Frank and Wolfe.",
    formula:
      "θ ← θ + γᵢ (s − θ);  s = argmin Σ_p cos(∂loss/∂θ_p, s_p),  γᵢ = scale · step_size · 2/(i + 2)",
    source: "FW-Merging, 2025", link: "https://arxiv.org/abs/2503.12649",
    base: .required, models: 1...Int.max, streaming: .model, isRandom: true, learns: true,
    parameters: [steps, examples, rate, scale, LearningParameters.start, granularity],
    presets: [
      .init("from_base", [("init", .number(0))], "Begins with the base."),
      .init("layer", [("granularity", .text("layer"))], "A choice for every tensor."),
    ])

  /// Creates the method.
  public init() {}

  /// How the fit goes, but for the scale of the loss.
  public func fitSettings(
    _ parameters: ResolvedParameters, _ options: MergeOptions
  ) -> FitSettings {
    var settings = FitSettings(.labels)
    settings.rounds = parameters[Self.steps]
    settings.batchSize = parameters[Self.examples]
    settings.stepsByTask = false
    settings.seed = options.seed
    return settings
  }

  /// Coefficients follow from the choices.
  public func coefficientSettings(_ parameters: ResolvedParameters) -> CoefficientSettings {
    CoefficientSettings()
  }

  /// Carries out the steps.
  public func learn(_ fit: CoefficientFit) throws(TinctureError) -> LearnedTable {
    var settings = FrankWolfeMerge.Settings()
    settings.start = Float(fit.parameters[LearningParameters.start])
    settings.rate = fit.parameters[Self.rate]
    settings.scale = fit.parameters[Self.scale]
    settings.choosesByTensor = fit.parameters[Self.granularity] == "layer"
    let merge = try FrankWolfeMerge(fit.vectors, settings, on: fit.problem.device)
    var course = fitSettings(fit.parameters, fit.session.options)
    course.lossScale = 1 / Double(fit.vectors.taskCount)
    let outcome = try fit.run(merge, course)
    return LearnedTable(merge.table, outcome)
  }
}
