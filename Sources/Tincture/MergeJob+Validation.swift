internal import SystemPackage
internal import TinctureBanks
internal import TinctureCheckpoints
internal import TinctureFitting
internal import TinctureMerging
internal import TinctureTensors

extension MergeJob {
  /// A recipe with the values of a parameter that do best on its data.
  ///
  /// A merge is made for each value that is tried, beside the output, and removed once the models of its tasks
  /// are measured. What was measured stays until the merge is done, or until this run ends where it is not to be
  /// resumed.
  ///
  /// - Parameters:
  ///   - planner: The recipe with its opened models.
  ///   - position: Which recipe it is.
  ///   - interruption: Stops the work when raised.
  ///   - observer: Hears of the progress.
  /// - Returns: The recipe without data, or nil when nothing is to be chosen.
  /// - Throws: What merging and measuring throw.
  func validated(
    _ planner: Planner, _ position: Int, _ interruption: Interruption,
    _ observer: (@Sendable (MergeEvent) -> Void)?
  ) async throws(TinctureError) -> Recipe? {
    guard let validation = MergeValidation(planner) else { return nil }
    // What is wrong with the merge or with the data is said before anything is made.
    var checked = planner
    let plan = try checked.plan()
    let total = try validation.exampleCount()
    var kept = ValidationScores(of: output(of: position))
    kept.begin(validation.identity(plan), resumes: policy.resume)
    let candidates = validation.parameter.candidates
    var (scores, done) = ([[Double]](), 0)
    observer?(.measured(examples: 0, of: total))
    for candidate in candidates {
      if let known = kept.known(candidate, models: validation.modelCount) {
        scores.append(known)
        done += total / candidates.count
        observer?(.measured(examples: done, of: total))
        continue
      }
      try await merge(validation.recipe(candidate), position, into: kept.candidate, interruption)
      let found = try validation.scores(of: Self.tasks(in: kept.candidate), interruption) { count in
        done += count
        observer?(.measured(examples: done, of: total))
      }
      try kept.keep(found, of: candidate)
      scores.append(found)
    }
    return validation.recipe(validation.best(scores))
  }

  /// The models of the tasks of a merge, in the order of its models, in which their bank was made.
  private static func tasks(in folder: FilePath) throws(TinctureError) -> [ModelReference] {
    guard let path = TaskMasks.path(in: folder) else {
      throw TinctureError(
        .internalError, "The merge made no models of single tasks.", at: .init(file: folder.string))
    }
    return try ExpertBank(opening: path).manifest.experts.map {
      ModelReference(path: folder.string, expert: $0.name)
    }
  }

  /// Carries a recipe out in a place of its own.
  private func merge(
    _ recipe: Recipe, _ position: Int, into folder: FilePath, _ interruption: Interruption
  ) async throws(TinctureError) {
    var planner = try planner(recipe, position)
    let plan = try planner.plan()
    let writer = try CheckpointWriter.create(
      folder, layout: plan.layout, fingerprint: plan.fingerprint, policy: .init(replace: true))
    let report = try await engine.run(plan, into: writer, interruption: interruption)
    try writer.finish(
      sidecars: (plan.sidecars + report.sidecars).map { ($0.path, $0.contents) })
  }
}
