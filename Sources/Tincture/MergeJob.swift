public import SystemPackage
public import TinctureCheckpoints
public import TinctureMerging
public import TinctureTensors
internal import TinctureSafetensors

/// A merge from a recipe to a directory: plan, prepare, merge, write.
///
/// ```swift
/// let recipes = try RecipeParser.parse(text, file: "recipe.yaml")
/// let job = MergeJob(recipes: recipes, output: "merged")
/// let reports = try await job.run()
/// ```
public struct MergeJob: Sendable {
  /// The recipes in the order in which they are carried out; the last one makes the output.
  public var recipes: [Recipe]
  /// The directory to be made, or a file when its name ends in `.safetensors`.
  public var output: FilePath
  /// Where the results of all recipes but the last go.
  public var stageDirectory: FilePath
  /// What the user chose besides the recipes.
  public var settings: PlanSettings
  /// Workers and memory.
  public var engine: MergeEngine
  /// What to do about what is already there.
  public var policy: CheckpointWriter.Policy
  /// Finds models.
  public var locator: ModelLocator

  /// Creates a job.
  public init(
    recipes: [Recipe], output: FilePath, stageDirectory: FilePath? = nil,
    settings: PlanSettings = PlanSettings(), engine: MergeEngine? = nil,
    policy: CheckpointWriter.Policy = .init(), locator: ModelLocator = ModelLocator()
  ) {
    self.recipes = recipes
    self.output = output
    self.stageDirectory = stageDirectory ?? FilePath(output.string + "-stages")
    self.settings = settings
    self.engine = engine ?? MergeEngine(workers: 2, memoryLimit: 512 << 20)
    self.policy = policy
    self.locator = locator
    self.settings.toolVersion = TinctureVersion.current
  }

  /// Where the result of a recipe goes.
  public func output(of position: Int) -> FilePath {
    position == recipes.count - 1
      ? output : stageDirectory.appending(recipes[position].name?.value ?? "stage-\(position + 1)")
  }

  /// Plans one of the recipes; those before it must have been carried out.
  ///
  /// - Parameter position: Which recipe.
  /// - Returns: The plan.
  /// - Throws: Everything that can be known before tensors are read.
  public func plan(_ position: Int) throws(TinctureError) -> MergePlan {
    var planner = try planner(recipes[position], position)
    return try planner.plan()
  }

  func planner(
    _ recipe: Recipe, _ position: Int
  ) throws(TinctureError) -> Planner {
    var stages: [String: FilePath] = [:]
    for earlier in recipes.indices where earlier < position {
      if let name = recipes[earlier].name?.value { stages[name] = output(of: earlier) }
    }
    return try Planner(
      recipe, methods: AllMethods.all, filters: FilterRegistry.all, settings: settings,
      locator: locator,
      stages: stages)
  }

  /// Finds before the first recipe is carried out what is wrong with the output and with all recipes.
  private func check() throws(TinctureError) {
    try CheckpointWriter.checkVacant(output, policy: policy)
    for recipe in recipes {
      try Planner.check(recipe, methods: AllMethods.all, filters: FilterRegistry.all)
    }
    if let last = recipes.last, CheckpointWriter.isSingleFile(output),
      let method = AllMethods.method(named: last.method.value), method.info.makesParts
    {
      throw TinctureError(
        .usage,
        "\(method.info.name) makes parts for single tasks beside the model, so that the output must be a"
          + " directory.", at: .init(file: output.string))
    }
  }

  /// Refuses to replace what holds an input, which would be lost.
  private func checkInputs(of planner: Planner, outside output: FilePath) throws(TinctureError) {
    guard let existing = FileIdentity(of: output) else { return }
    let files = planner.models.flatMap { ModelSource($0).files } + planner.statisticsFiles
    for path in files where existing.holds(path) {
      throw TinctureError(
        .cannotCreate,
        "The output holds the input \(path), which replacing it would remove. Choose another name.",
        at: .init(file: output.string))
    }
  }

  /// Carries all recipes out.
  ///
  /// - Parameters:
  ///   - interruption: Stops the merge when raised.
  ///   - planned: Hears of each plan before it is carried out.
  ///   - observer: Hears of the progress, from any worker.
  /// - Returns: What was done, for each recipe.
  /// - Throws: Whatever went wrong; the output is then not there.
  public func run(
    interruption: Interruption = Interruption(),
    planned: @Sendable (Recipe, MergePlan) -> Void = { _, _ in },
    observer: (@Sendable (MergeEvent) -> Void)? = nil
  ) async throws(TinctureError) -> [MergeReport] {
    try check()
    var reports: [MergeReport] = []
    let statistics = recipes.indices.map { MeasuredStatistics(of: output(of: $0)) }
    let validations = recipes.indices.map { ValidationScores(of: output(of: $0)) }
    do throws(TinctureError) {
      for position in recipes.indices {
        var planner = try planner(recipes[position], position)
        try checkInputs(of: planner, outside: output(of: position))
        let measured = try statistics[position].measure(planner, interruption, observer)
        if let measured { planner = try self.planner(measured, position) }
        if let chosen = try await validated(planner, position, interruption, observer) {
          planner = try self.planner(chosen, position)
        }
        let plan = try planner.plan()
        planned(recipes[position], plan)
        reports.append(try await carryOut(plan, planner, position, interruption, observer))
      }
    } catch {
      if !policy.resume {
        for measured in statistics { measured.remove() }
        for scores in validations { scores.remove() }
      }
      throw error
    }
    for measured in statistics { measured.remove() }
    for scores in validations { scores.remove() }
    return reports
  }

  private func carryOut(
    _ plan: MergePlan, _ planner: Planner, _ position: Int, _ interruption: Interruption,
    _ observer: (@Sendable (MergeEvent) -> Void)?
  ) async throws(TinctureError) -> MergeReport {
    let isStage = position < recipes.count - 1
    let target = output(of: position)
    if isStage, policy.resume, Self.isFinished(target, plan) {
      return Self.report(ofFinished: plan)
    }
    let writer = try CheckpointWriter.create(
      target, layout: plan.layout, fingerprint: plan.fingerprint, policy: policy)
    let report = try await engine.run(
      plan, into: writer, interruption: interruption, observer: observer)
    var sidecars = plan.sidecars.map { ($0.path, $0.contents) }
    sidecars += report.sidecars.map { ($0.path, $0.contents) }
    let base = recipes[position].base.flatMap { entry in
      planner.models.first { $0.reference == entry.reference }
    }
    if !CheckpointWriter.isSingleFile(target),
      let record = try MergeRecord(recipes[position], plan, report, base: base)
    {
      sidecars.append((MergeRecord.fileName, record.contents))
    }
    if isStage { sidecars.append((Self.markName, Array(plan.fingerprint.utf8))) }
    try writer.finish(sidecars: sidecars)
    return report
  }

  /// The file by which a later run knows that a stage is finished and of the same plan.
  private static let markName = ".tincture-plan"

  private static func isFinished(_ stage: FilePath, _ plan: MergePlan) -> Bool {
    let mark = stage.appending(markName)
    guard FileKind(of: mark) == .file, let bytes = try? InputFile(opening: mark).contents() else {
      return false
    }
    return bytes == Array(plan.fingerprint.utf8)
  }

  private static func report(ofFinished plan: MergePlan) -> MergeReport {
    var report = MergeReport()
    report.resumedSteps = plan.steps.count
    report.inputBytes = plan.inputBytes
    report.outputBytes = plan.outputBytes
    return report
  }
}
