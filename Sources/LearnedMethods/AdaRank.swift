internal import TinctureFitting
internal import TinctureMergeMethods
public import TinctureMerging
public import TinctureTensors

/// AdaRank: learns which singular directions of every task vector take part, and how much of it.
///
/// For matrices in layers W = O + Σₜ λₜ Uₜ diag(bₜ ∘ σₜ) Vₜ with the decomposition of the task vector Δₜ; other tensors are
/// O + Σₜ λₜ Δₜ. b is 1 where p = sigmoid(x / 10) exceeds ½, else 0, with the derivative of p; x begins at 0.1 for the first
/// ⌊ρ min(m, n)⌋ directions and at −0.1 for the others. λ, by tensor and task and without bounds, and x minimise
/// Σₜ H(softmax(headₜ(W; examples))) by Adam, without labels. The origin O is the base, or (`origin: mean`, CART) the
/// mean of the experts, to which differences are then taken. What is learned last is merged: the published code keeps the
/// step with the best accuracy on labelled test examples. Costs: T decompositions once, their factors in memory, and two
/// products of matrices for each task and tensor in every step. Source: Lee et al., arXiv:2503.22178.
public struct AdaRank: ModelLearningMethod {
  static let origin = Parameter<String>(
    "origin", default: "base", of: ["base", "mean"],
    "What task vectors are differences to and are added to: the base, or the mean of the experts.")
  static let share = Parameter<Double>(
    "rank_fraction", default: 1, in: .fraction,
    "ρ, the share of a matrix's singular directions that take part at first.")
  static let isSoft = Parameter<Bool>(
    "soft", default: false, "Let directions take part by degrees, without a threshold.")
  static let rounds = LearningParameters.rounds(10_000, name: "steps")
  static let batchSize = LearningParameters.batchSize(16)
  static let rate = Parameter<Double>(
    "lr", default: 1e-3, in: .atLeast(0), "The step size of coefficients and directions.")

  /// The description of the method.
  public let info = MethodInfo(
    name: "adarank", title: "AdaRank",
    summary: "Learns which singular directions of task vectors make the merged model sure.",
    formula:
      "W = O + Σₜ λₜ Uₜ diag(bₜ ∘ σₜ) Vₜ, b = [sigmoid(x / 10) > ½];  λ and x minimise Σₜ H(softmax(headₜ(W)))",
    source: "Lee et al. 2025, AdaRank", link: "https://arxiv.org/abs/2503.22178",
    base: .required, models: 1...Int.max, streaming: .model, isRandom: true, learns: true,
    parameters: [origin, LearningParameters.start, share, isSoft, rounds, batchSize, rate],
    presets: [
      .init(
        "cart",
        [("origin", .text("mean")), ("init", .number(2.3)), ("rank_fraction", .number(0.16))],
        "From the mean of the experts, for eight tasks."),
      .init("twenty_tasks", [("init", .number(0.05))], "From the base, for twenty tasks."),
    ])

  /// Creates the method.
  public init() {}

  /// Needs LibTorch, BLAS and LAPACK.
  public func requireFacilities() throws(TinctureError) {
    try Learning.requireEngine()
    try TsvM().requireFacilities()
  }

  /// Learns.
  public func prepare(_ session: MergeSession) async throws(TinctureError) -> State {
    let parameters = session.steps.first?.parameters ?? .init()
    let problem = try LearningProblem(
      steps: session.steps, copies: session.copies, options: session.options)
    let vectors = try problem.vectors(
      memoryLimit: session.memoryLimit, workers: session.workers)
    var ranks = RankSettings()
    ranks.start = Float(parameters[LearningParameters.start])
    ranks.openShare = parameters[Self.share]
    ranks.isCentered = parameters[Self.origin] == "mean"
    ranks.isSoft = parameters[Self.isSoft]
    ranks.rate = parameters[Self.rate]
    let merge = try RankedMerge(vectors, ranks, on: problem.device)
    var settings = FitSettings(.entropy)
    (settings.rounds, settings.batchSize) = (parameters[Self.rounds], parameters[Self.batchSize])
    (settings.stepsByTask, settings.seed) = (false, session.options.seed)
    let outcome = try Learning.run(problem, vectors, merge, settings, session)
    let readers = try MergedModel.readers(vectors, in: LearnedModel.file(session)) {
      (index) throws(TinctureError) in try merge.finished(index)
    }
    let log = FitLog(
      outcome.history, method: info.name, vectors.tensors, merge.table,
      notes: [(name: "share of singular directions that take part", value: merge.openShare)])
    // Centred task vectors with one coefficient cancel each other: what remains is the mean.
    let count = vectors.taskCount
    let fallback = ranks.isCentered ? 1 / Float(max(1, count)) : ranks.start
    return State(
      readers: readers, fallback: Array(repeating: fallback, count: count),
      sidecars: log.sidecars)
  }
}
