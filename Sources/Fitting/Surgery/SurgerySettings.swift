/// How corrections of a merged model are learned.
public struct SurgerySettings: Sendable, Hashable {
  /// r, the numbers between both matrices of a correction.
  public var rank = 16
  /// Whether the tokens that leave blocks are corrected, too.
  public var correctsBlocks = false
  /// How often every task has a turn.
  public var rounds = 500
  /// How many examples are in a batch.
  public var batchSize = 16
  /// How many batches a turn has, with a step after each.
  public var batches = 2
  /// The step size.
  public var rate = 1e-3
  /// How many steps in a row may be skipped because their loss is not finite.
  public var skipLimit = 100
  /// The seed of the first values and the order of examples.
  public var seed: UInt64 = 0

  /// The published settings.
  public init() {}
}
