internal import TinctureTensors

/// In which order the examples of a data set are taken, and in which batches.
///
/// The order is a function of the number of examples, the seed and the epoch alone: not of threads, of
/// earlier epochs or of the machine. With a seed it is a random permutation (Fisher and Yates, numbers
/// from `CounterRandom`), without one it is that of the data set.
public struct BatchOrder: Sendable, Hashable {
  /// The number of examples.
  public let count: Int
  /// The number of examples in a batch.
  public let batchSize: Int
  /// The seed, or nil for the order of the data set.
  public let seed: UInt64?
  /// Whether a last batch with fewer examples is left out.
  public let dropsLast: Bool

  /// Describes an order.
  ///
  /// - Parameters:
  ///   - count: The number of examples.
  ///   - batchSize: The number of examples in a batch, at least 1.
  ///   - seed: The seed, or nil for the order of the data set.
  ///   - dropsLast: Whether a last batch with fewer examples is left out.
  public init(count: Int, batchSize: Int, seed: UInt64? = nil, dropsLast: Bool = false) {
    precondition(count >= 0, "There cannot be \(count) examples.")
    precondition(batchSize >= 1, "A batch cannot have \(batchSize) examples.")
    self.count = count
    self.batchSize = batchSize
    self.seed = seed
    self.dropsLast = dropsLast
  }

  /// The number of batches of an epoch.
  public var batchCount: Int {
    count / batchSize + (dropsLast || count.isMultiple(of: batchSize) ? 0 : 1)
  }

  /// The examples of an epoch in their order, those that are left out included.
  ///
  /// - Parameter epoch: The epoch, from 0.
  /// - Returns: Each index from 0 to `count` − 1 once.
  /// - Complexity: O(n), 8 bytes an example.
  public func order(epoch: Int = 0) -> [Int] {
    var order = Array(0..<count)
    guard let seed else { return order }
    let random = CounterRandom(
      seed: seed, tensor: "", model: epoch, purpose: "order of examples")
    for last in stride(from: count - 1, to: 0, by: -1) {
      // The upper half of the product with 2⁶⁴ equally likely numbers: no index is favoured by more than
      // count / 2⁶⁴.
      let pick = UInt64(last + 1).multipliedFullWidth(by: random.bits(at: last)).high
      order.swapAt(last, Int(pick))
    }
    return order
  }

  /// The batches of an epoch: indices of examples.
  ///
  /// - Parameter epoch: The epoch, from 0.
  /// - Returns: `batchCount` batches, made one at a time.
  /// - Complexity: O(n).
  public func batches(epoch: Int = 0) -> some Sequence<[Int]> & Sendable {
    let order = order(epoch: epoch)
    let size = batchSize
    return (0..<batchCount).lazy.map { @Sendable batch in
      Array(order[batch * size..<min(order.count, (batch + 1) * size)])
    }
  }
}
