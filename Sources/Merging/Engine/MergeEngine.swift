internal import SystemPackage
public import TinctureCheckpoints
public import TinctureTensors

/// Carries a plan out within a number of workers and a number of bytes.
///
/// Workers, memory and block sizes change the speed and nothing else: the output is the same bytes.
public struct MergeEngine: Sendable {
  /// How many steps are carried out at a time.
  public var workers: Int
  /// Bytes of working memory for all workers together.
  public var memoryLimit: Int
  /// Sizes of windows and blocks; nil lets the engine choose.
  public var tuning: EngineTuning?

  /// Creates an engine.
  public init(workers: Int, memoryLimit: Int, tuning: EngineTuning? = nil) {
    self.workers = max(1, workers)
    self.memoryLimit = memoryLimit
    self.tuning = tuning
  }

  /// The sizes that are used for a plan.
  public func tuning(for plan: MergePlan) -> EngineTuning {
    if let tuning { return tuning }
    let inputs = plan.steps.map { $0.models.count + $0.statistics.count + 1 }.max() ?? 1
    return .fitting(memoryLimit / workers, inputs: inputs)
  }

  /// The peak of working memory that a plan needs, in bytes: the largest steps that run together, or what is
  /// written after them.
  public func peakBytes(of plan: MergePlan) -> Int {
    let tuning = tuning(for: plan)
    let costs = plan.steps.map { StepCost(of: $0, method: plan.method, tuning: tuning).bytes }
    let largest = costs.max() ?? 0
    let together = costs.sorted(by: >).prefix(workers).reduce(0, +)
    let after = plan.method.completionMemory(plan, workers: workers, limit: memoryLimit)
    return max(largest, min(together, memoryLimit), after)
  }

  /// Carries a plan out.
  ///
  /// - Parameters:
  ///   - plan: The plan.
  ///   - writer: The output directory with its files.
  ///   - interruption: Stops the merge when raised.
  ///   - observer: Hears of the progress, from any worker.
  /// - Returns: What was done.
  /// - Throws: The failure of the first step that fails, `interrupted` when asked to stop.
  public func run(
    _ plan: MergePlan, into writer: borrowing CheckpointWriter,
    interruption: Interruption = Interruption(), observer: (@Sendable (MergeEvent) -> Void)? = nil
  ) async throws(TinctureError) -> MergeReport {
    let ranges = writer.ranges
    let journal = writer.journal
    let finished = writer.finishedSteps
    let pool = StepPool(
      method: plan.method, options: plan.options, workers: workers,
      budget: ByteBudget(limit: memoryLimit), tuning: tuning(for: plan),
      interruption: interruption, observer: observer)
    let remaining = plan.steps.filter { !finished.contains($0.index) }
    var report = MergeReport()
    (report.sidecars, report.continuation) = try await Self.carryOut(
      plan, remaining, method: plan.method, pool: pool, ranges: ranges, journal: journal,
      scratch: writer.scratch, directory: writer.directory, resumed: finished.count)
    report.steps = remaining.count
    report.resumedSteps = plan.steps.count - remaining.count
    report.inputBytes = plan.inputBytes
    report.outputBytes = plan.outputBytes
    report.peakBytes = max(
      pool.budget.peak,
      plan.method.completionMemory(plan, workers: workers, limit: memoryLimit))
    return report
  }

  // Opens the existential, so that the method's state keeps its type.
  private static func carryOut<Method: MergeMethod>(
    _ plan: MergePlan, _ remaining: [MergeStep], method: Method, pool: StepPool,
    ranges: RangeWriter, journal: StepJournal, scratch: FilePath, directory: FilePath, resumed: Int
  ) async throws(TinctureError) -> (
    sidecars: [MergePlan.Sidecar], continuation: MergeContinuation?
  ) {
    let merged = plan.steps.filter { if case .merge = $0.action { true } else { false } }
    let copies = plan.steps.filter { if case .copy = $0.action { true } else { false } }
    let session = MergeSession(
      steps: merged, copies: copies, options: plan.options, scratch: scratch, pool: pool)
    let state = try await method.prepare(session)
    pool.observer?(
      .started(
        steps: plan.steps.count, outputBytes: plan.outputBytes, inputBytes: plan.inputBytes,
        resumedSteps: resumed))
    let resumedBytes =
      plan.steps.reduce(0) { $0 + $1.outputBytes } - remaining.reduce(0) { $0 + $1.outputBytes }
    if resumedBytes > 0 { pool.observer?(.wrote(bytes: resumedBytes)) }
    let ordered = remaining.sorted { ($0.inputBytes, $1.index) > ($1.inputBytes, $0.index) }
    try await pool.run(ordered, writer: ranges) { (inputs) throws(TinctureError) in
      if case .copy(let reader, _) = inputs.step.action {
        try inputs.copy(from: reader)
      } else {
        try method.merge(inputs, state: state)
      }
      try journal.record(inputs.step.index)
      pool.observer?(.finished(step: inputs.step.index))
    }
    try await method.complete(
      MergedOutput(directory: directory, plan: plan), session, state: state)
    return (try method.sidecars(state), method.continuation(of: merged, state))
  }

  /// Visits the steps of a plan that merge, and writes nothing.
  ///
  /// - Parameters:
  ///   - plan: The plan; its method says how much memory a visit needs.
  ///   - interruption: Stops the visits when raised.
  ///   - observer: Hears when a step is done, from any worker.
  ///   - find: Looks at a step.
  /// - Returns: One finding for each step, in the order of the plan.
  /// - Throws: What `find` throws for the first step that fails, `interrupted` when asked to stop.
  public func survey<Finding: Sendable>(
    _ plan: MergePlan, interruption: Interruption = Interruption(),
    observer: (@Sendable (MergeEvent) -> Void)? = nil,
    _ find: @escaping @Sendable (MergeInputs) throws(TinctureError) -> Finding
  ) async throws(TinctureError) -> [Finding] {
    let pool = StepPool(
      method: plan.method, options: plan.options, workers: workers,
      budget: ByteBudget(limit: memoryLimit), tuning: tuning(for: plan),
      interruption: interruption, observer: nil)
    let merged = plan.steps.filter { if case .merge = $0.action { true } else { false } }
    let session = MergeSession(
      steps: merged, copies: [], options: plan.options, scratch: nil, pool: pool)
    return try await session.survey { (inputs) throws(TinctureError) in
      let finding = try find(inputs)
      observer?(.finished(step: inputs.step.index))
      return finding
    }
  }
}
