internal import SystemPackage
internal import TinctureData
internal import TinctureEvaluation
internal import TinctureJSON
internal import TinctureLinearAlgebra
internal import TinctureMerging
internal import TinctureNetworks
internal import TinctureTensors
internal import TinctureTorch

/// A run with everything opened: the network, what it begins with, the examples, the phases.
struct TrainingSetup {
  let run: TrainingRun
  let start: StartModel
  let network: TrainedNetwork
  let training: TrainingExamples
  let test: TrainingExamples?
  let device: TorchDevice
  let classCount: Int
  /// The phases in order.
  let phases: [TrainingPhase]
  /// Whether the ranks of all weights are measured after each epoch.
  let measuresRanks: Bool
  /// Remarks for the user.
  let notes: [String]
  let output: TrainingOutput

  /// Opens and checks everything.
  ///
  /// - Throws: What can be known before the first step.
  init(
    _ run: TrainingRun, on device: TorchDevice, _ output: TrainingOutput
  ) throws(TinctureError) {
    self.run = run
    self.device = device
    self.output = output
    start = try StartModel(run)
    let network = start.network
    self.network = network
    let head = try start.head(on: .cpu)
    classCount = try Self.classCount(network, head, run)
    training = try TrainingExamples(
      run.data.training, limit: run.data.limit, of: run, for: network, on: device)
    test = try run.data.test.map { (reference) throws(TinctureError) in
      try TrainingExamples(
        reference, limit: run.data.testLimit, of: run, for: network, on: device)
    }
    var notes = try Self.checkClasses(training, test, classCount: classCount)
    if run.ranks?.isMeasured == true { _ = try Backend.shared }
    measuresRanks = run.ranks.map { $0.isMeasured ?? Backend.isAvailable } ?? false
    if run.ranks != nil, run.ranks?.isMeasured == nil, !measuresRanks {
      notes.append("There is no library for singular values; ranks are not measured.")
    }
    if !run.augmentation.isIdentity, network.channels == nil {
      throw run.refusal("'augmentation' changes images; texts are not changed.")
    }
    if let word = run.frozen.first(where: { word in
      !network.network.parameterShapes.contains { $0.name.hasPrefix(word) }
    }) {
      throw run.refusal("No parameter of the network begins with '\(word)', as 'freeze' says.")
    }
    let frozen = network.network.parameterShapes.map(\.name).filter { name in
      run.frozen.contains { name.hasPrefix($0) }
    }
    let phases = try Self.phases(run, network.network, frozen: Set(frozen), training.count)
    self.phases = phases
    if let note = Self.discardedWeights(phases[0].plan.mode, phases[0].plan.layers.keys, start) {
      notes.append(note)
    }
    self.notes = notes
    if let idle = phases.first(where: { $0.plan.trainedCount == 0 }),
      !(run.head?.isTrained ?? false)
    {
      throw run.refusal("Nothing would be trained from epoch \(idle.epoch) on.")
    }
    if case .steps(let decays, _) = run.schedule.shape, let last = decays.last,
      last >= Double(epochCount)
    {
      throw run.refusal(
        "The learning rate would fall at epoch \(RunDecoder.plain(last)), but \(stepCount) steps are only"
          + " \(epochCount) epochs.")
    }
  }

  /// A remark about weights of the model that training begins with which factors at random would not use.
  private static func discardedWeights(
    _ mode: LayerMode, _ layers: some Collection<String>, _ start: StartModel
  ) -> String? {
    guard let input = start.input, case .lowRank(let settings) = mode, !settings.startsFromWeight
    else { return nil }
    let count = layers.count { !start.isRandom($0) }
    guard count > 0 else { return nil }
    return
      "The factors of \(count) layer\(count == 1 ? "" : "s") begin at random, so that their weights in"
      + " \(input.name) are not used; with 'start: weight' in 'ranks' they begin from those."
  }

  /// The phases with their plans.
  private static func phases(
    _ run: TrainingRun, _ network: any Network, frozen: Set<String>, _ count: Int
  ) throws(TinctureError) -> [TrainingPhase] {
    let ranks = run.ranks ?? TrainingRanks()
    let perEpoch = BatchOrder(count: count, batchSize: run.batchSize).batchCount
    let steps = run.duration.steps(perEpoch: perEpoch)
    let rates = stride(from: 0, to: steps, by: perEpoch).map {
      run.schedule.factor($0, of: steps, perEpoch: perEpoch)
    }
    do throws(TinctureError) {
      let schedule = try ranks.schedule(rates: rates, decays: run.schedule.decays)
      let plans = try schedule.plans(for: network, targets: ranks.targets, frozen: frozen)
      return zip(schedule.phases, plans).map { TrainingPhase(epoch: $0.epoch, plan: $1) }
    } catch { throw error.located(file: run.source.name) }
  }

