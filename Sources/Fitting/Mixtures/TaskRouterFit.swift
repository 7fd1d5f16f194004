package import SystemPackage
internal import TinctureCheckpoints
internal import TinctureData
package import TinctureEvaluation
package import TinctureMerging
internal import TinctureNetworks
package import TinctureTensors
package import TinctureTorch

/// How a router of features is learned.
package struct TaskRouterSettings: Sendable, Hashable {
  /// How often all examples are seen.
  package var epochs = 50
  /// Examples of all tasks together in a step.
  package var batchSize = 1024
  /// The step size of Adam.
  package var rate = 5e-4
  /// The numbers between layers; nil is twice those of a feature.
  package var hidden: Int?
  /// The share of numbers that is dropped after each layer but the last.
  package var dropout = 0.5
  /// The function between layers.
  package var function = TaskRouter.Function.leakyRelu
  /// How many examples of each task are used at most.
  package var samples = 5500
  /// How many steps in a row may be skipped because their loss is not finite.
  package var skipLimit = 100
  /// The seed of first values, order and dropping.
  package var seed: UInt64 = 0

  /// The settings of Twin-Merging.
  package init() {}
}

/// Learns to tell from the features of a model of which task its input is.
///
/// The cross entropy of the task's number is minimised by Adam over batches with examples of all tasks in random
/// order. Features are computed once, before.
package struct TaskRouterFit {
  private let problem: LearningProblem
  private let settings: TaskRouterSettings
  /// Stops the fit when raised.
  package var interruption = Interruption()
  /// Where the state is kept from time to time, to go on from.
  package var snapshotPath: FilePath?
  /// After how many seconds it is kept again.
  package var snapshotInterval = 20.0

  /// Prepares a fit.
  package init(_ problem: LearningProblem, _ settings: TaskRouterSettings) {
    (self.problem, self.settings) = (problem, settings)
  }

  /// What was learned.
  package struct Outcome {
    /// The router.
    package let router: TaskRouter
    /// Its tensors by role, those that were counted included.
    package let tensors: [(role: String, shape: Shape, values: [Float])]
    /// The mean of the router's weights over the examples of each task, [tasks, tasks].
    package let means: [Float]
    /// The losses.
    package let history: FitHistory
  }

  /// Learns.
  ///
  /// - Parameters:
  ///   - shared: The parameters of the model that gives the features.
  ///   - observer: Hears of each epoch.
  /// - Returns: The router; on the processor the same bits in every run with the same threads, interrupted or
  ///   not.
  /// - Throws: `data` or `checkpoint` for what does not fit, `interrupted`.
  package func run(
    _ shared: [String: TorchTensor], observer: (FitHistory) -> Void = { _ in }
  ) throws(TinctureError) -> Outcome {
    try problem.precision.scope { () throws(TinctureError) in try learn(shared, observer) }
  }

  private func learn(
    _ shared: [String: TorchTensor], _ observer: (FitHistory) -> Void
  ) throws(TinctureError) -> Outcome {
    let tasks = try problem.tasks(needsLabels: false)
    let (features, labels) = try features(of: tasks, Parameters(shared))
    guard labels.count > 1 else {
      throw TinctureError(
        .data, "A router is not learned from a single example; name more data, or raise 'limit'.",
        at: .init(file: problem.data.source.name))
    }
    var state = try RouterState(
      width: features.shape[1], tasks: tasks.count, settings, on: problem.device)
    var history = FitHistory(tasks: tasks.map(\.name), roundCount: settings.epochs)
    let identity =
      "\(settings) \(labels.count) \(problem.suite.tasks.map { "\($0)" }) \(problem.device)"
    try restore(&history, &state, identity)
    var saved = ContinuousClock.now
    while history.losses.count < settings.epochs {
      try interruption.check()
      try epoch(&history, &state, features, labels)
      observer(history)
      let isLast = history.losses.count == settings.epochs
      if isLast || ContinuousClock.now - saved >= .seconds(snapshotInterval) {
        try save(history, state, identity)
        saved = ContinuousClock.now
      }
    }
    let router = state.router
    let weights = try withoutGradients { () throws(TinctureError) in
      try router(features).softmax().array(as: Float.self)
    }
    return Outcome(
      router: router, tensors: try state.stored(),
      means: Self.means(weights, labels, tasks.count), history: history)
  }

  /// The features of the examples of all tasks, and the number of each one's task.
  private func features(
    of tasks: [LearningTask], _ shared: Parameters
  ) throws(TinctureError) -> (TorchTensor, [Int]) {
    var parts: [TorchTensor] = []
    var labels: [Int] = []
    for (index, task) in tasks.enumerated() {
      let order = BatchOrder(count: task.count, batchSize: 1, seed: settings.seed).order()
      let chosen = Array(order.prefix(settings.samples))
      for start in stride(from: 0, to: chosen.count, by: problem.suite.batchSize) {
        try interruption.check()
        let batch = Array(chosen[start..<min(start + problem.suite.batchSize, chosen.count)])
        parts.append(
          try withoutGradients { () throws(TinctureError) in
            try task.features(of: batch, shared).converted(to: .f32)
          })
      }
      labels += Array(repeating: index, count: chosen.count)
    }
    return (try TorchTensor.concatenated(parts, along: 0), labels)
  }

  /// All examples once.
  private func epoch(
    _ history: inout FitHistory, _ state: inout RouterState, _ features: TorchTensor,
    _ labels: [Int]
  ) throws(TinctureError) {
    let order = BatchOrder(count: labels.count, batchSize: settings.batchSize, seed: settings.seed)
    var sums = [Double](repeating: 0, count: history.tasks.count)
    var counts = [Int](repeating: 0, count: history.tasks.count)
    for batch in order.batches(epoch: history.losses.count) {
      // A single example has no variance.
      guard batch.count > 1 else { continue }
      try interruption.check()
      let chosen = try features.selected(at: TorchTensor(batch, on: features.device), along: 0)
      guard let losses = try state.step(chosen, batch.map { labels[$0] }, settings) else {
        try history.skipNonFinite(limit: settings.skipLimit, "router")
        continue
      }
      history.nonFiniteInARow = 0
      for (example, loss) in zip(batch, losses) {
        sums[labels[example]] += Double(loss)
        counts[labels[example]] += 1
      }
    }
    history.losses.append(zip(sums, counts).map { $1 == 0 ? nil : $0 / Double($1) })
  }

  private static func means(_ weights: [Float], _ labels: [Int], _ count: Int) -> [Float] {
    var sums = [Double](repeating: 0, count: count * count)
    var numbers = [Double](repeating: 0, count: count)
    for (row, label) in labels.enumerated() {
      numbers[label] += 1
      for expert in 0..<count {
        sums[label * count + expert] += Double(weights[row * count + expert])
      }
    }
    return sums.indices.map { Float(sums[$0] / max(1, numbers[$0 / count])) }
  }

  private func save(
    _ history: FitHistory, _ state: RouterState, _ identity: String
  ) throws(TinctureError) {
    guard let snapshotPath else { return }
    var snapshot = FitSnapshot()
    snapshot.identity = identity
    history.save(into: &snapshot)
    try state.save(into: &snapshot)
    try snapshot.write(to: snapshotPath)
  }

  private func restore(
    _ history: inout FitHistory, _ state: inout RouterState, _ identity: String
  ) throws(TinctureError) {
    guard let snapshotPath, FileKind(of: snapshotPath) == .file else { return }
    let snapshot: FitSnapshot
    do throws(TinctureError) { snapshot = try FitSnapshot(opening: snapshotPath) } catch {
      // A damaged snapshot is no reason not to begin anew.
      return
    }
    guard snapshot.identity == identity else { return }
    try history.restore(from: snapshot)
    try state.restore(from: snapshot)
  }
}
