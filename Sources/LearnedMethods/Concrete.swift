internal import TinctureFitting
internal import TinctureMergeMethods
public import TinctureMerging
public import TinctureTensors

/// Concrete subspace learning: learns a mask over all elements, common to all tasks, that leaves merged what helps.
///
/// θ = θ₀ + m ∘ Σ λ τ with s = σ((ln u − ln(1 − u) + x) / T), u uniform in (0, 1) and drawn anew in every step, and
/// m = s / mean(s) for each tensor. x, one number for each element, begins at 0 and minimises
/// Σₜ H(softmax(headₜ(θ; examples))) by Adam, without labels. With `mode: adamerging` each step has two halves with the same
/// mask: the coefficients, which begin anew in every step, do one step of Adam with `inner_lr`, and x learns with what they
/// became; after the last step a mask is drawn, and AdaMerging learns the coefficients of the masked task vectors. With
/// `mode: tsv_m` TSV-M's merged task vector stands for Σ τ. FusionBench takes the derivative of the first half at the
/// coefficients of the step before; here it is taken where they begin. Costs: the base, Σ λ τ, x and its two moments, and
/// the derivative, each as large as the model. Source: Tang et al., arXiv:2312.06173.
public struct Concrete: ModelLearningMethod {
  static let mode = Parameter<String>(
    "mode", default: "task_arithmetic", of: ["task_arithmetic", "adamerging", "tsv_m"],
    "What is masked: the sum of task vectors with fixed coefficients, with learned ones, or TSV-M's."
  )
  static let scale = Parameter<Double>(
    "lambda", default: 0.3, "The coefficient of task vectors, or with which they begin.")
  static let rounds = LearningParameters.rounds(2000, name: "steps")
  static let batchSize = LearningParameters.batchSize(16)
  static let rate = Parameter<Double>(
    "lr", default: 1e-3, in: .atLeast(0), "The step size of the mask.")
  static let decay = Parameter<Double>(
    "weight_decay", default: 0, in: .atLeast(0), "The decay of AdamW; 0 is Adam.")
  static let temperature = Parameter<Double>(
    "temperature", default: 0.5, in: .above(0), "T; the lower, the nearer masks are to 0 and 1.")
  static let innerRate = Parameter<Double>(
    "inner_lr", default: 1, in: .atLeast(0),
    "The step size of coefficients within a step of the mask, for mode: adamerging.")
  static let mergeSteps = Parameter<Int>(
    "merge_steps", default: 1000, in: .between(1, 1e7),
    "The steps of coefficients after the mask was learned, for mode: adamerging.")
  static let mergeRate = Parameter<Double>(
    "merge_lr", default: 1e-3, in: .atLeast(0),
    "The step size of coefficients after the mask was learned, for mode: adamerging.")
  static let clamp = Parameter<Bool>(
    "clamp", default: false, "Keep coefficients between 0 and 1; without it they are free.")
  static let isDeterministic = Parameter<Bool>(
    "deterministic", default: false,
    "Merge with σ(x / T) in the end, in place of a mask that is drawn as in learning.")

  /// The description of the method.
  public let info = MethodInfo(
    name: "concrete", aliases: ["concrete_subspace"], title: "Concrete subspace learning",
    summary: "Learns a mask over all elements that makes the merged model sure of its answers.",
    formula:
      "θ = θ₀ + m ∘ Σ λ τₜ, m = s / mean(s), s = σ((logit u + x) / T);  x minimises Σₜ H(softmax(headₜ(θ)))",
    source: "Tang et al. 2023, Concrete Subspace Learning",
    link: "https://arxiv.org/abs/2312.06173", base: .required, models: 1...Int.max,
    streaming: .model, isRandom: true, learns: true,
    parameters: [
      mode, scale, rounds, batchSize, rate, decay, temperature, isDeterministic,
      LearningParameters.granularity, LearningParameters.chunks, clamp, innerRate, mergeSteps,
      mergeRate,
    ],
    presets: [
      .init(
        "adamerging_layer_wise", [("mode", .text("adamerging")), ("steps", .number(1000))],
        "With AdaMerging's coefficients by tensor."),
      .init(
        "adamerging_task_wise",
        [
          ("mode", .text("adamerging")), ("steps", .number(1000)),
          ("granularity", .text("task_wise")),
        ], "With AdaMerging's coefficients by task."),
      .init(
        "tsv_m",
        [("mode", .text("tsv_m")), ("lambda", .number(1)), ("weight_decay", .number(0.01))],
        "TSV-M's merged task vector, with AdamW."),
    ])

