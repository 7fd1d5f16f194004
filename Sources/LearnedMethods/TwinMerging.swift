internal import SystemPackage
internal import TinctureCheckpoints
internal import TinctureEvaluation
internal import TinctureFitting
internal import TinctureLinearAlgebra
public import TinctureMerging
internal import TinctureNetworks
public import TinctureTensors

/// Twin-Merging: a shared expert, what each expert has beside it in small form, and a router that mixes both for every
/// input.
///
/// The shared expert is θ* = θ₀ + λ Σ τₜ, and vₜ = θₜ − θ* is compressed: the largest singular values of each matrix,
/// the largest elements, or random ones. A router, a perceptron of three layers with normalisation over the
/// batch, learns to tell the task from the features of the shared expert. For an input x the model is
/// θ* + Σ aₜ vₜ with a = softmax(router(features(x))). Biases have no exclusive part unless `biases` asks for one; vectors
/// and other tensors that are no matrices stay whole. Labels are never read; the tasks' examples are.
/// Shapes: any encoder of images or texts with heads. Source: Lu et al., arXiv:2406.15479.
public struct TwinMerging: MergeMethod {
  static let scale = Parameter<Double>(
    "lambda", default: 0.3, "The scale of the task vectors in the shared expert.")
  static let compression = Parameter<String>(
    "compression", default: "svd", of: ExpertCompression.Kind.allCases.map(\.rawValue),
    "What is kept of exclusive experts: the largest singular values, the largest elements, random ones, or all."
  )
  static let maskRate = Parameter<Double>(
    "mask_rate", default: 0.9, in: .between(0, 1),
    "The share of exclusive experts that is left out."
  )
  static let biases = Parameter<Bool>(
    "biases", default: false, "Give exclusive experts biases, too.")
  static let dtype = Parameter<String>(
    "expert_dtype", default: "float16", of: ["float16", "bfloat16", "float32"],
    "The type in which exclusive experts are stored.")
  static let epochs = Parameter<Int>(
    "epochs", default: 50, in: .between(1, 1e6), "How often the router sees all examples.")
  static let batchSize = Parameter<Int>(
    "batch_size", default: 1024, in: .between(2, 1e6),
    "Examples of all tasks together in a step of the router.")
  static let rate = Parameter<Double>(
    "lr", default: 5e-4, in: .atLeast(0), "The step size of the router.")
  static let hidden = Parameter<Int>(
    "hidden", default: 0, in: .between(0, 1e5),
    "The numbers between the router's layers; 0 is twice those of a feature.")
  static let dropout = Parameter<Double>(
    "dropout", default: 0.5, in: .fraction,
    "The share of numbers that is dropped after the router's layers while it learns.")
  static let activation = Parameter<String>(
    "activation", default: "leaky_relu", of: TaskRouter.Function.allCases.map(\.rawValue),
    "The function between the router's layers.")
  static let samples = Parameter<Int>(
    "samples", default: 5500, in: .between(1, 1e9),
    "How many examples of each task the router learns from at most.")

  /// The description of the method.
  public let info = MethodInfo(
    name: "twin_merging", aliases: ["twin"], title: "Twin-Merging",
    summary: "Adds small exclusive experts to a shared one for every input, as a router says.",
    formula: "θ* = θ₀ + λ Σ τₜ;  vₜ ≈ θₜ − θ*;  θ(x) = θ* + Σ aₜ vₜ,  a = softmax(router(θ*; x))",
    source: "Lu et al. 2024, Twin-Merging", link: "https://arxiv.org/abs/2406.15479",
    base: .required, models: 2...Int.max, streaming: .model, isRandom: true, learns: true,
    makesParts: true,
    parameters: [
      scale, compression, maskRate, biases, dtype, epochs, batchSize, rate, hidden, dropout,
      activation, samples,
    ],
    presets: [
      .init("roberta", [("lambda", .number(0.29))], "The scale for RoBERTa on GLUE."),
      .init(
        "code",
        [("hidden", .number(1024)), ("activation", .text("relu"))],
        "The router of the authors' code: 1024 numbers between layers, and ReLU."),
    ])

  /// What `prepare` leaves: λ, and files for the output.
  public struct State: Sendable {
    let scale: Float
    let sidecars: [MergePlan.Sidecar]
  }

  /// Creates the method.
  public init() {}

