internal import Foundation
package import SystemPackage
internal import TinctureCheckpoints
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
    try problem.precision.scope { () throws(TinctureError) in try learn(observer) }
  }

  private func learn(_ observer: (FitHistory) -> Void) throws(TinctureError) -> FitOutcome {
    let learners = try makeLearners()
    let constants = try problem.constantTensors()
    var history = FitHistory(
      tasks: learners.map(\.task.name), roundCount: settings.rounds)
    try restore(&history, learners)
    var keeper = SnapshotKeeper(snapshotPath, interval: .seconds(snapshotInterval))
    while history.losses.count < settings.rounds {
      do throws(TinctureError) { try round(&history, learners, constants) } catch {
        // In the middle of a round nothing can be kept, but what the round began with.
        if error.code == .interrupted { try keeper.writeLast() }
        throw error
      }
      history.coefficientRange = merge.coefficientRange
      observer(history)
      let isLast = history.losses.count == settings.rounds
      try keeper.keep(isLast: isLast) { () throws(TinctureError) in
        try snapshot(history, learners)
      }
    }
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
        if !settings.stepsByTask { shared = current }
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
        if settings.stepsByTask {
          try merge.step(
            number * learners.count + position, of: settings.rounds * learners.count)
        }
      }
    }
    if !settings.stepsByTask, hasLearned { try merge.step(number, of: settings.rounds) }
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
    return Parameters(named)
  }

  private func makeLearners() throws(TinctureError) -> [TaskLearner] {
    let tasks = try problem.tasks(needsLabels: settings.objective.needsLabels)
    let evaluator = problem.evaluator(interruption)
    var learners: [TaskLearner] = []
    for (index, task) in tasks.enumerated() {
      var expert: TorchTensor?
      if settings.objective.needsExperts {
        let (values, width) = try evaluator.scores(
          of: problem.expert(index), for: problem.suite.tasks[index])
        expert = try TorchTensor(
          values, shape: [values.count / max(1, width), width], on: problem.device)
      }
      learners.append(
        try TaskLearner(
          task, index: index, expert: expert, tinted: tinted(index), settings))
    }
    return learners
  }

  /// The tensors of a task's own, which begin as the expert's.
  private func tinted(_ task: Int) throws(TinctureError) -> [(name: String, tensor: TorchTensor)] {
    guard !settings.tintedTensors.isEmpty else { return [] }
    var starts = [Float](repeating: 0, count: vectors.taskCount)
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
    guard let snapshotPath, FileKind(of: snapshotPath) == .file else { return }
    let snapshot: FitSnapshot
    do throws(TinctureError) { snapshot = try FitSnapshot(opening: snapshotPath) } catch {
      // A damaged snapshot is no reason not to begin anew.
      return
    }
    guard snapshot.identity == identity else { return }
    try history.restore(from: snapshot)
    try merge.restore(from: snapshot)
    for learner in learners { try learner.restore(from: snapshot) }
  }
}
