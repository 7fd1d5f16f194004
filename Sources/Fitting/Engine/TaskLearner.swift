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
  private let settings: FitSettings
  private let expert: ExpertAnswers?
  private let weight: Double
  private let optimizer: TorchOptimizer?
  private var batches: BatchTurns
  /// What did best on examples that are held out.
  private var kept: [TorchTensor] = []
  /// The examples that are learned from, and those that are held out.
  private let examples: (learned: [Int], heldOut: [Int])

  /// Prepares a task.
  ///
  /// - Parameters:
  ///   - task: The task.
  ///   - index: The number of the task.
  ///   - expert: The expert's answers to all examples, where the loss needs them.
  ///   - tinted: The tensors of the task's own with which it begins.
  ///   - settings: How it learns.
  /// - Throws: `engine` when memory runs out.
  init(
    _ task: LearningTask, index: Int, expert: ExpertAnswers?,
    tinted: [(name: String, tensor: TorchTensor)], _ settings: FitSettings
  ) throws(TinctureError) {
    self.task = task
    self.settings = settings
    self.expert = expert
    weight = settings.weights.isEmpty ? 1 : settings.weights[index]
    examples = try Self.divided(
      task, settings.validationShare, seed: settings.seed &+ UInt64(index) &* 1_000_003)
    batches = BatchTurns(
      count: examples.learned.count, batchSize: settings.batchSize, seed: settings.seed, task: index
    )
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

  /// How many batches all examples are.
  var batchCount: Int { batches.batchCount }

  private static func divided(
    _ task: LearningTask, _ share: Double, seed: UInt64
  ) throws(TinctureError) -> (learned: [Int], heldOut: [Int]) {
    guard share > 0 else { return (Array(0..<task.count), []) }
    let heldOut = Int((share * Double(task.count)).rounded())
    guard (1..<task.count).contains(heldOut) else {
      throw TinctureError(
        .data,
        "Of the \(task.count) examples of the task '\(task.name)' the share \(share) cannot be held"
          + " out; both parts need at least one.")
    }
    let shuffled = BatchOrder(count: task.count, batchSize: 1, seed: seed ^ 0x7661_6c69).order()
    return (shuffled.dropFirst(heldOut).sorted(), shuffled.prefix(heldOut).sorted())
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

  /// Remembers what the task has learned of its own.
  func keep() throws(TinctureError) {
    guard optimizer != nil else { return }
    kept = []
    // The optimiser changes tensors in place.
    for tensor in ownTensors { kept.append(try tensor.detached() * 1) }
  }

  /// Returns to what was remembered last.
  func takeKept() { if !kept.isEmpty { replaceOwn(kept) } }

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
    let indices = batches.next().map { examples.learned[$0] }
    let own = Dictionary(tinted.map { ($0.name, $0.tensor) }, uniquingKeysWith: { $1 })
    let answers = try task.answers(
      of: indices, parameters.replacing(own), blocks: settings.alignment?.blocks ?? [])
    let scores = try head?(answers.features) ?? answers.features
    guard scores.shape[0] > 0 else { return .empty }
    var targets = FitObjective.Targets()
    if settings.objective.needsExperts { targets.expert = try expert?.scores(of: indices) }
    if settings.objective.needsLabels {
      targets.labels = try task.labels(of: indices, classCount: scores.shape[1])
    }
    guard var (loss, _) = try settings.objective.loss(scores, targets) else { return .empty }
    if let alignment = settings.alignment, let expert {
      for (place, states) in answers.states.enumerated() {
        let distance = try states.squaredError(expert.states(of: indices, place))
        loss = try loss + distance * (alignment.weight / Double(alignment.blocks.count))
      }
    }
    let value = Double(try loss.item(as: Float.self))
    guard value.isFinite else { return .notFinite }
    var learned = optimizer == nil ? [] : ownTensors
    let factor = settings.lossScale * weight
    let scaled = factor == 1 ? loss : try loss * factor
    let found = try gradients(of: scaled, withRespectTo: leaves + learned)
    guard try accumulate(Array(found[..<leaves.count])) else { return .notFinite }
    if let optimizer {
      try optimizer.step(&learned, Array(found[leaves.count...]))
      replaceOwn(learned)
    }
    return .learned(value)
  }

  /// The share of right answers to the examples that are held out.
  ///
  /// - Parameter parameters: A model's parameters.
  /// - Returns: A number from 0 to 1.
  /// - Throws: What the forward pass throws, `data` for a label that no class has.
  func heldOutAccuracy(_ parameters: Parameters) throws(TinctureError) -> Double {
    let own = Dictionary(tinted.map { ($0.name, $0.tensor) }, uniquingKeysWith: { $1 })
    let parameters = parameters.replacing(own)
    var (right, all) = (0, 0)
    for start in stride(from: 0, to: examples.heldOut.count, by: Self.heldOutBatch) {
      let end = min(start + Self.heldOutBatch, examples.heldOut.count)
      let indices = Array(examples.heldOut[start..<end])
      let answers = try withoutGradients { () throws(TinctureError) in
        let features = try task.answers(of: indices, parameters).features
        let scores = try head?(features) ?? features
        return (try scores.argmax(along: 1).array(as: Int.self), scores.shape[1])
      }
      let labels = try task.labels(of: indices, classCount: answers.1)
      right += zip(answers.0, labels).count { $0 == $1 }
      all += labels.count
    }
    return all == 0 ? 0 : Double(right) / Double(all)
  }

  private static let heldOutBatch = 64

  /// Writes down what later turns depend on.
  func save(into snapshot: inout FitSnapshot) throws(TinctureError) {
    let key = "task.\(task.name)"
    snapshot.numbers[key + ".turns"] = batches.turns
    guard let optimizer else { return }
    for (place, tensor) in ownTensors.enumerated() {
      try snapshot.set("\(key).own.\(place)", tensor)
    }
    snapshot.numbers[key + ".kept"] = kept.count
    for (place, tensor) in kept.enumerated() { try snapshot.set("\(key).kept.\(place)", tensor) }
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
    batches.restore(turns: try snapshot.number(key + ".turns"))
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
    kept = []
    for (place, tensor) in zip(0..<(try snapshot.number(key + ".kept")), own) {
      kept.append(try snapshot.tensor("\(key).kept.\(place)", like: tensor))
    }
    replaceOwn(own)
    try optimizer.restore(
      OptimizerState(step: snapshot.number(key + ".steps"), moments: moments))
  }
}
