internal import Synchronization
public import SystemPackage
public import TinctureTensors

/// What a method may use to find out something about the whole model before merging.
public struct MergeSession: Sendable {
  /// The steps of the plan; those that merely copy are left out.
  public let steps: [MergeStep]
  /// The steps that merely copy.
  public let copies: [MergeStep]
  /// What applies to the whole merge.
  public let options: MergeOptions
  /// Where intermediate results of this merge may be kept; they are found again by a merge that resumes.
  public let scratch: FilePath?
  let pool: StepPool
  let passes: PassCounter
  /// The steps as they are carried out, in the order of `steps`.
  private let visited: [MergeStep]
  /// What is done to the inputs of a step before anyone sees them.
  private let arrange: (@Sendable (MergeInputs) throws(TinctureError) -> Void)?

  init(
    steps: [MergeStep], copies: [MergeStep], options: MergeOptions, scratch: FilePath?,
    pool: StepPool
  ) {
    self.steps = steps
    self.copies = copies
    self.options = options
    self.scratch = scratch
    self.pool = pool
    passes = PassCounter()
    visited = steps
    arrange = nil
  }

  private init(
    _ session: MergeSession, steps: [MergeStep],
    arrange: @escaping @Sendable (MergeInputs) throws(TinctureError) -> Void
  ) {
    self.steps = steps
    copies = session.copies
    options = session.options
    scratch = session.scratch
    pool = session.pool
    passes = session.passes
    visited = session.visited
    self.arrange = arrange
  }

  /// The same session with something done to the inputs of each step before anyone sees them.
  ///
  /// - Parameters:
  ///   - parameters: The parameters that steps show.
  ///   - arrange: Arranges the inputs.
  /// - Returns: The session.
  func arranged(
    parameters: (ResolvedParameters) -> ResolvedParameters = { $0 },
    _ arrange: @escaping @Sendable (MergeInputs) throws(TinctureError) -> Void
  ) -> MergeSession {
    MergeSession(
      self, steps: visited.map { $0.showing(parameters($0.parameters)) }, arrange: arrange)
  }

  /// Whether something is done to the inputs of steps before anyone sees them.
  var isArranged: Bool { arrange != nil }

  /// The room for whoever reads models of arranged steps one by one.
  func arrangedRoom() -> ArrangedRoom {
    ArrangedRoom(
      visited, method: pool.method, tuning: pool.tuning, workers: workers, limit: memoryLimit)
  }

  /// The inputs of a whole tensor, arranged, in memory of their own.
  ///
  /// - Parameter step: One of the steps.
  /// - Returns: The inputs, which belong to who asked for them.
  /// - Throws: What arranging throws.
  func inputs(of step: MergeStep) throws(TinctureError) -> MergeInputs {
    let whole = (visited.first { $0.index == step.index } ?? step).with(
      index: step.index, elements: 0..<step.shape.elementCount)
    let inputs = MergeInputs(
      step: whole, workspace: Workspace(), options: options, tuning: pool.tuning,
      cost: StepCost(of: whole, method: pool.method, tuning: pool.tuning), writer: nil,
      interruption: interruption, advance: { _ in })
    try arrange?(inputs)
    return inputs
  }

  /// How many steps are carried out at a time.
  public var workers: Int { pool.workers }
  /// Bytes of working memory for all workers together.
  public var memoryLimit: Int { pool.budget.limit }
  /// Stops the merge when raised.
  public var interruption: Interruption { pool.interruption }

  /// Tells the observer of the merge.
  public func report(_ event: MergeEvent) { pool.observer?(event) }

  /// Visits every step with a tally and adds the tallies up.
  ///
  /// Each worker has a tally of its own. Which steps it sees depends on timing, so `combine` must be
  /// exact and must not depend on order: sums of integers, minima, unions. For sums of floating-point
  /// numbers use `survey`, which keeps the order of the plan.
  ///
  /// - Parameters:
  ///   - make: Makes an empty tally.
  ///   - count: Visits a step.
  ///   - combine: Adds the second tally to the first.
  /// - Returns: The sum of all tallies.
  /// - Throws: What `count` throws for the first step of the plan that fails.
  public func tally<Tally>(
    _ make: @escaping @Sendable () -> Tally,
    count: @escaping @Sendable (inout Tally, MergeInputs) throws(TinctureError) -> Void,
    combine: @escaping @Sendable (inout Tally, Tally) -> Void
  ) async throws(TinctureError) -> Tally where Tally: Sendable {
    let shared = Mutex<Tally?>(nil)
    passes.begin(pool)
    try await pool.run(visited) { (inputs) throws(TinctureError) in
      try arrange?(inputs)
      var tally =
        shared.withLock { (stored: inout Tally?) -> Tally? in
          let taken = stored
          stored = nil
          return taken
        } ?? make()
      try count(&tally, inputs)
      shared.withLock { stored in
        if let other = stored { combine(&tally, other) }
        stored = tally
      }
    }
    return shared.withLock { $0 } ?? make()
  }

  /// Visits every step and returns the findings in the order of the plan.
  ///
  /// - Parameter find: Looks at a step.
  /// - Returns: One finding for each step.
  /// - Throws: What `find` throws for the first step of the plan that fails.
  public func survey<Finding: Sendable>(
    _ find: @escaping @Sendable (MergeInputs) throws(TinctureError) -> Finding
  ) async throws(TinctureError) -> [Finding] {
    let findings = Mutex<[Int: Finding]>([:])
    passes.begin(pool)
    try await pool.run(visited) { (inputs) throws(TinctureError) in
      try arrange?(inputs)
      let finding = try find(inputs)
      findings.withLock { $0[inputs.step.index] = finding }
    }
    let found = findings.withLock { $0 }
    return steps.compactMap { found[$0.index] }
  }
}

/// Numbers the passes of a session for its observer.
final class PassCounter: Sendable {
  private let count = Atomic<Int>(0)

  func begin(_ pool: StepPool) {
    let pass = count.wrappingAdd(1, ordering: .relaxed).newValue
    pool.observer?(.surveying(pass: pass))
  }
}
