internal import SystemPackage
internal import TinctureData
internal import TinctureEvaluation
internal import TinctureMerging
internal import TinctureNetworks
internal import TinctureTensors
internal import TinctureTorch

/// The loop of a run: steps, measurements, phases and states that are kept.
final class TrainingLoop {
  let setup: TrainingSetup
  let folder: StateFolder
  private let interruption: Interruption
  private let observer: (TrainingProgress) -> Void
  private(set) var learner: Learner
  private(set) var history = TrainingHistory()
  /// What stands for the epoch that is not finished yet.
  private var tally = EpochTally()
  private var epoch = 0
  private var step = 0
  private var lastKept = ContinuousClock.now

  private var run: TrainingRun { setup.run }

  /// After how long a state is kept within an epoch.
  private static let keepInterval = Duration.seconds(600)

  /// Prepares the loop, or goes on from a state that was kept.
  ///
  /// - Parameters:
  ///   - setup: What is trained and on what.
  ///   - folder: Where states are kept.
  ///   - interruption: Stops the loop when raised.
  ///   - observer: Hears of each step.
  /// - Throws: What reading throws, `cannotCreate` for a state of another run.
  init(
    _ setup: TrainingSetup, _ folder: StateFolder, _ interruption: Interruption,
    _ observer: @escaping (TrainingProgress) -> Void
  ) throws(TinctureError) {
    self.setup = setup
    self.folder = folder
    self.interruption = interruption
    self.observer = observer
    if folder.hasSnapshot {
      let snapshot = try TrainingSnapshot(opening: folder.snapshot, on: setup.device)
      guard snapshot.identity == setup.identity else {
        throw TinctureError(
          .cannotCreate,
          "The state that is kept here is of another run: network, start, data, batch size, seed or phases"
            + " differ. Begin anew with --force, or choose another output.",
          at: .init(file: folder.path.string))
      }
      learner = try Learner(setup, restoring: snapshot)
      history = try TrainingHistory(parsing: snapshot.texts["history"] ?? "")
      epoch = try snapshot.number("epoch")
      step = try snapshot.number("step")
      tally = try EpochTally(restoring: snapshot)
    } else {
      learner = try Learner(setup)
    }
  }

  /// Trains to the end.
  ///
  /// - Throws: `interrupted`, `data` when the loss is not finite, `io` when a state cannot be kept.
  func train() async throws(TinctureError) {
    while step < setup.stepCount {
      try run.precision.scope { () throws(TinctureError) in
        try enterPhase()
        try trainEpoch()
        try finishEpoch()
      }
      if let interval = run.saveInterval, epoch.isMultiple(of: interval), step < setup.stepCount {
        try await setup.save(learner, history, afterEpoch: epoch)
      }
    }
  }

  /// Changes to the phase of the epoch that begins.
  private func enterPhase() throws(TinctureError) {
    let phase = setup.phase(ofEpoch: epoch)
    guard phase > learner.phase else { return }
    try learner.change(to: phase, setup)
    FreedMemory.release()
  }

  private func trainEpoch() throws(TinctureError) {
    ProcessMemory.restart()
    let start = ContinuousClock.now
    let before = tally.seconds
    let random = Augmentation.random(seed: run.seed, epoch: epoch)
    let order = setup.order.order(epoch: epoch)
    let end = min(setup.stepsPerEpoch, tally.steps + setup.stepCount - step)
    while tally.steps < end {
      if interruption.isRaised { throw try interrupted() }
      let first = tally.steps * run.batchSize
      let indices = Array(order[first..<min(order.count, first + run.batchSize)])
      let rate =
        run.optimizer.rate
        * run.schedule.factor(step, of: setup.stepCount, perEpoch: setup.stepsPerEpoch)
      let outcome = try learner.step(indices, number: step, rate: rate, random, setup)
      guard outcome.loss.isFinite else { throw notFinite(outcome.loss, rate) }
      tally.add(outcome, indices.count, rate: rate)
      tally.seconds = before + (ContinuousClock.now - start) / .seconds(1)
      step += 1
      observer(progress)
      if ContinuousClock.now - lastKept > Self.keepInterval, tally.steps < end { try keep() }
    }
  }

