internal import TinctureEvaluation
public import TinctureFitting
public import TinctureMerging
public import TinctureTensors

/// Self Positioning: finds the best angle and length in the plane of two task vectors, and folds further ones in.
///
/// θ = θ₀ + μ (sin((1 − t)Ω) u + sin(tΩ) τ) / sin Ω with the angle Ω between u and τ over the whole model;
/// t and μ follow the mean loss of the tasks so far by gradient descent from ½ and 1. u is the first task vector;
/// the result without the base is the u of the next model. Shapes: any network of a suite.
/// Source: arXiv:2410.15035; its step size and number of steps are not published.
public struct SelfPositioning: CoefficientMethod {
  static let rounds = LearningParameters.rounds(100, name: "steps")
  static let batchSize = LearningParameters.batchSize(32)
  static let rate = Parameter<Double>(
    "lr", default: 1e-2, in: .atLeast(0), "The step size of angle and length.")
  static let penalty = Parameter<Double>(
    "length_penalty", default: 0, in: .atLeast(0), "What μ² is multiplied by and added to the loss."
  )
  static let objective = Parameter<String>(
    "objective", default: "labels",
    of: ["labels", "entropy", "expert_labels", "expert_distribution"],
    "Fit to labels; without labels to sureness, or to the experts' answers or probabilities.")

  /// The description of the method.
  public let info = MethodInfo(
    name: "self_positioning", title: "Self Positioning",
    summary: "Finds the best angle and length between two task vectors, and folds further ones in.",
    formula: "θ = θ₀ + μ (sin((1 − t)Ω) u + sin(tΩ) τ) / sin Ω;  t and μ minimise the tasks' loss",
    source: "Self Positioning, 2024", link: "https://arxiv.org/abs/2410.15035",
    base: .required, models: 2...Int.max, streaming: .model, isRandom: true, learns: true,
    parameters: [rounds, batchSize, rate, penalty, objective])

  /// Creates the method.
  public init() {}

  /// How each fit goes, but for the scale of the loss.
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

  /// Of the coefficients only angle and length move.
  public func coefficientSettings(_ parameters: ResolvedParameters) -> CoefficientSettings {
    CoefficientSettings()
  }

  /// Folds one model after another in.
  public func learn(_ fit: CoefficientFit) throws(TinctureError) -> LearnedTable {
    let vectors = fit.vectors
    var plane = PlaneMerge.Settings()
    plane.rate = fit.parameters[Self.rate]
    plane.lengthPenalty = fit.parameters[Self.penalty]
    let gram = try vectors.gram()
    func unit(_ task: Int) -> [Double] {
      (0..<vectors.taskCount).map { $0 == task ? 1 : 0 }
    }
    var result = unit(0)
    var stages: [(title: String, history: FitHistory)] = []
    var learned: LearnedTable?
    for task in 1..<vectors.taskCount {
      let merge = PlaneMerge(
        vectors, from: result, to: unit(task), gram: gram, plane, on: fit.problem.device)
      var settings = fitSettings(fit.parameters, fit.session.options)
      settings.lossScale = 1 / Double(task + 1)
      let outcome = try fit.run(
        merge, settings, problem: fit.problem.selecting(Array(0...task)), stage: task)
      result = merge.coefficients
      var next = LearnedTable(merge.table, outcome)
      next.stages = stages
      learned = next
      stages.append(
        ("Folding in \(fit.problem.suite.tasks[task].name)", outcome.history))
    }
    guard let learned else {
      throw TinctureError(.recipe, "Self Positioning needs at least two models.")
    }
    return learned
  }
}
