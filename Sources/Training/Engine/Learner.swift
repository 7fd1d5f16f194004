internal import TinctureEvaluation
internal import TinctureMerging
internal import TinctureNetworks
internal import TinctureTensors
internal import TinctureTorch

/// What learns: the tensors of the current phase, the head, and the optimiser.
struct Learner {
  private(set) var phase = 0
  private(set) var model: TrainableModel
  private(set) var head: TaskHead?
  private let trainsHead: Bool
  private var optimizer: GroupedOptimizer

  /// Begins a run.
  ///
  /// - Throws: What reading the start throws.
  init(_ setup: TrainingSetup) throws(TinctureError) {
    let tensors = try setup.start.tensors(on: setup.device)
    model = try TrainableModel(tensors, in: setup.phases[0].plan, seed: setup.run.seed)
    head = try setup.start.head(on: setup.device)
    trainsHead = setup.run.head?.isTrained ?? false
    if trainsHead {
      if let weight = head?.weight { head?.weight = try weight.requiringGradient() }
      if let bias = head?.bias { head?.bias = try bias.requiringGradient() }
    }
    let own = model.variables + Self.variables(of: head, trainsHead)
    optimizer = try GroupedOptimizer(setup.run.optimizer, for: own)
  }

  private static func variables(of head: TaskHead?, _ isTrained: Bool) -> [TorchTensor] {
    guard isTrained, let head else { return [] }
    return [head.weight] + (head.bias.map { [$0] } ?? [])
  }

  /// How many numbers follow gradients.
  var trainedCount: Int {
    model.trainedCount
      + Self.variables(of: head, trainsHead).reduce(0) { $0 + $1.elementCount }
  }

  /// Does one step.
  ///
  /// - Parameters:
  ///   - indices: The examples.
  ///   - number: The number of the step in the whole run, from 0.
  ///   - rate: The learning rate.
  ///   - random: The random numbers of the epoch.
  ///   - setup: What is trained and on what.
  /// - Returns: The mean loss before the step, and how many answers were right; nothing has changed when the
  ///   loss is not finite.
  /// - Throws: What the forward and backward passes throw.
  mutating func step(
    _ indices: [Int], number: Int, rate: Double, _ random: CounterRandom, _ setup: TrainingSetup
  ) throws(TinctureError) -> (loss: Double, right: Int) {
    let run = setup.run
    let batch = try setup.training.batch(of: indices, run.augmentation, random)
    let labels = try setup.training.labels(of: indices)
    let pass = TrainingPass(
      momentum: run.normalizationMomentum, seed: run.seed, step: number)
    let scores = try setup.network.scores(of: batch, model.parameters.inTraining(pass), head)
    let loss = try scores.crossEntropy(labels, smoothing: run.smoothing)
    let value = Double(try loss.item(as: Float.self))
    guard value.isFinite else { return (value, 0) }
    let right = try withoutGradients { () throws(TinctureError) in
      try Self.right(scores.detached(), labels)
    }
    var variables = model.variables
    let ownCount = variables.count
    variables += Self.variables(of: head, trainsHead)
    var slopes = try gradients(of: loss, withRespectTo: variables)
    if let limit = run.gradientClip { slopes = try slopes.clipped(toNorm: limit) }
    try optimizer.step(&variables, slopes, rate: rate)
    model.replace(Array(variables[..<ownCount]))
    if trainsHead, ownCount < variables.count {
      head?.weight = variables[ownCount]
      if ownCount + 1 < variables.count { head?.bias = variables[ownCount + 1] }
    }
    model.keep(pass.moved)
    return (value, right)
  }

  private static func right(
    _ scores: TorchTensor, _ labels: TorchTensor
  ) throws(TinctureError) -> Int {
    try (scores.argmax(along: 1) .== labels).converted(to: .i64).sum().item(as: Int.self)
  }

  /// Measures the network as it stands, with counted normalisations and without gradients.
  ///
  /// - Parameters:
  ///   - examples: What it is measured on.
  ///   - setup: What is trained.
  ///   - interruption: Ends the measurement.
  /// - Returns: The mean loss without smoothing and the share of right answers; nil when it was interrupted.
  /// - Throws: What the forward pass throws.
  func measure(
    _ examples: TrainingExamples, _ setup: TrainingSetup, _ interruption: Interruption
  ) throws(TinctureError) -> (loss: Double, accuracy: Double)? {
    try withoutGradients { () throws(TinctureError) in
      let parameters = model.parameters
      var (loss, right) = (0.0, 0)
      let size = setup.run.testBatchSize
      for start in stride(from: 0, to: examples.count, by: size) {
        if interruption.isRaised { return nil }
        let indices = Array(start..<min(start + size, examples.count))
        let labels = try examples.labels(of: indices)
        let scores = try setup.network.scores(of: examples.batch(of: indices), parameters, head)
        let value = try scores.crossEntropy(labels).item(as: Float.self)
        loss += Double(value) * Double(indices.count)
        right += try Self.right(scores, labels)
      }
      return (loss / Double(examples.count), Double(right) / Double(examples.count))
    }
  }

