internal import SystemPackage
internal import TinctureCheckpoints
internal import TinctureEvaluation
internal import TinctureFitting
public import TinctureMerging
internal import TinctureNetworks
public import TinctureTensors

/// WEMoE: a weight-ensembling mixture of experts, whose perceptrons are merged anew for every input.
///
/// Tensors outside of perceptrons are θ₀ + λ Σ τₜ. The perceptron of a block is θ₀ + Σ wₜ τₜ with
/// w = mean over tokens of W₂ relu(W₁ x + b₁) + b₂ of what goes into it, without a softmax. The routers learn
/// by the entropy of the model's answers to examples without labels; while they do, a batch shares the mean of its
/// weights. E-WEMoE (`preset: efficient`) keeps the largest tenth of each task vector of a perceptron and has
/// one router for all blocks. The checkpoint holds the perceptrons of the base; what is added to them is in
/// `mixture.safetensors`. Shapes: vision transformers and CLIP's encoder of images, with heads.
/// Source: Tang et al., arXiv:2402.00433 and arXiv:2410.21804.
public struct WeMoe: MergeMethod {
  static let rounds = LearningParameters.rounds(1000, name: "steps")
  static let batchSize = LearningParameters.batchSize(16)
  static let rate = Parameter<Double>(
    "lr", default: 1e-4, in: .atLeast(0), "The step size of routers.")
  static let scale = Parameter<Double>(
    "lambda", default: 0.3, "The scale of the task vectors outside of perceptrons.")
  static let start = Parameter<Double>(
    "init", default: 0.3, "With what every task vector of a perceptron is mixed at first.")
  static let density = Parameter<Double>(
    "density", default: 1, in: .fraction,
    "The share of each task vector of a perceptron that is kept, the largest elements.")
  static let sharedRouter = Parameter<Bool>(
    "shared_router", default: false, "Have one router for all blocks in place of one for each.")
  static let dtype = Parameter<String>(
    "expert_dtype", default: "float16", of: ["float16", "bfloat16", "float32"],
    "The type in which task vectors of perceptrons are stored.")
  /// How many examples of each task tell its mean weights.
  static let meanSamples = 256

  /// The description of the method.
  public let info = MethodInfo(
    name: "we_moe", aliases: ["wemoe", "weight_ensembling_moe"], title: "WEMoE",
    summary: "Merges perceptrons anew for every input by routers that make the model sure.",
    formula: "θ = θ₀ + λ Σ τₜ;  in perceptrons θ(x) = θ₀ + Σ wₜ(x) τₜ;  w minimise Σ H(p)",
    source: "Tang et al. 2024, Weight-Ensembling Mixture of Experts",
    link: "https://arxiv.org/abs/2402.00433",
    base: .required, models: 2...Int.max, streaming: .model, isRandom: true, learns: true,
    makesParts: true,
    parameters: [
      rounds, batchSize, rate, scale, start, density, sharedRouter, dtype,
    ],
    presets: [
      .init(
        "efficient", [("density", .number(0.1)), ("shared_router", .bool(true))],
        "E-WEMoE: a tenth of the task vectors, and one router for all blocks.")
    ])

  /// What `prepare` leaves: λ, the tensors of perceptrons, and files for the output.
  public struct State: Sendable {
    let scale: Float
    let perceptrons: Set<String>
    let sidecars: [MergePlan.Sidecar]
  }

  /// Creates the method.
  public init() {}

  /// Steps may be cut anywhere.
  public func isElementwise(_ parameters: ResolvedParameters) -> Bool { true }

  /// Needs LibTorch.
  public func requireFacilities() throws(TinctureError) { try Learning.requireEngine() }

  /// Something must be kept.
  public func objection(to parameters: ResolvedParameters, modelCount: Int) -> String? {
    parameters[Self.density] > 0 ? nil : "density must be above 0"
  }

  /// Checks models, tasks, data, heads and network against each other.
  public func check(_ plan: MergePlan) throws(TinctureError) {
    let problem = try Learning.check(plan, info, needsLabels: false)
    _ = try network(problem)
  }

  private func network(
    _ problem: LearningProblem
  ) throws(TinctureError) -> any PerceptronNetwork {
    guard let network = problem.network as? any PerceptronNetwork else {
      throw TinctureError(
        .recipe,
        "we_moe mixes the perceptrons of a vision transformer or of CLIP's encoder of images; the suite has another"
          + " network.", at: .init(file: problem.suite.file.string))
    }
    return network
  }

  /// Learns the routers.
  public func prepare(_ session: MergeSession) async throws(TinctureError) -> State {
    let parameters = session.steps.first?.parameters ?? .init()
    let problem = try LearningProblem(
      steps: session.steps, copies: session.copies, options: session.options)
    let vectors = try problem.vectors(
      memoryLimit: session.memoryLimit, workers: session.workers)
    let merge = try PerceptronMerge(
      vectors, of: network(problem), perceptronSettings(parameters, session.options),
      on: problem.device)
    var settings = FitSettings(.entropy)
    settings.rounds = parameters[Self.rounds]
    settings.batchSize = parameters[Self.batchSize]
    settings.stepsByTask = false
    settings.seed = session.options.seed
    let outcome = try Learning.run(problem, vectors, merge, settings, session)
    var writer = MixtureWriter(
      method: info.name, routing: .perceptrons, tasks: problem.suite.tasks.map(\.name))
    try merge.add(to: &writer, Learning.dtype(parameters[Self.dtype]))
    let means = try merge.meanWeights(problem, limit: Self.meanSamples, session.interruption)
    writer.setMeans(means, moduleCount: merge.perceptrons.count)
    let mixture = MergePlan.Sidecar(path: Mixture.fileName, contents: writer.encoded())
    return State(
      scale: Float(parameters[Self.scale]),
      perceptrons: Set(merge.perceptrons.flatMap { $0.parameters.map(\.name) }),
      sidecars: FitLog(outcome.history, method: info.name).sidecars + [mixture])
  }

  private func perceptronSettings(
    _ parameters: ResolvedParameters, _ options: MergeOptions
  ) -> PerceptronSettings {
    var settings = PerceptronSettings()
    settings.scale = Float(parameters[Self.scale])
    settings.start = Float(parameters[Self.start])
    settings.density = parameters[Self.density]
    settings.sharesRouter = parameters[Self.sharedRouter]
    settings.rate = parameters[Self.rate]
    settings.seed = options.seed
    return settings
  }

  /// Makes one tensor: the base's in perceptrons, else the sum.
  public func merge(_ inputs: MergeInputs, state: State) throws(TinctureError) {
    let isMixed = state.perceptrons.contains(inputs.step.name)
    try Learning.addTaskVectors(inputs, times: isMixed ? 0 : state.scale)
  }

  /// The mixture, and the log of the fit.
  public func sidecars(_ state: State) throws(TinctureError) -> [MergePlan.Sidecar] {
    state.sidecars
  }
}
