public import TinctureFitting
public import TinctureMerging

/// Model Tinting: learns coefficients of task vectors, and one tinted layer for each task, so that the merged
/// model answers as the experts do.
///
/// In every round each task, in random order, has a turn: examples x go through θ = θ₀ + Σ λ τ and the task's
/// head; the loss is the cross entropy with the expert's answers, and one Adam step moves λ and the task's head.
/// λ [tensors, tasks] is used between 0 and 1 and has no derivative outside. The tinted layer is the task's
/// head, or tensors of the network named by `tinted`, which begin as the expert's. Labels are never read.
/// Tinting++ leaves out examples on which the two differ and the merged model is surer. Shapes: any network of a
/// suite with a head or classes of its own. Source: arXiv:2412.19098.
public struct Tinting: CoefficientMethod {
  /// Model Tinting.
  public static let plain = Tinting(
    "tinting", title: "Model Tinting",
    summary: "Learns coefficients and a tinted layer for each task from the experts' answers.",
    filter: "none")
  /// Model Tinting++ (SyMerge).
  public static let plus = Tinting(
    "tinting_plus", aliases: ["symerge"], title: "Model Tinting++",
    summary: "Model Tinting that leaves out examples of which the merged model is surer.",
    filter: "confidence")

  static let rounds = LearningParameters.rounds(500)
  static let batchSize = LearningParameters.batchSize(32)
  static let rate = LearningParameters.rate(1e-2)
  static let headRate = Parameter<Double>(
    "head_lr", default: 1e-2, in: .atLeast(0),
    "The step size of heads and tinted layers; 0 leaves them as they are.")
  static let targets = Parameter<String>(
    "targets", default: "labels", of: ["labels", "distribution"],
    "Fit to the experts' answers as labels, or to their probabilities.")
  static let topShare = Parameter<Double>(
    "top_share", default: 0.5, in: .above(0),
    "The share of a batch that takes part, for filter: top.")
  static let tinted = Parameter<String>(
    "tinted", default: "",
    "Part of the names of tensors that each task has of its own; empty for its head alone.")

  /// The description of the method.
  public let info: MethodInfo
  private let filter: Parameter<String>

  private init(
    _ name: String, aliases: [String] = [], title: String, summary: String, filter: String
  ) {
    self.filter = Parameter(
      "filter", default: filter, of: ["none", "confidence", "top"],
      "Which examples take part: all, those on which both agree or the expert is surer, or the surest."
    )
    info = MethodInfo(
      name: name, aliases: aliases, title: title, summary: summary,
      formula: "θ = θ₀ + Σ λₗₜ τₗₜ;  λ and heads minimise Σₜ CE(headₜ(θ; x), expertₜ(x))",
      source: "Model Tinting and SyMerge, 2024", link: "https://arxiv.org/abs/2412.19098",
      base: .required, models: 1...Int.max, streaming: .model, isRandom: true, learns: true,
      makesParts: true,
      parameters: [
        Self.rounds, Self.batchSize, Self.rate, Self.headRate, Self.targets, self.filter,
        Self.topShare, Self.tinted,
      ] + LearningParameters.all,
      presets: [
        .init(
          "soft", [("targets", .text("distribution")), ("rounds", .number(60))],
          "Sixty rounds with the experts' probabilities.")
      ])
  }

  /// How the fit goes.
  public func fitSettings(
    _ parameters: ResolvedParameters, _ options: MergeOptions
  ) -> FitSettings {
    let objective: FitObjective
    if parameters[Self.targets] == "distribution" {
      objective = .expertDistribution(temperature: 1)
    } else {
      switch parameters[filter] {
      case "confidence": objective = .expertLabels(.confidence)
      case "top": objective = .expertLabels(.top(parameters[Self.topShare]))
      default: objective = .expertLabels(.none)
      }
    }
    var settings = FitSettings(objective)
    settings.rounds = parameters[Self.rounds]
    settings.batchSize = parameters[Self.batchSize]
    settings.headRate = parameters[Self.headRate] > 0 ? parameters[Self.headRate] : nil
    settings.tintedTensors = parameters[Self.tinted].isEmpty ? [] : [parameters[Self.tinted]]
    settings.seed = options.seed
    return settings
  }

  /// How coefficients move.
  public func coefficientSettings(_ parameters: ResolvedParameters) -> CoefficientSettings {
    LearningParameters.coefficients(parameters, rate: Self.rate)
  }

  /// A filter needs labels as targets, and a share at most one.
  public func objection(to parameters: ResolvedParameters, modelCount: Int) -> String? {
    if parameters[Self.targets] == "distribution", parameters[filter] == "top" {
      return "filter: top chooses examples by labels; it needs targets: labels"
    }
    return parameters[Self.topShare] > 1 ? "top_share must be at most 1" : nil
  }
}
