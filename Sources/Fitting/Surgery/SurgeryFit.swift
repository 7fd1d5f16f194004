package import SystemPackage
package import TinctureCheckpoints
internal import TinctureEvaluation
package import TinctureMerging
package import TinctureNetworks
package import TinctureTensors
internal import TinctureTorch

/// Learns for each task what has to be subtracted from a merged model's features to get its expert's.
///
/// The merged model and the experts do not change, so that their features are computed once and kept on disk by
/// content; where blocks are corrected, batches go through the merged model and only the experts' mean tokens
/// are kept. Source: Yang et al., arXiv:2402.02705 and 2410.14389.
package struct SurgeryFit {
  /// The tasks and the models.
  package let problem: LearningProblem
  /// How it is learned.
  package let settings: SurgerySettings
  /// Stops the fit when raised.
  package var interruption = Interruption()
  /// Where the state is kept from time to time, to go on from.
  package var snapshotPath: FilePath?
  /// After how many seconds it is kept again.
  package var snapshotInterval = 20.0
  private let merged: [String: any TensorReader]

  /// Prepares a fit.
  ///
  /// - Parameters:
  ///   - problem: The tasks and the models.
  ///   - merged: The tensors of the merged model by name.
  ///   - settings: How it is learned.
  package init(
    _ problem: LearningProblem, merged: [String: any TensorReader], _ settings: SurgerySettings
  ) {
    (self.problem, self.merged, self.settings) = (problem, merged, settings)
  }

  /// Learns.
  ///
  /// - Parameter observer: Hears of each round.
  /// - Returns: What happened, and the corrections.
  /// - Throws: `recipe` when the network has no blocks to correct, `data` or `checkpoint` for what does not
  ///   fit, `interrupted`.
  package func run(
    observer: (FitHistory) -> Void = { _ in }
  ) throws(TinctureError) -> SurgeryOutcome {
    try problem.precision.scope { () throws(TinctureError) in try learn(observer) }
  }

  private func learn(_ observer: (FitHistory) -> Void) throws(TinctureError) -> SurgeryOutcome {
    let learners = try makeLearners()
    var history = FitHistory(tasks: learners.map(\.task.name), roundCount: settings.rounds)
    try restore(&history, learners)
    var saved = ContinuousClock.now
    while history.losses.count < settings.rounds {
      var losses: [Double?] = []
      for learner in learners {
        try interruption.check()
        var found: [Double] = []
        for _ in 0..<settings.batches {
          guard let loss = try learner.step() else {
            try history.skipNonFinite(limit: settings.skipLimit, learner.task.name)
            continue
          }
          history.nonFiniteInARow = 0
          found.append(loss)
        }
        losses.append(found.isEmpty ? nil : found.reduce(0, +) / Double(found.count))
      }
      history.losses.append(losses)
      observer(history)
      let isLast = history.losses.count == settings.rounds
      if isLast || ContinuousClock.now - saved >= .seconds(snapshotInterval) {
        try save(history, learners)
        saved = ContinuousClock.now
      }
    }
    return SurgeryOutcome(history: history, learners: learners)
  }

  private func makeLearners() throws(TinctureError) -> [SurgeryLearner] {
    let tasks = try problem.tasks(needsLabels: false)
    let evaluator = problem.evaluator(interruption)
    let device = problem.device
    func features(
      of model: [String: any TensorReader], _ task: Int
    ) throws(TinctureError) -> TorchTensor {
      let (values, width) = try evaluator.features(
        of: model, for: problem.suite.tasks[task], withBlocks: settings.correctsBlocks)
      return try TorchTensor(values, shape: [values.count / max(1, width), width], on: device)
    }
    var shared: (parameters: Parameters, blocks: any BlockNetwork)?
    if settings.correctsBlocks {
      shared = (
        Parameters(try problem.tensors(of: merged)), try Self.blocks(of: problem)
      )
    }
    var learners: [SurgeryLearner] = []
    for (index, task) in tasks.enumerated() {
      let source: SurgeryLearner.Source
      if let shared {
        source = .network(
          shared.parameters, blockCount: shared.blocks.blockCount, width: shared.blocks.blockWidth)
      } else {
        source = .features(try features(of: merged, index))
      }
      learners.append(
        try SurgeryLearner(
          task, index: index, expert: features(of: problem.expert(index), index), source, settings))
    }
    return learners
  }

  /// The network, provided that it has blocks whose tokens can be corrected.
  ///
  /// - Parameter problem: What is learned from.
  /// - Returns: The network.
  /// - Throws: `recipe` when it has none.
  package static func blocks(
    of problem: LearningProblem
  ) throws(TinctureError) -> any BlockNetwork {
    guard let network = problem.network as? any BlockNetwork else {
      throw TinctureError(
        .recipe,
        "surgery_v2 corrects what leaves the blocks of a transformer, and the network of the suite has"
          + " none; use surgery, which corrects features.",
        at: .init(file: problem.suite.file.string))
    }
    return network
  }

  /// What a snapshot must have been made of to be of use.
  private var identity: String {
    "\(settings) \(problem.suite.tasks) \(problem.device)"
  }

  private func save(
    _ history: FitHistory, _ learners: [SurgeryLearner]
  ) throws(TinctureError) {
    guard let snapshotPath else { return }
    var snapshot = FitSnapshot()
    snapshot.identity = identity
    history.save(into: &snapshot)
    for learner in learners { try learner.save(into: &snapshot) }
    try snapshot.write(to: snapshotPath)
  }

  private func restore(
    _ history: inout FitHistory, _ learners: [SurgeryLearner]
  ) throws(TinctureError) {
    guard let snapshot = FitSnapshot.found(at: snapshotPath, identity) else { return }
    try history.restore(from: snapshot)
    for learner in learners { try learner.restore(from: snapshot) }
  }
}

/// What a surgery leaves: its history, and the corrections of every task.
package struct SurgeryOutcome {
  /// What happened.
  package let history: FitHistory
  private let learners: [SurgeryLearner]

  init(history: FitHistory, learners: [SurgeryLearner]) {
    (self.history, self.learners) = (history, learners)
  }

  /// Puts the corrections of all tasks into a file of parts.
  ///
  /// In a plain checkpoint of a task they have the names of their roles.
  ///
  /// - Parameter writer: The file.
  /// - Throws: `engine` when LibTorch fails.
  package func add(to writer: inout TaskPartsWriter) throws(TinctureError) {
    for learner in learners {
      func add(_ correction: LowRankCorrection, block: Int?) throws(TinctureError) {
        let (down, up) = LowRankCorrection.roles(block: block)
        try writer.add(learner.task.name, role: down, plainName: down, correction.down)
        try writer.add(learner.task.name, role: up, plainName: up, correction.up)
      }
      for (block, correction) in learner.blockCorrections.corrections.sorted(by: { $0.key < $1.key }
      ) {
        try add(correction, block: block)
      }
      try add(learner.featureCorrection, block: nil)
    }
  }
}