  private func finishEpoch() throws(TinctureError) {
    let start = ContinuousClock.now
    var record = tally.record(phase: learner.phase)
    if let test = setup.test {
      let measured = try learner.measure(test, setup, interruption)
      guard let measured else { throw try interrupted() }
      (record.testLoss, record.testAccuracy) = (measured.loss, measured.accuracy)
    }
    guard record.testLoss?.isFinite ?? true, try learner.isFinite() else {
      throw notFinite(.nan, record.rate)
    }
    record.take(try learner.ranks(setup))
    let seconds = tally.seconds + (ContinuousClock.now - start) / .seconds(1)
    history.epochs.append(record)
    history.costs.append(
      .init(seconds: seconds, stepSeconds: tally.seconds, peakBytes: ProcessMemory.peak))
    epoch += 1
    tally = EpochTally()
    try keep()
    observer(progress)
  }

  private var progress: TrainingProgress {
    TrainingProgress(
      steps: step, stepCount: setup.stepCount, epoch: epoch,
      loss: tally.steps > 0 ? tally.meanLoss : history.epochs.last?.loss,
      testAccuracy: history.epochs.last?.testAccuracy, phase: setup.phases[learner.phase].title)
  }

  /// Keeps a state from which the run goes on to the same bits.
  private func keep() throws(TinctureError) {
    var snapshot = TrainingSnapshot()
    snapshot.identity = setup.identity
    snapshot.texts["history"] = history.text
    snapshot.numbers["epoch"] = epoch
    snapshot.numbers["step"] = step
    tally.save(into: &snapshot)
    try learner.save(into: &snapshot)
    try snapshot.write(to: folder.snapshot)
    lastKept = .now
  }

  /// Keeps the state in which the run was interrupted.
  private func interrupted() throws(TinctureError) -> TinctureError {
    try keep()
    return TinctureError(
      .interrupted,
      "Training was interrupted in step \(step) of \(setup.stepCount). Its state is kept; continue with"
        + " --resume.", at: .init(file: folder.path.string))
  }

  private func notFinite(_ loss: Double, _ rate: Double) -> TinctureError {
    let kept =
      folder.hasSnapshot
      ? " The last good state, after epoch \(epoch) of \(setup.epochCount), stays in"
        + " \(folder.snapshot); --resume goes on from it with new settings."
      : " There is no earlier state."
    return TinctureError(
      .data,
      "The loss is not finite in step \(step + 1) of \(setup.stepCount) (epoch \(epoch + 1)), with the"
        + " learning rate \(rate). Choose a smaller 'lr', a longer 'warmup' or a 'gradient_clip', and look"
        + " for numbers in the data that are not finite.\(kept)",
      at: .init(file: run.source.name))
  }
}

/// How far a run is.
public struct TrainingProgress: Sendable, Hashable {
  /// The steps that are done.
  public let steps: Int
  /// All steps.
  public let stepCount: Int
  /// The epochs that are done.
  public let epoch: Int
  /// The mean loss of the epoch so far.
  public let loss: Double?
  /// The share of right answers to the test examples after the last epoch.
  public let testAccuracy: Double?
  /// What is trained in this phase.
  public let phase: String
}

/// What is counted within an epoch.
struct EpochTally {
  private(set) var steps = 0
  private var loss = 0.0
  private var right = 0
  private var seen = 0
  private var rate = 0.0
  var seconds = 0.0

  init() {}

  init(restoring snapshot: TrainingSnapshot) throws(TinctureError) {
    steps = try snapshot.number("tally.steps")
    right = try snapshot.number("tally.right")
    seen = try snapshot.number("tally.seen")
    loss = snapshot.fractions["tally.loss"] ?? 0
    rate = snapshot.fractions["tally.rate"] ?? 0
    seconds = snapshot.fractions["tally.seconds"] ?? 0
  }

  func save(into snapshot: inout TrainingSnapshot) {
    snapshot.numbers["tally.steps"] = steps
    snapshot.numbers["tally.right"] = right
    snapshot.numbers["tally.seen"] = seen
    snapshot.fractions["tally.loss"] = loss
    snapshot.fractions["tally.rate"] = rate
    snapshot.fractions["tally.seconds"] = seconds
  }

  mutating func add(_ outcome: (loss: Double, right: Int), _ count: Int, rate: Double) {
    steps += 1
    loss += outcome.loss * Double(count)
    right += outcome.right
    seen += count
    self.rate = rate
  }

  var meanLoss: Double { seen == 0 ? .nan : loss / Double(seen) }

  func record(phase: Int) -> TrainingHistory.Epoch {
    .init(
      phase: phase, steps: steps, rate: rate, loss: meanLoss,
      accuracy: seen == 0 ? 0 : Double(right) / Double(seen))
  }
}
