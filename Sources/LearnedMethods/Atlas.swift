public import TinctureFitting
public import TinctureMerging
public import TinctureTensors

/// aTLAS: learns a coefficient for each block and task vector, from labelled examples or without labels.
///
/// A block is a parameter tensor, or one of K random parts of it: θ = θ₀ + Σ c[t, block] τₜ(block), c from zero
/// by AdamW along the sum of the tasks' losses, whose derivative is shortened to the length 1. To the loss
/// γ · mean over the blocks of ‖c[·, block]‖ₚ may be added. Of the states after each pass the one with the best
/// mean accuracy by the experts' on held-out examples is kept. For negation the losses of the tasks to be
/// forgotten are subtracted and that of a control task is added; the best state forgets most among those
/// that keep 95 % of the control's accuracy. Few examples: `data: {limit: …}`. Shapes: any network of a suite.
/// Source: Zhang et al., arXiv:2407.02880.
public struct Atlas: CoefficientMethod {
  static let passes = LearningParameters.passes(20)
  static let batchSize = Parameter<Int>(
    "batch_size", default: 128, in: .between(1, 1e6),
    "Examples of a round, shared equally among the tasks.")
  static let rate = LearningParameters.rate(1e-3)
  static let decay = LearningParameters.decay(0.1)
  static let start = Parameter<Double>(
    "init", default: 0, "The coefficient with which every task vector begins.")
  static let clip = LearningParameters.clip(1)
  static let objective = Parameter<String>(
    "objective", default: "labels", of: ["labels", "pseudo_labels", "entropy", "expert_labels"],
    "Fit to labels; without labels to the model's own sure answers, to sureness, or to the experts' answers."
  )
  static let sureness = Parameter<Double>(
    "sureness", default: 0.9, in: .fraction,
    "How sure the model must be of an answer, for objective: pseudo_labels.")
  static let exponent = Parameter<Double>(
    "lp", default: 1, in: .atLeast(1), "The p of the penalty.")
  static let penalty = Parameter<Double>(
    "lp_weight", default: 0, in: .atLeast(0),
    "What the mean p-norm of the blocks' coefficients is multiplied by; 0 for no penalty.")
  static let control = Parameter<String>(
    "control", default: "",
    "A task of the suite without a model, for negation: the models' tasks are forgotten, this one is kept."
  )
  static let validation = LearningParameters.validation(0)
  static let patience = LearningParameters.patience(0)

  /// The description of the method.
  public let info = MethodInfo(
    name: "atlas", title: "aTLAS",
    summary: "Learns a coefficient for each block and task vector, to add tasks or to forget them.",
    formula: "θ = θ₀ + Σ c[t, block] τₜ(block);  c minimises Σₜ CE(headₜ(θ; x), label)",
    source: "Zhang et al. 2024, aTLAS", link: "https://arxiv.org/abs/2407.02880",
    base: .required, models: 1...Int.max, streaming: .model, isRandom: true, learns: true,
    parameters: [
      passes, batchSize, rate, decay, start, clip, LearningParameters.granularity,
      LearningParameters.chunks, objective, sureness, exponent, penalty, control, validation,
      patience,
    ],
    presets: [
      .init(
        "parts", [("granularity", .text("part_wise")), ("chunks", .number(5))],
        "Five random parts of every matrix with coefficients of their own."),
      .init(
        "test_time", [("objective", .text("pseudo_labels"))],
        "Without labels, by the model's own sure answers."),
    ])

  /// Creates the method.
  public init() {}

  /// How the fit goes; batches are still those of all tasks together.
  public func fitSettings(
    _ parameters: ResolvedParameters, _ options: MergeOptions
  ) -> FitSettings {
    let objective: FitObjective =
      switch parameters[Self.objective] {
      case "pseudo_labels": .ownLabels(sureness: parameters[Self.sureness])
      case "entropy": .entropy
      case "expert_labels": .expertLabels(.none)
      default: .labels
      }
    var settings = FitSettings(objective)
    settings.passes = parameters[Self.passes]
    settings.batchSize = parameters[Self.batchSize]
    settings.stepsByTask = false
    settings.controlTask = parameters[Self.control].isEmpty ? nil : parameters[Self.control]
    settings.validationShare = parameters[Self.validation]
    settings.patience = parameters[Self.patience] > 0 ? parameters[Self.patience] : nil
    settings.seed = options.seed
    return settings
  }

  /// How coefficients move.
  public func coefficientSettings(_ parameters: ResolvedParameters) -> CoefficientSettings {
    var settings = CoefficientSettings()
    settings.granularity =
      CoefficientTable.Granularity(rawValue: parameters[LearningParameters.granularity]) ?? .layer
    settings.starts = [Float(parameters[Self.start])]
    settings.link = .identity
    settings.chunks = parameters[LearningParameters.chunks]
    settings.rate = parameters[Self.rate]
    settings.decay = parameters[Self.decay]
    settings.largestGradient = parameters[Self.clip] > 0 ? parameters[Self.clip] : nil
    if parameters[Self.penalty] > 0 {
      settings.penalty = (parameters[Self.penalty], parameters[Self.exponent])
    }
    return settings
  }

  /// Forgetting needs labels, and not everything can be held out.
  public func objection(to parameters: ResolvedParameters, modelCount: Int) -> String? {
    if !parameters[Self.control].isEmpty, parameters[Self.objective] != "labels" {
      return "control is for negation, which needs objective: labels"
    }
    if parameters[Self.patience] > 0, parameters[Self.validation] == 0 {
      return "patience needs a validation share above 0"
    }
    return LearningParameters.objection(validation: parameters[Self.validation])
  }

  /// Learns with the batch shared among the tasks, and against the models' tasks where there is a control.
  public func learn(_ fit: CoefficientFit) throws(TinctureError) -> LearnedTable {
    var settings = fitSettings(fit.parameters, fit.session.options)
    let models = fit.vectors.taskCount
    let count = models + (settings.controlTask == nil ? 0 : 1)
    settings.batchSize = max(1, settings.batchSize / count)
    if settings.controlTask != nil {
      settings.weights = Array(repeating: -1, count: models) + [1]
    }
    var coefficients = coefficientSettings(fit.parameters)
    coefficients.seed = settings.seed
    let merge = CoefficientMerge(fit.vectors, coefficients, on: fit.problem.device)
    let outcome = try fit.run(merge, settings)
    return LearnedTable(merge.table, outcome)
  }
}
