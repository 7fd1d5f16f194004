internal import TinctureEvaluation
internal import TinctureNetworks
internal import TinctureTensors
internal import TinctureTorch

/// A task's part in a surgery: its corrections, and what its expert makes of its examples.
final class SurgeryLearner {
  /// Where the merged model's side of the comparison comes from.
  enum Source {
    /// Features of all examples, [N, D], which never change.
    case features(TorchTensor)
    /// A pass through the merged model, whose blocks are corrected.
    case network(Parameters, blockCount: Int, width: Int)

    var blockCount: Int { if case .network(_, let count, _) = self { count } else { 0 } }
    var width: Int { if case .network(_, _, let width) = self { width } else { 0 } }
  }

  let task: LearningTask
  private let source: Source
  /// The expert's features, [N, D], behind the mean tokens of its blocks.
  private let expert: TorchTensor
  private let learned: LearnedTensors
  private var batches: BatchTurns

  /// Prepares a task.
  ///
  /// A begins uniform in ±1/√width, U with zeros, so that nothing is corrected at first.
  init(
    _ task: LearningTask, index: Int, expert: TorchTensor, _ source: Source,
    _ settings: SurgerySettings
  ) throws(TinctureError) {
    (self.task, self.source, self.expert) = (task, source, expert)
    batches = BatchTurns(
      count: task.count, batchSize: settings.batchSize, seed: settings.seed, task: index)
    let blockCount = source.blockCount
    let widths =
      Array(repeating: source.width, count: blockCount)
      + [expert.shape[1] - blockCount * source.width]
    var tensors: [TorchTensor] = []
    for (place, width) in widths.enumerated() {
      let role = LowRankCorrection.roles(block: place < blockCount ? place : nil).down
      let random = CounterRandom(
        seed: settings.seed, tensor: task.name + "/" + role, model: index, purpose: "surgery")
      let bound = 1 / Double(width).squareRoot()
      let down = (0..<settings.rank * width).map {
        Float((2 * random.uniform(at: $0) - 1) * bound)
      }
      tensors.append(try TorchTensor(down, shape: [settings.rank, width], on: expert.device))
      tensors.append(try .zeros([width, settings.rank], on: expert.device))
    }
    learned = try LearnedTensors(tensors, rate: settings.rate)
  }

  private func correction(_ place: Int) -> LowRankCorrection {
    LowRankCorrection(
      down: learned.tensors[2 * place], up: learned.tensors[2 * place + 1])
  }

  /// What is subtracted from features.
  var featureCorrection: LowRankCorrection { correction(source.blockCount) }

  /// What is subtracted from the tokens that leave blocks.
  var blockCorrections: BlockCorrections {
    BlockCorrections(
      Dictionary(uniqueKeysWithValues: (0..<source.blockCount).map { ($0, correction($0)) }))
  }

  /// One step by the next batch.
  ///
  /// - Returns: The loss; nil when it or a derivative was not finite, and nothing was learned.
  /// - Throws: What the forward and backward passes throw.
  func step() throws(TinctureError) -> Double? {
    let indices = batches.next()
    let wanted = try expert.selected(at: TorchTensor(indices, on: expert.device), along: 0)
    let loss = try loss(indices, wanted)
    let value = Double(try loss.item(as: Float.self))
    guard value.isFinite else { return nil }
    let slopes = try gradients(of: loss, withRespectTo: learned.tensors)
    guard try slopes.areFinite() else { return nil }
    try learned.step(slopes)
    return value
  }

  /// mean |f̂ − f of the expert|, and the same of every block's mean token.
  private func loss(
    _ indices: [Int], _ wanted: TorchTensor
  ) throws(TinctureError) -> TorchTensor {
    func distance(_ x: TorchTensor, _ y: TorchTensor) throws(TinctureError) -> TorchTensor {
      try (x - y).abs().mean()
    }
    switch source {
    case .features(let merged):
      let own = try merged.selected(at: TorchTensor(indices, on: merged.device), along: 0)
      return try distance(featureCorrection(own), wanted)
    case .network(let parameters, _, let width):
      let states = try task.states(of: indices, parameters, blockCorrections)
      let start = states.blocks.count * width
      var sum = try distance(
        featureCorrection(states.features), wanted.slice(start..<wanted.shape[1], along: 1))
      for (block, mean) in states.blocks.enumerated() {
        let own = try wanted.slice(block * width..<(block + 1) * width, along: 1)
        sum = try sum + distance(mean, own)
      }
      return sum
    }
  }

  func save(into snapshot: inout FitSnapshot) throws(TinctureError) {
    snapshot.numbers["task.\(task.name).turns"] = batches.turns
    try learned.save(into: &snapshot, "task.\(task.name)")
  }

  func restore(from snapshot: FitSnapshot) throws(TinctureError) {
    batches.restore(turns: try snapshot.number("task.\(task.name).turns"))
    try learned.restore(from: snapshot, "task.\(task.name)")
  }
}
