public import TinctureFitting
internal import TinctureMergeMethods
public import TinctureMerging
public import TinctureTensors

/// AdaMerging: learns coefficients of task vectors that make the merged model sure of its answers.
///
/// λ minimises Σₜ H(softmax(headₜ(θ; x))), H(p) = −Σ p ln p, over examples without labels; every round is one Adam
/// step by the sum over the tasks, with two batches of 16 for each, whose means are added. Task-wise there is one
/// coefficient for each task, layer-wise one for each tensor and task. AdaMerging++ learns them for task vectors
/// that TIES has trimmed to their largest fifth and freed of what disagrees in sign. Heads stay as they are.
/// Source: Yang et al., arXiv:2310.02575.
public struct AdaMerging: CoefficientMethod {
  static let rounds = LearningParameters.rounds(500, name: "steps")
  static let batchSize = LearningParameters.batchSize(16)
  static let batches = Parameter<Int>(
    "batches", default: 2, in: .between(1, 1000),
    "Batches of a task in a round; their losses are added.")
  static let rate = LearningParameters.rate(1e-3)
  static let sequential = Parameter<Bool>(
    "sequential", default: false, "Step after every task in place of once a round.")
  static let preprocess = Parameter<String>(
    "preprocess", default: "none", of: ["none", "ties"],
    "Learn for task vectors as they are, or for what TIES leaves of them (AdaMerging++).")
  static let density = Parameter<Double>(
    "density", default: 0.2, in: .fraction, "The fraction of each task vector that TIES leaves.")

  /// The description of the method.
  public let info = MethodInfo(
    name: "adamerging", aliases: ["adamerging_layerwise"], title: "AdaMerging",
    summary: "Learns coefficients that make the merged model sure of its answers.",
    formula: "θ = θ₀ + Σ λₗₜ τₗₜ;  λ minimises Σₜ H(softmax(headₜ(θ; x)))",
    source: "Yang et al. 2023, AdaMerging", link: "https://arxiv.org/abs/2310.02575",
    base: .required, models: 1...Int.max, streaming: .model, isRandom: true, learns: true,
    parameters: [
      rounds, batchSize, batches, rate, sequential, preprocess, density,
    ] + LearningParameters.all,
    presets: [
      .init(
        "task_wise", [("granularity", .text("task_wise"))], "One coefficient for each task."),
      .init("plus_plus", [("preprocess", .text("ties"))], "AdaMerging++, layer-wise."),
      .init(
        "task_wise_plus_plus",
        [("granularity", .text("task_wise")), ("preprocess", .text("ties"))],
        "AdaMerging++, task-wise."),
      .init(
        "fusion_bench",
        [("batches", .number(1)), ("steps", .number(1000)), ("clamp", .bool(false))],
        "FusionBench: one batch for each task, 1000 steps, coefficients without bounds."),
    ])

  /// Creates the method.
  public init() {}

  /// How the fit goes.
  public func fitSettings(
    _ parameters: ResolvedParameters, _ options: MergeOptions
  ) -> FitSettings {
    var settings = FitSettings(.entropy)
    settings.rounds = parameters[Self.rounds]
    // The sum of the means of batches is the mean over all of them, times their number.
    settings.batchSize = parameters[Self.batchSize] * parameters[Self.batches]
    settings.lossScale = Double(parameters[Self.batches])
    settings.stepsByTask = parameters[Self.sequential]
    settings.seed = options.seed
    return settings
  }

  /// How coefficients move.
  public func coefficientSettings(_ parameters: ResolvedParameters) -> CoefficientSettings {
    LearningParameters.coefficients(parameters, rate: Self.rate)
  }

  /// The task vectors of AdaMerging++ are.
  public func changesVectors(_ parameters: ResolvedParameters) -> Bool {
    parameters[Self.preprocess] == "ties"
  }

  /// TIES' trimming and election for AdaMerging++.
  public func change(
    _ session: MergeSession, _ parameters: ResolvedParameters
  ) async throws(TinctureError) -> (any TaskVectorChange)? {
    guard changesVectors(parameters) else { return nil }
    return TiesChange(
      selection: try await TiesSelection(session, density: parameters[Self.density]))
  }
}

/// What TIES does to task vectors before it adds them.
struct TiesChange: TaskVectorChange {
  let selection: TiesSelection

  func apply(
    to block: inout ElementBlock, _ scratch: inout MutableSpan<Float>, of tensor: String
  ) { selection.apply(to: &block, &scratch) }
}