  /// Whether all that is trained is finite.
  func isFinite() throws(TinctureError) -> Bool {
    try withoutGradients { () throws(TinctureError) in
      for tensor in model.variables + Self.variables(of: head, trainsHead)
      where try !tensor.detached().isFinite().all().item(as: Bool.self) { return false }
      return true
    }
  }

  /// The ranks and the spectra of all weights, where they are asked for.
  ///
  /// - Returns: What was found, by the names of the weights.
  /// - Throws: What measuring throws.
  func ranks(_ setup: TrainingSetup) throws(TinctureError) -> [String: RankMeasure] {
    setup.measuresRanks ? try model.rankMeasures() : [:]
  }

  /// Changes to another phase; what the network computes stays the same.
  ///
  /// The optimiser is made anew, with the moments that are carried over the change.
  ///
  /// - Throws: What a decomposition throws, `engine` when LibTorch fails.
  mutating func change(to phase: Int, _ setup: TrainingSetup) throws(TinctureError) {
    let rules = setup.run.ranks ?? TrainingRanks()
    let old = try optimizer.state()
    var moments = model.moments(of: old)
    let ownCount = model.trainedNames.count
    try model.change(
      to: setup.phases[phase].plan, phase: phase, seed: setup.run.seed, momentum: rules.momentum,
      statistics: rules.statistics, moments: &moments)
    self.phase = phase
    let others = Self.variables(of: head, trainsHead)
    optimizer = try GroupedOptimizer(setup.run.optimizer, for: model.variables + others)
    guard rules.momentum == .carry else { return }
    var state = try optimizer.state()
    state.step = old.step
    for (place, name) in model.trainedNames.enumerated() {
      if let own = moments[name], own.count == state.moments[place].count {
        state.moments[place] = own
      }
    }
    let start = state.moments.count - others.count
    for place in others.indices { state.moments[start + place] = old.moments[ownCount + place] }
    try optimizer.restore(state)
  }

  /// Writes down what later steps depend on.
  func save(into snapshot: inout TrainingSnapshot) throws(TinctureError) {
    snapshot.numbers["phase"] = phase
    for (name, tensor) in model.trained { snapshot.tensors["trained." + name] = tensor }
    for (name, tensor) in model.fixed { snapshot.tensors["fixed." + name] = tensor }
    snapshot.tensors["head.weight"] = head?.weight
    snapshot.tensors["head.bias"] = head?.bias
    let state = try optimizer.state()
    snapshot.numbers["optimizer.step"] = state.step
    for (place, moments) in state.moments.enumerated() {
      for (number, moment) in moments.enumerated() {
        snapshot.tensors["moment.\(place).\(number)"] = moment
      }
    }
  }

  /// Goes on from what was written down.
  ///
  /// - Throws: `checkpoint` when it is not what the run needs.
  init(_ setup: TrainingSetup, restoring snapshot: TrainingSnapshot) throws(TinctureError) {
    phase = try snapshot.number("phase")
    trainsHead = setup.run.head?.isTrained ?? false
    var (trained, fixed) = ([String: TorchTensor](), [String: TorchTensor]())
    for (name, tensor) in snapshot.tensors {
      if name.hasPrefix("trained.") { trained[String(name.dropFirst(8))] = tensor }
      if name.hasPrefix("fixed.") { fixed[String(name.dropFirst(6))] = tensor }
    }
    guard setup.phases.indices.contains(phase) else {
      throw TinctureError(.checkpoint, "The state of the run is in a phase that there is not.")
    }
    model = try TrainableModel(
      trained: trained, fixed: fixed, layers: setup.phases[phase].plan.layers)
    head = try setup.start.head(on: setup.device)
    if let weight = head?.weight {
      let kept = try snapshot.tensor("head.weight", weight.shape)
      head?.weight = trainsHead ? try kept.requiringGradient() : kept
    }
    if let bias = head?.bias {
      let kept = try snapshot.tensor("head.bias", bias.shape)
      head?.bias = trainsHead ? try kept.requiringGradient() : kept
    }
    let variables = model.variables + Self.variables(of: head, trainsHead)
    optimizer = try GroupedOptimizer(setup.run.optimizer, for: variables)
    var moments: [[TorchTensor]] = []
    for (place, variable) in variables.enumerated() {
      var own: [TorchTensor] = []
      while snapshot.tensors["moment.\(place).\(own.count)"] != nil {
        own.append(try snapshot.tensor("moment.\(place).\(own.count)", variable.shape))
      }
      moments.append(own)
    }
    try optimizer.restore(
      OptimizerState(step: snapshot.number("optimizer.step"), moments: moments))
  }
}