  /// Steps may be cut anywhere.
  public func isElementwise(_ parameters: ResolvedParameters) -> Bool { true }

  /// Needs LibTorch.
  public func requireFacilities() throws(TinctureError) { try Learning.requireEngine() }

  /// A share of one leaves nothing, and dropping everything teaches nothing.
  public func objection(to parameters: ResolvedParameters, modelCount: Int) -> String? {
    if parameters[Self.maskRate] >= 1, parameters[Self.compression] != "none" {
      return "mask_rate must be below 1"
    }
    return parameters[Self.dropout] >= 1 ? "dropout must be below 1" : nil
  }

  /// Checks models, tasks, data, heads and network against each other.
  public func check(_ plan: MergePlan) throws(TinctureError) {
    let problem = try Learning.check(plan, info, needsLabels: false)
    guard problem.network is any ImageEncoder || problem.network is any TextEncoder else {
      throw TinctureError(
        .recipe,
        "twin_merging looks at features: it needs a suite with an encoder of images or texts and heads.",
        at: .init(file: problem.suite.file.string))
    }
    let parameters = plan.steps.first?.parameters ?? .init()
    if parameters[Self.compression] == "svd" { _ = try Backend.shared }
  }

  /// Makes the shared expert, compresses the exclusive ones, and learns the router.
  public func prepare(_ session: MergeSession) async throws(TinctureError) -> State {
    let parameters = session.steps.first?.parameters ?? .init()
    let problem = try LearningProblem(
      steps: session.steps, copies: session.copies, options: session.options)
    let scale = Float(parameters[Self.scale])
    let vectors = try problem.vectors(
      memoryLimit: session.memoryLimit, workers: session.workers)
    let experts = try ExclusiveExperts(
      vectors, scale: scale, dtypes: problem.steps.map(\.dtype))
    var shared = try problem.constantTensors()
    shared.merge(try experts.parameters(on: problem.device)) { $1 }
    var fit = TaskRouterFit(problem, routerSettings(parameters, session.options))
    fit.interruption = session.interruption
    fit.snapshotPath = session.scratch?.appending("fit.safetensors")
    let outcome = try fit.run(shared) { Learning.report($0, session) }
    var writer = MixtureWriter(
      method: info.name, routing: .features, tasks: problem.suite.tasks.map(\.name))
    try experts.add(
      to: &writer, compression(parameters, session.options),
      takesBiases: parameters[Self.biases])
    writer.addRouter([], outcome.tensors)
    writer.setMeans(outcome.means, moduleCount: 1)
    writer.settings["activation"] = parameters[Self.activation]
    let mixture = MergePlan.Sidecar(path: Mixture.fileName, contents: writer.encoded())
    return State(
      scale: scale,
      sidecars: FitLog(outcome.history, method: info.name).sidecars + [mixture])
  }

  private func routerSettings(
    _ parameters: ResolvedParameters, _ options: MergeOptions
  ) -> TaskRouterSettings {
    var settings = TaskRouterSettings()
    settings.epochs = parameters[Self.epochs]
    settings.batchSize = parameters[Self.batchSize]
    settings.rate = parameters[Self.rate]
    settings.hidden = parameters[Self.hidden] == 0 ? nil : parameters[Self.hidden]
    settings.dropout = parameters[Self.dropout]
    settings.function = TaskRouter.Function(rawValue: parameters[Self.activation]) ?? .leakyRelu
    settings.samples = parameters[Self.samples]
    settings.seed = options.seed
    return settings
  }

  private func compression(
    _ parameters: ResolvedParameters, _ options: MergeOptions
  ) -> ExpertCompression {
    let kind = ExpertCompression.Kind(rawValue: parameters[Self.compression]) ?? .singularValues
    return ExpertCompression(
      kind, keeping: 1 - parameters[Self.maskRate], dtype: Learning.dtype(parameters[Self.dtype]),
      seed: options.seed)
  }

  /// Makes one tensor of the shared expert.
  public func merge(_ inputs: MergeInputs, state: State) throws(TinctureError) {
    try Learning.addTaskVectors(inputs, times: state.scale)
  }

  /// The mixture, and the log of the router.
  public func sidecars(_ state: State) throws(TinctureError) -> [MergePlan.Sidecar] {
    state.sidecars
  }
}