  /// Creates the method.
  public init() {}

  /// With `mode: tsv_m` BLAS and LAPACK are needed, too.
  public func check(_ plan: MergePlan) throws(TinctureError) {
    try Learning.check(plan, info, needsLabels: false)
    if plan.steps.contains(where: { $0.parameters[Self.mode] == "tsv_m" }) {
      try TsvM().requireFacilities()
    }
  }

  /// Learns the mask, and the coefficients where they are to be learned.
  public func prepare(_ session: MergeSession) async throws(TinctureError) -> State {
    let parameters = session.steps.first?.parameters ?? .init()
    let mode = parameters[Self.mode]
    let problem = try LearningProblem(
      steps: session.steps, copies: session.copies, options: session.options)
    let vectors = try problem.vectors(
      memoryLimit: session.memoryLimit, workers: session.workers)
    var mask = MaskSettings()
    mask.temperature = parameters[Self.temperature]
    (mask.rate, mask.decay) = (parameters[Self.rate], parameters[Self.decay])
    mask.coefficients = coefficients(parameters)
    mask.innerRate = mode == "adamerging" ? parameters[Self.innerRate] : nil
    mask.seed = session.options.seed
    let merge: ConcreteMerge
    if mode == "tsv_m" {
      merge = try ConcreteMerge(vectors, mask, on: problem.device) {
        (index) throws(TinctureError) in try TsvM.taskVector(of: vectors, index)
      }
    } else {
      merge = try ConcreteMerge(vectors, mask, on: problem.device)
    }
    var settings = FitSettings(.entropy)
    // A step of the mask and one of the coefficients take a round each.
    settings.rounds = parameters[Self.rounds] * (mode == "adamerging" ? 2 : 1)
    (settings.batchSize, settings.stepsByTask) = (parameters[Self.batchSize], false)
    settings.seed = session.options.seed
    let outcome = try Learning.run(problem, vectors, merge, settings, session)
    let (masks, share) = try merge.finished(isRandom: !parameters[Self.isDeterministic])
    let notes = [(name: "share of elements that the mask favours", value: share)]
    guard mode == "adamerging" else {
      let readers = try MergedModel.readers(vectors, in: LearnedModel.file(session)) {
        (index) throws(TinctureError) in try merge.merged(index, masks[index])
      }
      let log = FitLog(outcome.history, method: info.name, notes: notes)
      let scale = Float(parameters[Self.scale]) / (mode == "tsv_m" ? Float(vectors.taskCount) : 1)
      return State(
        readers: readers, fallback: Array(repeating: scale, count: vectors.taskCount),
        sidecars: log.sidecars)
    }
    let masked = try problem.vectors(
      memoryLimit: session.memoryLimit, workers: session.workers,
      change: MaskChange(masks, of: vectors.tensors))
    let second = CoefficientMerge(masked, coefficients(parameters), on: problem.device)
    settings.rounds = parameters[Self.mergeSteps]
    _ = try Learning.run(problem, masked, second, settings, session, snapshot: "coefficients")
    let table = second.table
    let readers = try MergedModel.readers(masked, in: LearnedModel.file(session)) {
      (index) throws(TinctureError) in try masked.merged(index, table)
    }
    let log = FitLog(
      outcome.history, method: info.name, vectors.tensors, table, notes: notes)
    return State(
      readers: readers, fallback: table.coefficientsOfOthers, sidecars: log.sidecars)
  }

  private func coefficients(_ parameters: ResolvedParameters) -> CoefficientSettings {
    var settings = LearningParameters.coefficients(
      parameters, rate: Self.mergeRate, start: Self.scale)
    if parameters[Self.mode] != "adamerging" {
      (settings.granularity, settings.link) = (.task, .identity)
    }
    return settings
  }
}
