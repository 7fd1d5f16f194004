internal import TinctureEvaluation
internal import TinctureNetworks
internal import TinctureTensors
internal import TinctureTorch

/// What an expert makes of the examples of its task, kept in memory.
struct ExpertAnswers {
  /// Scores, row after row.
  let scores: TorchTensor
  /// States after each block that is compared, token after token.
  let states: [TorchTensor]
  private let rows: [Range<Int>]
  private let tokens: [Range<Int>]

  /// Takes scores with one row for each example.
  init(scores: TorchTensor) {
    self.scores = scores
    states = []
    rows = (0..<scores.shape[0]).map { $0..<$0 + 1 }
    tokens = []
  }

  /// Sends all examples through the expert.
  ///
  /// - Parameters:
  ///   - task: The task.
  ///   - expert: The expert's parameters.
  ///   - blocks: The blocks after which states are kept.
  ///   - batchSize: How many examples go through the network at a time.
  /// - Throws: What the forward pass throws.
  init(
    _ task: LearningTask, _ expert: Parameters, blocks: [Int], batchSize: Int
  ) throws(TinctureError) {
    var scores: [TorchTensor] = []
    var states: [[TorchTensor]] = blocks.map { _ in [] }
    var (rowCounts, tokenCounts) = ([Int](), [Int]())
    for start in stride(from: 0, to: task.count, by: batchSize) {
      let indices = Array(start..<min(start + batchSize, task.count))
      let found = try withoutGradients { () throws(TinctureError) in
        let answers = try task.answers(of: indices, expert, blocks: blocks)
        return (answers, try task.head?(answers.features) ?? answers.features)
      }
      scores.append(found.1)
      for (place, own) in found.0.states.enumerated() { states[place].append(own) }
      rowCounts += found.0.rowCounts
      tokenCounts += found.0.tokenCounts
    }
    self.scores = try TorchTensor.concatenated(scores, along: 0)
    var joined: [TorchTensor] = []
    for own in states { joined.append(try TorchTensor.concatenated(own, along: 0)) }
    self.states = joined
    rows = Self.ranges(rowCounts)
    tokens = Self.ranges(tokenCounts)
  }

  /// The scores of some examples.
  func scores(of indices: [Int]) throws(TinctureError) -> TorchTensor {
    try Self.part(scores, indices, rows)
  }

  /// The states of some examples after a block, by the place of the block in the list.
  func states(of indices: [Int], _ place: Int) throws(TinctureError) -> TorchTensor {
    try Self.part(states[place], indices, tokens)
  }

  private static func part(
    _ all: TorchTensor, _ indices: [Int], _ ranges: [Range<Int>]
  ) throws(TinctureError) -> TorchTensor {
    let places = indices.flatMap { Array(ranges[$0]) }
    return try all.selected(at: TorchTensor(places, on: all.device), along: 0)
  }

  private static func ranges(_ counts: [Int]) -> [Range<Int>] {
    var start = 0
    return counts.map { count in
      start += count
      return start - count..<start
    }
  }
}
