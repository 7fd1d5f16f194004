package import SystemPackage
internal import TinctureData
internal import TinctureEvaluation
package import TinctureMerging
internal import TinctureNetworks
package import TinctureTensors
internal import TinctureTorch

/// Learns a merge, and heads or tinted layers beside it, from the examples of a suite's tasks.
///
/// In each turn a task's examples go through the merged model; LibTorch gives the derivatives. What the experts
/// answer is computed once, before, one expert at a time, and kept on disk. So one merged model, one derivative
/// and the task vectors are in memory, and no expert's network.
package struct MergeFit {
  /// The tasks and the models.
  package let problem: LearningProblem
  /// How it is learned.
  package let settings: FitSettings
  /// What is learned about the merge.
  package let merge: any LearnableMerge
  /// The base and the task vectors.
  package let vectors: TaskVectorSet
  /// Stops the fit when raised.
  package var interruption = Interruption()
  /// Where the state is kept from time to time, to go on from.
  package var snapshotPath: FilePath?
  /// After how many seconds it is kept again.
  package var snapshotInterval = 20.0

  /// Prepares a fit.
  package init(
    _ problem: LearningProblem, _ vectors: TaskVectorSet, _ merge: any LearnableMerge,
    _ settings: FitSettings
  ) {
    self.problem = problem
    self.vectors = vectors
    self.merge = merge
    self.settings = settings
  }

  /// Learns.
  ///
  /// - Parameter observer: Hears of each round.
  /// - Returns: What happened, and the heads and tinted layers; what is learned about the merge is in `merge`.
  ///   On the processor the same bits in every run with the same threads, interrupted or not.
  /// - Throws: `data`, `checkpoint` or `recipe` for what does not fit, `interrupted`.
  /// - Complexity: A forward and backward pass and two passes over all task vectors for each turn.
  package func run(
    observer: (FitHistory) -> Void = { _ in }
  ) throws(TinctureError) -> FitOutcome {
    // What comes after a fit works in blocks of its own.
    defer { FreedMemory.release() }
    return try problem.precision.scope { () throws(TinctureError) in try learn(observer) }
  }

  private func learn(_ observer: (FitHistory) -> Void) throws(TinctureError) -> FitOutcome {
    let learners = try makeLearners()
    let constants = try problem.constantTensors()
    // A pass ends when the task with the fewest examples has seen all of them.
    let passLength = max(1, learners.map(\.batchCount).min() ?? 1)
    let rounds = settings.passes.map { $0 * passLength } ?? settings.rounds
    var history = FitHistory(tasks: learners.map(\.task.name), roundCount: rounds)
    // The experts are measured with the heads that they came with.
    let validation = try FitValidation(learners, problem, settings)
    try restore(&history, learners)
    if let validation, history.validations.isEmpty {
      try validation.check(merge, parameters(merge.assemble(), constants), &history)
    }
    var keeper = SnapshotKeeper(snapshotPath, interval: .seconds(snapshotInterval))
    while !history.isFinished {
      do throws(TinctureError) { try round(&history, learners, constants) } catch {
        // In the middle of a round nothing can be kept, but what the round began with.
        if error.code == .interrupted { try keeper.writeLast() }
        throw error
      }
      history.coefficientRange = merge.coefficientRange
      let done = history.losses.count
      if let validation, done == rounds || done.isMultiple(of: passLength) {
        try validation.check(merge, parameters(merge.assemble(), constants), &history)
      }
      observer(history)
      try keeper.keep(isLast: history.isFinished) { () throws(TinctureError) in
        try snapshot(history, learners)
      }
    }
    merge.takeKept()
    for learner in learners { learner.takeKept() }
    return FitOutcome(history: history, learners: learners, suite: problem.suite)
  }

  /// One turn of every task.
  private func round(
    _ history: inout FitHistory, _ learners: [TaskLearner], _ constants: [String: TorchTensor]
  ) throws(TinctureError) {
    let number = history.losses.count
    var losses = [Double?](repeating: nil, count: learners.count)
    var shared: (merged: MergedTensors, parameters: Parameters)?
    var hasLearned = false
    for (position, task) in order(number, learners.count).enumerated() {
      try interruption.check()
      let current: (merged: MergedTensors, parameters: Parameters)
      if let shared {
        current = shared
      } else {
        let merged = try merge.assemble()
        current = (merged, parameters(merged, constants))
        shared = current
      }
      let turn = try learners[task].turn(current.parameters, leaves: current.merged.leaves) {
        (gradients) throws(TinctureError) in try merge.accumulate(gradients)
      }
      switch turn {
      case .empty: history.emptyTurns += 1
      case .notFinite:
        try history.skipNonFinite(limit: settings.skipLimit, learners[task].task.name)
      case .learned(let loss):
        losses[task] = loss
        history.nonFiniteInARow = 0
        hasLearned = true
        history.pendingTurns += 1
      }
      let turns = number * learners.count + position + 1
      let allTurns = history.roundCount * learners.count
      guard settings.stepsByTask, history.pendingTurns > 0,
        history.pendingTurns >= settings.accumulation || turns == allTurns
      else { continue }
      history.pendingTurns = 0
      shared = nil
      let length = max(1, settings.accumulation)
      try merge.step((turns - 1) / length, of: (allTurns + length - 1) / length)
    }
    if !settings.stepsByTask {
      history.pendingTurns = 0
      if hasLearned { try merge.step(number, of: history.roundCount) }
    }
    history.losses.append(losses)
  }

  /// The order in which tasks have their turns.
  private func order(_ round: Int, _ count: Int) -> [Int] {
    guard settings.stepsByTask else { return Array(0..<count) }
    return BatchOrder(count: count, batchSize: 1, seed: settings.seed ^ 0x7a5c).order(epoch: round)
  }

  private func parameters(
    _ merged: MergedTensors, _ constants: [String: TorchTensor]
  ) -> Parameters {
    var named = constants
    for (tensor, values) in zip(vectors.tensors, merged.tensors) { named[tensor.name] = values }
    return Parameters(named).routed(through: merged.router)
  }

  private func makeLearners() throws(TinctureError) -> [TaskLearner] {
    let tasks = try problem.tasks(needsLabels: settings.needsLabels)
    var learners: [TaskLearner] = []
    for (index, task) in tasks.enumerated() {
      learners.append(
        try TaskLearner(
          task, index: index, expert: expertAnswers(index, task), tinted: tinted(index),
          settings))
    }
    if let control = settings.controlTask {
      let task = try problem.otherTask(control, needsLabels: settings.needsLabels)
      learners.append(
        try TaskLearner(task, index: tasks.count, expert: nil, tinted: [], settings))
    }
    return learners
  }

  /// What a task's expert makes of its examples, where the loss needs it.
  private func expertAnswers(
    _ index: Int, _ task: LearningTask
  ) throws(TinctureError) -> ExpertAnswers? {
    if settings.alignment != nil || (settings.objective.needsExperts && task.isLanguage) {
      try interruption.check()
      return try ExpertAnswers(
        task, problem.parameters(problem.expert(index)),
        blocks: settings.alignment?.blocks ?? [], batchSize: settings.batchSize)
    }
    guard settings.objective.needsExperts else { return nil }
    let (values, width) = try problem.evaluator(interruption).scores(
      of: problem.expert(index), for: problem.suite.tasks[index])
    return ExpertAnswers(
      scores: try TorchTensor(
        values, shape: [values.count / max(1, width), width], on: problem.device))
  }

  /// The tensors of a task's own, which begin as the expert's.
  private func tinted(_ task: Int) throws(TinctureError) -> [(name: String, tensor: TorchTensor)] {
    guard !settings.tintedTensors.isEmpty else { return [] }
    var starts = [Float](repeating: 0, count: vectors.taskCount)
    guard task < starts.count else { return [] }
    starts[task] = 1
    let table = CoefficientTable(
      .task, tensors: vectors.tensors, starts: starts, link: .identity)
    var found: [(name: String, tensor: TorchTensor)] = []
    for (index, tensor) in vectors.tensors.enumerated()
    where settings.tintedTensors.contains(where: { tensor.name.contains($0) }) {
      let values = try vectors.merged(index, table)
      found.append((tensor.name, try values.tensor(tensor.extents, on: problem.device)))
    }
    guard !found.isEmpty else {
      throw TinctureError(
        .recipe,
        "No tensor of the network has \(settings.tintedTensors.map { "'\($0)'" }.joined(separator: " or "))"
          + " in its name; there are \(vectors.tensors.prefix(6).map(\.name).joined(separator: ", ")) …"
      )
    }
    return found
  }

  /// What a snapshot must have been made of to be of use.
  private var identity: String {
    let tasks = problem.suite.tasks.map { "\($0)" }.joined(separator: "\n")
    return
      "\(settings) \(type(of: merge)) \(vectors.tensors.map(\.name)) \(tasks) \(problem.device)"
  }

  private func snapshot(
    _ history: FitHistory, _ learners: [TaskLearner]
  ) throws(TinctureError) -> FitSnapshot {
    var snapshot = FitSnapshot()
    snapshot.identity = identity
    history.save(into: &snapshot)
    try merge.save(into: &snapshot)
    for learner in learners { try learner.save(into: &snapshot) }
    return snapshot
  }

  private func restore(
    _ history: inout FitHistory, _ learners: [TaskLearner]
  ) throws(TinctureError) {
    guard let snapshot = FitSnapshot.found(at: snapshotPath, identity) else { return }
    try history.restore(from: snapshot)
    try merge.restore(from: snapshot)
    for learner in learners { try learner.restore(from: snapshot) }
  }
}
