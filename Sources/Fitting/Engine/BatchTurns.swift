internal import TinctureData

/// The batches that a task sees, one in each turn; after all examples were seen they come in another order.
struct BatchTurns {
  /// How many turns there were.
  private(set) var turns = 0
  private let order: BatchOrder
  private var batches: (epoch: Int, indices: [[Int]])?

  /// Describes the batches of a task.
  ///
  /// - Parameters:
  ///   - count: How many examples the task has.
  ///   - batchSize: How many are in a batch.
  ///   - seed: The seed of the fit.
  ///   - task: The number of the task.
  init(count: Int, batchSize: Int, seed: UInt64, task: Int) {
    order = BatchOrder(
      count: count, batchSize: batchSize, seed: seed &+ UInt64(task) &* 1_000_003)
  }

  /// How many batches all examples are.
  var batchCount: Int { order.batchCount }

  /// The next examples.
  mutating func next() -> [Int] {
    let epoch = turns / order.batchCount
    if batches?.epoch != epoch { batches = (epoch, order.batches(epoch: epoch).map(\.self)) }
    let batch = batches?.indices[turns % order.batchCount] ?? []
    turns += 1
    return batch
  }

  /// Goes on where another run was.
  mutating func restore(turns: Int) { self.turns = turns }
}
