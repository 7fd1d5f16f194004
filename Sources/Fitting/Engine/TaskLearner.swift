internal import TinctureCheckpoints
internal import TinctureData
internal import TinctureEvaluation
internal import TinctureNetworks
internal import TinctureTensors
internal import TinctureTorch

/// A task's part in a fit: its examples in a seeded order, its expert's answers, its head and its tinted layer.
final class TaskLearner {
  let task: LearningTask
  private(set) var head: TaskHead?
  /// Tensors that the task has of its own, by the network's names.
  private(set) var tinted: [(name: String, tensor: TorchTensor)]
  /// How many turns the task has had.
  private(set) var turns = 0
  private let settings: FitSettings
  private let expert: TorchTensor?
  private let optimizer: TorchOptimizer?
  private let order: BatchOrder
  private var batches: (epoch: Int, indices: [[Int]])?

  /// Prepares a task.
  ///
  /// - Parameters:
  ///   - task: The task.
  ///   - index: The number of the task.
  ///   - expert: The expert's scores of all examples, [N, classes], where the loss needs them.
  ///   - tinted: The tensors of the task's own with which it begins.
  ///   - settings: How it learns.
  /// - Throws: `engine` when memory runs out.
  init(
    _ task: LearningTask, index: Int, expert: TorchTensor?,
    tinted: [(name: String, tensor: TorchTensor)], _ settings: FitSettings
  ) throws(TinctureError) {
    self.task = task
    self.settings = settings
    self.expert = expert
    order = BatchOrder(
      count: task.count, batchSize: settings.batchSize,
      seed: settings.seed &+ UInt64(index) &* 1_000_003)
    head = task.head
    self.tinted = tinted
    guard let rate = settings.headRate else {
      optimizer = nil
      return
    }
    if let weight = head?.weight { head?.weight = try weight.requiringGradient() }
    if let bias = head?.bias { head?.bias = try bias.requiringGradient() }
    for place in tinted.indices {
      self.tinted[place].tensor = try tinted[place].tensor.requiringGradient()
    }
    let own = [head?.weight, head?.bias].compactMap(\.self) + self.tinted.map(\.tensor)
    optimizer = own.isEmpty ? nil : try TorchOptimizer(.adam(), learningRate: rate, for: own)
  }

  /// What the task learns of its own, in a fixed order.
  private var ownTensors: [TorchTensor] {
    [head?.weight, head?.bias].compactMap(\.self) + tinted.map(\.tensor)
  }

  private func replaceOwn(_ tensors: [TorchTensor]) {
    var rest = tensors[...]
    if let first = rest.first, head != nil {
      head?.weight = first
      rest = rest.dropFirst()
      if head?.bias != nil, let bias = rest.first {
        head?.bias = bias
        rest = rest.dropFirst()
      }
    }
    for (place, tensor) in zip(tinted.indices, rest) { tinted[place].tensor = tensor }
  }

  /// The next examples; after all were seen, they come in another order.
  private func nextBatch() -> [Int] {
    let epoch = turns / order.batchCount
    if batches?.epoch != epoch { batches = (epoch, order.batches(epoch: epoch).map(\.self)) }
    let batch = batches?.indices[turns % order.batchCount] ?? []
    turns += 1
    return batch
  }

  /// What became of a turn.
  enum Turn {
    /// Nothing could be learned: no example was kept.
    case empty
    /// The loss or a derivative was not finite; nothing was learned.
    case notFinite
    /// The loss.
    case learned(Double)
  }

  /// Lets the task have a turn: its head learns, and the derivative of its loss is handed on.
  ///
  /// - Parameters:
  ///   - parameters: The merged parameters.
  ///   - leaves: What is differentiated by.
  ///   - accumulate: Takes the derivatives in; tells whether they are finite.
  /// - Returns: What became of it.
  /// - Throws: What the forward and backward passes throw.
  func turn(
    _ parameters: Parameters, leaves: [TorchTensor],
    _ accumulate: ([TorchTensor]) throws(TinctureError) -> Bool
  ) throws(TinctureError) -> Turn {
    let indices = nextBatch()
    let own = Dictionary(tinted.map { ($0.name, $0.tensor) }, uniquingKeysWith: { $1 })
    let features = try task.features(of: indices, parameters.replacing(own))
    let scores = try head?(features) ?? features
    var targets = FitObjective.Targets()
    if let expert {
      targets.expert = try expert.selected(
        at: TorchTensor(indices, on: expert.device), along: 0)
    }
    if settings.objective.needsLabels {
      targets.labels = try task.labels(of: indices, classCount: scores.shape[1])
    }
    guard let (loss, _) = try settings.objective.loss(scores, targets) else { return .empty }
    let value = Double(try loss.item(as: Float.self))
    guard value.isFinite else { return .notFinite }
    var learned = optimizer == nil ? [] : ownTensors
    let scaled = settings.lossScale == 1 ? loss : try loss * settings.lossScale
    let found = try gradients(of: scaled, withRespectTo: leaves + learned)
    guard try accumulate(Array(found[..<leaves.count])) else { return .notFinite }
    if let optimizer {
      try optimizer.step(&learned, Array(found[leaves.count...]))
      replaceOwn(learned)
    }
    return .learned(value)
  }

  /// Writes down what later turns depend on.
  func save(into snapshot: inout FitSnapshot) throws(TinctureError) {
    let key = "task.\(task.name)"
    snapshot.numbers[key + ".turns"] = turns
    guard let optimizer else { return }
    for (place, tensor) in ownTensors.enumerated() {
      try snapshot.set("\(key).own.\(place)", tensor)
    }
    let state = try optimizer.state()
    snapshot.numbers[key + ".steps"] = state.step
    for (place, moments) in state.moments.enumerated() {
      for (number, moment) in moments.enumerated() {
        try snapshot.set("\(key).moment.\(place).\(number)", moment)
      }
    }
  }

  /// Goes on from what was written down.
  func restore(from snapshot: FitSnapshot) throws(TinctureError) {
    let key = "task.\(task.name)"
    turns = try snapshot.number(key + ".turns")
    guard let optimizer else { return }
    var own: [TorchTensor] = []
    var moments: [[TorchTensor]] = []
    for (place, tensor) in ownTensors.enumerated() {
      own.append(try snapshot.tensor("\(key).own.\(place)", like: tensor).requiringGradient())
      var pair: [TorchTensor] = []
      for number in 0..<2 {
        pair.append(try snapshot.tensor("\(key).moment.\(place).\(number)", like: tensor))
      }
      moments.append(pair)
    }
    replaceOwn(own)
    try optimizer.restore(
      OptimizerState(step: snapshot.number(key + ".steps"), moments: moments))
  }
}
