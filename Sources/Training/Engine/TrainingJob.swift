public import SystemPackage
public import TinctureCheckpoints
internal import TinctureEvaluation
public import TinctureMerging
internal import TinctureNetworks
public import TinctureTensors
public import TinctureTorch

/// A training run from a file to a model.
///
/// ```swift
/// let job = TrainingJob(try TrainingRun(reading: "run.yaml"), output: "model")
/// let report = try await job.run()
/// ```
///
/// While it runs, its state is kept in a folder beside the output (`model-training`), after every epoch and when it is
/// interrupted; the folder is gone when the model is there.
public struct TrainingJob {
  /// What is trained and how.
  public var run: TrainingRun
  /// The directory to be made.
  public var output: FilePath
  /// Where networks run.
  public var device = TorchDevice.cpu
  /// What to do about an output or a state that is already there.
  public var policy = CheckpointWriter.Policy()
  /// The version of the program, for the model card.
  public var toolVersion = ""

  /// Creates a job.
  public init(_ run: TrainingRun, output: FilePath) {
    self.run = run
    self.output = output
  }

  private func setup() throws(TinctureError) -> TrainingSetup {
    try TrainingSetup(
      run, on: device, TrainingOutput(path: output, toolVersion: toolVersion))
  }

  /// Checks everything that can be known before the first step.
  ///
  /// - Returns: The phases with their steps and trained parameters.
  /// - Throws: What is wrong with the run, the data, the start or the head.
  public func plan() throws(TinctureError) -> TrainingPlan { try TrainingPlan(setup()) }

  /// Trains and writes the model.
  ///
  /// - Parameters:
  ///   - interruption: Stops the run when raised; its state is kept.
  ///   - observer: Hears of each step.
  ///   - planned: Hears what will be done before the first step.
  /// - Returns: What was done. On the processor the tensors have the same bits in every run with the same threads,
  ///   interrupted or not.
  /// - Throws: What is wrong with the run or its data, `cannotCreate` when the output or a state is there,
  ///   `data` when the loss is not finite, `io` when writing fails, `interrupted`.
  /// - Complexity: A forward and a backward pass for each batch; memory for the tensors of the current phase, their
  ///   derivatives, the optimiser's moments, and the stored bytes of the examples.
  public func run(
    interruption: Interruption = Interruption(),
    observer: @escaping (TrainingProgress) -> Void = { _ in },
    planned: (TrainingPlan) -> Void = { _ in }
  ) async throws(TinctureError) -> TrainingReport {
    guard !CheckpointWriter.isSingleFile(output) else {
      throw TinctureError(
        .cannotCreate, "A trained model is a directory; choose a name without .safetensors.",
        at: .init(file: output.string))
    }
    try CheckpointWriter.checkVacant(output, policy: policy)
    let setup = try setup()
    let plan = try TrainingPlan(setup)
    planned(plan)
    let folder = try StateFolder(of: output)
    if folder.hasSnapshot, !policy.resume {
      guard policy.replace else {
        throw TinctureError(
          .cannotCreate,
          "The state of an unfinished run of this output is here. Continue it with --resume, or begin"
            + " anew with --force.", at: .init(file: folder.path.string))
      }
      try folder.clear()
    }
    defer { folder.removeIfEmpty() }
    let loop = try TrainingLoop(setup, folder, interruption, observer)
    try await loop.train()
    try await setup.output.write(
      loop.learner, loop.history, setup, to: output, replaces: policy.replace)
    folder.remove()
    return TrainingReport(
      plan: plan, history: loop.history, output: output)
  }
}

/// What a run will do, as far as it is known before the first step.
public struct TrainingPlan: Sendable {
  /// A part of a run in which the same tensors are trained.
  public struct Phase: Sendable, Hashable {
    /// What is trained.
    public let title: String
    /// The epochs, from 0.
    public let epochs: Range<Int>
    /// How many steps it has.
    public let steps: Int
    /// How many numbers follow gradients.
    public let trainedCount: Int
    /// How many layers are held otherwise than by their dense weights.
    public let layerCount: Int
    /// Chosen layers that stay dense all the same, with the reason.
    public let left: [String]
  }

  /// The phases in order.
  public let phases: [Phase]
  /// All steps.
  public let stepCount: Int
  /// The steps of an epoch.
  public let stepsPerEpoch: Int
  /// All epochs.
  public let epochCount: Int
  /// How many examples are learned from.
  public let trainingCount: Int
  /// How many examples the network is measured on.
  public let testCount: Int
  /// How many classes there are.
  public let classCount: Int
  /// How many numbers the network has, with its head.
  public let parameterCount: Int
  /// Remarks for the user.
  public let notes: [String]

  /// The numbers that follow gradients, averaged over all steps.
  public var averageTrainedCount: Double {
    phases.reduce(0) { $0 + Double($1.trainedCount) * Double($1.steps) } / Double(max(1, stepCount))
  }

  init(_ setup: TrainingSetup) throws(TinctureError) {
    stepCount = setup.stepCount
    stepsPerEpoch = setup.stepsPerEpoch
    epochCount = setup.epochCount
    trainingCount = setup.training.count
    testCount = setup.test?.count ?? 0
    classCount = setup.classCount
    notes = setup.notes
    let width = setup.network.featureWidth ?? 0
    let head = setup.run.head == nil ? 0 : setup.classCount * (width + 1)
    parameterCount =
      setup.network.network.parameterShapes.reduce(head) { $0 + $1.extents.reduce(1, *) }
    let trainedHead = setup.run.head?.isTrained ?? false ? head : 0
    var phases: [Phase] = []
    for (index, phase) in setup.phases.enumerated() {
      let end = index + 1 < setup.phases.count ? setup.phases[index + 1].epoch : epochCount
      let first = min(stepCount, phase.epoch * stepsPerEpoch)
      phases.append(
        Phase(
          title: phase.title, epochs: phase.epoch..<max(phase.epoch, end),
          steps: min(stepCount, end * stepsPerEpoch) - first,
          trainedCount: phase.plan.trainedCount + trainedHead,
          layerCount: phase.plan.layers.count,
          left: phase.plan.left.map { "\($0.weight): \($0.reason)" }))
    }
    self.phases = phases
  }
}

/// What was done in a run.
public struct TrainingReport: Sendable {
  /// What was to be done.
  public let plan: TrainingPlan
  /// What happened.
  public let history: TrainingHistory
  /// The model.
  public let output: FilePath
}
