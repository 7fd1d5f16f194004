public import TinctureCheckpoints
public import TinctureMergeMethods
public import TinctureMerging
internal import TinctureRecipes
public import TinctureTensors

/// Compares the task vectors of models of one base, tensor by tensor.
///
/// ```swift
/// let tensors = try await ComparisonJob(base: "base", models: ["a", "b"]).run()
/// let summary = ComparisonSummary(tensors, modelCount: 2)
/// ```
public struct ComparisonJob: Sendable {
  /// The base, as recipes name models.
  public var base: String
  /// The models, in order.
  public var models: [String]
  /// Whether singular values are found, which needs BLAS.
  public var findsSpectra: Bool
  /// How many singular directions are compared.
  public var rank: Int
  /// Magnitudes; elements of task vectors up to each of them are counted.
  public var thresholds: [Float]
  /// Only tensors whose name contains this.
  public var filter: String?
  /// Workers and memory.
  public var engine: MergeEngine
  /// Finds models.
  public var locator: ModelLocator

  /// Creates a job.
  public init(
    base: String, models: [String], findsSpectra: Bool = true, rank: Int = 16,
    thresholds: [Float] = [0, 1e-5, 1e-4, 1e-3, 1e-2], filter: String? = nil,
    engine: MergeEngine? = nil, locator: ModelLocator = ModelLocator()
  ) {
    self.thresholds = thresholds
    self.base = base
    self.models = models
    self.findsSpectra = findsSpectra
    self.rank = rank
    self.filter = filter
    self.engine = engine ?? MergeEngine(workers: 2, memoryLimit: 512 << 20)
    self.locator = locator
  }

  /// Opens the models and decides which tensors are compared: those that all models have.
  ///
  /// - Returns: The plan; its notes say what is left out.
  /// - Throws: What a merge's plan throws.
  public func plan() throws(TinctureError) -> MergePlan {
    let recipe = try Recipe(
      CommandLineRecipe(
        method: "diff", base: base, models: models,
        settings: ["spectra=\(findsSpectra)", "rank=\(rank)"]))
    return try surveyPlan(
      recipe, method: ModelComparison(findsSpectra: findsSpectra), filter: filter,
      locator: locator)
  }

  /// Compares the models.
  ///
  /// - Parameters:
  ///   - plan: The plan; nil makes it.
  ///   - interruption: Stops the comparison when raised.
  ///   - observer: Hears when a tensor is done, from any worker.
  /// - Returns: One comparison for each tensor, in the order of a forward pass.
  /// - Throws: What planning throws, `io` when reading fails, `checkpoint` for an element that is not
  ///   finite.
  public func run(
    _ plan: MergePlan? = nil, interruption: Interruption = Interruption(),
    observer: (@Sendable (MergeEvent) -> Void)? = nil
  ) async throws(TinctureError) -> [TensorComparison] {
    var wanted = plan
    if wanted == nil { wanted = try self.plan() }
    guard let wanted else { return [] }
    let thresholds = thresholds
    return try await engine.survey(wanted, interruption: interruption, observer: observer) {
      (inputs) throws(TinctureError) in
      try ModelComparison.find(inputs, thresholds: thresholds)
    }
  }
}

/// Finds the singular values of a model's matrices.
public struct SpectrumJob: Sendable {
  /// The model, as recipes name models.
  public var model: String
  /// Only tensors whose name contains this.
  public var filter: String?
  /// Workers and memory.
  public var engine: MergeEngine
  /// Finds models.
  public var locator: ModelLocator

  /// Creates a job.
  public init(
    model: String, filter: String? = nil, engine: MergeEngine? = nil,
    locator: ModelLocator = ModelLocator()
  ) {
    self.model = model
    self.filter = filter
    self.engine = engine ?? MergeEngine(workers: 2, memoryLimit: 512 << 20)
    self.locator = locator
  }

  /// Opens the model and lists its tensors.
  ///
  /// - Returns: The plan.
  /// - Throws: What a merge's plan throws.
  public func plan() throws(TinctureError) -> MergePlan {
    let recipe = try Recipe(CommandLineRecipe(method: "spectra", models: [model]))
    return try surveyPlan(recipe, method: SpectrumSurvey(), filter: filter, locator: locator)
  }

  /// Finds the singular values.
  ///
  /// - Parameters:
  ///   - plan: The plan; nil makes it.
  ///   - interruption: Stops when raised.
  ///   - observer: Hears when a tensor is done, from any worker.
  /// - Returns: One finding for each tensor, in the order of a forward pass.
  /// - Throws: What planning throws, `io` when reading fails.
  public func run(
    _ plan: MergePlan? = nil, interruption: Interruption = Interruption(),
    observer: (@Sendable (MergeEvent) -> Void)? = nil
  ) async throws(TinctureError) -> [SpectrumSurvey.Finding] {
    var wanted = plan
    if wanted == nil { wanted = try self.plan() }
    guard let wanted else { return [] }
    return try await engine.survey(wanted, interruption: interruption, observer: observer) {
      (inputs) throws(TinctureError) in
      try SpectrumSurvey.find(inputs)
    }
  }
}

/// The plan of a recipe that only looks, cut to the tensors of a name.
func surveyPlan(
  _ recipe: Recipe, method: any MergeMethod, filter: String?, locator: ModelLocator
) throws(TinctureError) -> MergePlan {
  // Elements that are not finite are a finding where one model is looked at, and would spoil a comparison.
  let nonFinite = method.info.base == .none ? MergeOptions.NonFinite.propagate : .error
  var planner = try Planner(
    recipe, methods: [method], settings: PlanSettings(missing: .drop, nonFinite: nonFinite),
    locator: locator)
  let plan = try planner.plan()
  let names = Set(planner.models.flatMap(\.checkpoint.names)).count
  let compared = Set(plan.steps.map(\.name)).count
  var notes = plan.notes.filter { !$0.hasPrefix("Configuration") }
  if compared < names, planner.models.count > 1 {
    notes.append("\(names - compared) tensors are not in all models and are left out.")
  }
  let steps = plan.steps.filter { step in filter.map { step.name.contains($0) } ?? true }
  return MergePlan(
    method: method, steps: steps, layout: plan.layout, options: plan.options, notes: notes)
}
