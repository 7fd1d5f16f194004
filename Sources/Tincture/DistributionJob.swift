public import TinctureMergeMethods
public import TinctureMerging
internal import TinctureRecipes
public import TinctureTensors

/// Finds how the elements of a model are distributed, tensor by tensor and together.
///
/// ```swift
/// let (model, tensors) = try await DistributionJob(model: "model").run()
/// print(model.moments.mean, model.histogram.counts)
/// ```
public struct DistributionJob: Sendable {
  /// The model, as recipes name models.
  public var model: String
  /// How many intervals histograms have.
  public var bins: Int
  /// Only tensors whose name contains this.
  public var filter: String?
  /// Workers and memory.
  public var engine: MergeEngine
  /// Finds models.
  public var locator: ModelLocator

  /// Creates a job.
  public init(
    model: String, bins: Int = 24, filter: String? = nil, engine: MergeEngine? = nil,
    locator: ModelLocator = ModelLocator()
  ) {
    self.model = model
    self.bins = max(1, bins)
    self.filter = filter
    self.engine = engine ?? MergeEngine(workers: 2, memoryLimit: 512 << 20)
    self.locator = locator
  }

  /// Opens the model and lists its tensors.
  ///
  /// - Returns: The plan.
  /// - Throws: What a merge's plan throws.
  public func plan() throws(TinctureError) -> MergePlan {
    let recipe = try Recipe(CommandLineRecipe(method: "distribution", models: [model]))
    return try surveyPlan(recipe, method: DistributionSurvey(), filter: filter, locator: locator)
  }

  /// Counts the elements.
  ///
  /// - Parameters:
  ///   - plan: The plan; nil makes it.
  ///   - interruption: Stops when raised.
  ///   - observer: Hears when a tensor is done, from any worker; each is done twice.
  /// - Returns: The distribution of the model, and those of the tensors in the order of a forward pass.
  /// - Throws: What planning throws, `io` when reading fails.
  public func run(
    _ plan: MergePlan? = nil, interruption: Interruption = Interruption(),
    observer: (@Sendable (MergeEvent) -> Void)? = nil
  ) async throws(TinctureError) -> (model: WeightDistribution, tensors: [WeightDistribution]) {
    var wanted = plan
    if wanted == nil { wanted = try self.plan() }
    guard let wanted else { throw TinctureError(.internalError, "There is no plan.") }
    return try await DistributionSurvey.find(
      wanted, by: engine, bins: bins, interruption: interruption, observer: observer)
  }
}