  private static func classCount(
    _ network: TrainedNetwork, _ head: TaskHead?, _ run: TrainingRun
  ) throws(TinctureError) -> Int {
    if let count = network.classCount {
      if run.head != nil {
        throw run.refusal(
          "There is a 'head', but the network gives scores of \(count) classes by itself; leave it out."
        )
      }
      return count
    }
    guard let head else {
      throw run.refusal(
        "The network ends with features; add a 'head' with the number of 'classes' or a 'file'.")
    }
    return head.weight.shape[0]
  }

  /// Finds labels that no class has, and classes that are tested but never learned.
  private static func checkClasses(
    _ training: TrainingExamples, _ test: TrainingExamples?, classCount: Int
  ) throws(TinctureError) -> [String] {
    for examples in [training, test].compactMap(\.self) {
      if let row = examples.labels.firstIndex(where: { !(0..<classCount).contains($0) }) {
        throw TinctureError(
          .data,
          "Example \(row) has the label \(examples.labels[row]), but there are only the classes 0 to"
            + " \(classCount - 1).", at: .init(file: examples.place))
      }
    }
    let learned = Set(training.labels)
    let missing = Set(test?.labels ?? []).subtracting(learned).sorted()
    if let test, !missing.isEmpty {
      let listed = missing.prefix(10).map(String.init).joined(separator: ", ")
      throw TinctureError(
        .data,
        "The test examples have the class\(missing.count == 1 ? "" : "es") \(listed)"
          + "\(missing.count > 10 ? " …" : ""), of which there are no training examples in"
          + " \(training.place).", at: .init(file: test.place))
    }
    let absent = classCount - learned.count
    return absent == 0
      ? [] : ["\(absent) of \(classCount) classes have no training examples."]
  }

  /// The order of training examples in each epoch.
  var order: BatchOrder {
    BatchOrder(count: training.count, batchSize: run.batchSize, seed: run.seed)
  }

  /// The steps of an epoch.
  var stepsPerEpoch: Int { order.batchCount }

  /// All steps.
  var stepCount: Int {
    run.duration.steps(perEpoch: stepsPerEpoch)
  }

  /// All epochs; the last may be cut short.
  var epochCount: Int { (stepCount + stepsPerEpoch - 1) / stepsPerEpoch }

  /// The phase in which an epoch is.
  func phase(ofEpoch epoch: Int) -> Int {
    max(0, (phases.firstIndex { $0.epoch > epoch } ?? phases.count) - 1)
  }

  /// What a kept state must have been made of to be of use.
  var identity: String {
    let shapes = network.network.parameterShapes.map { "\($0.name)\($0.extents)" }
    return
      "\(run.configuration.text(indentation: nil)) \(shapes.joined(separator: " ")) \(run.start)"
      + " \(String(describing: run.head)) \(run.data) \(run.input) \(training.count)"
      + " \(run.batchSize) \(run.seed) \(run.augmentation) \(run.frozen) \(phases.map(\.description))"
      + " \(run.optimizer.rule.kind) \(run.optimizer.decaysMatricesOnly)"
  }

  /// Writes the model of an epoch beside the output.
  func save(
    _ learner: Learner, _ history: TrainingHistory, afterEpoch epoch: Int
  ) async throws(TinctureError) {
    let digits = String(epoch)
    let number = String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    let path = FilePath(output.path.lexicallyNormalized().string + "-epoch-\(number)")
    try await output.write(learner, history, self, to: path, replaces: true)
  }
}

/// A part of a run in which the same tensors are trained.
struct TrainingPhase: Sendable {
  /// The epoch with which it begins.
  let epoch: Int
  /// What each tensor is in it.
  let plan: PhasePlan

  /// The name of its mode.
  var title: String { plan.mode.name }

  /// Everything about it.
  var description: String { "\(epoch) \(plan.mode) \(plan.layers.keys.sorted())" }
}

extension TrainingDuration {
  /// All steps of a run.
  func steps(perEpoch: Int) -> Int {
    switch self {
    case .epochs(let count): count * perEpoch
    case .steps(let count): count
    }
  }
}

extension OptimizationRule {
  /// What is remembered between steps, by its sort.
  fileprivate var kind: String {
    switch self {
    case .sgd(let momentum, _, _, _): momentum == 0 ? "sgd" : "sgd with momentum"
    case .adam, .adamW: "adam"
    }
  }
}
