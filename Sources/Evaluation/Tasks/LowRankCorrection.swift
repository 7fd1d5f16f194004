internal import TinctureCheckpoints
internal import TinctureNetworks
package import TinctureTensors
package import TinctureTorch

/// What a task subtracts from features or tokens x of a merged network: x − U ReLU(A x).
///
/// Source: Yang et al., arXiv:2402.02705 and 2410.14389.
package struct LowRankCorrection: Sendable {
  /// A, [r, width].
  package var down: TorchTensor
  /// U, [width, r].
  package var up: TorchTensor

  /// Puts a correction together.
  package init(down: TorchTensor, up: TorchTensor) {
    self.down = down
    self.up = up
  }

  /// The corrected rows of [.., width].
  package func callAsFunction(_ x: TorchTensor) throws(TinctureError) -> TorchTensor {
    try x - x.linear(weight: down).relu().linear(weight: up)
  }

  /// The roles in which A and U stand in a file of parts.
  ///
  /// - Parameter block: The block whose tokens are corrected; nil for the features.
  /// - Returns: Both roles.
  package static func roles(block: Int? = nil) -> (down: String, up: String) {
    let prefix = "surgery." + (block.map { "blocks.\($0)." } ?? "")
    return (prefix + "down", prefix + "up")
  }
}

/// Corrects the tokens that leave some of the blocks of a network.
package struct BlockCorrections: BlockHook {
  /// The corrections by the number of the block.
  package let corrections: [Int: LowRankCorrection]

  /// Takes corrections by the number of the block.
  package init(_ corrections: [Int: LowRankCorrection]) { self.corrections = corrections }

  /// The corrected tokens.
  package func callAsFunction(
    _ tokens: TorchTensor, leaving block: Int, mask: TorchTensor?
  ) throws(TinctureError) -> TorchTensor {
    guard let correction = corrections[block] else { return tokens }
    return try correction(tokens)
  }
}

extension TaskPart {
  /// The correction of features or of a block's tokens, if the part has one.
  ///
  /// - Parameters:
  ///   - block: The block; nil for the features.
  ///   - width: The numbers in a feature or token.
  /// - Returns: The correction.
  /// - Throws: `checkpoint` when its tensors do not fit each other or the width.
  func correction(block: Int? = nil, width: Int) throws(TinctureError) -> LowRankCorrection? {
    let roles = LowRankCorrection.roles(block: block)
    let (down, up) = (tensor(roles.down), tensor(roles.up))
    if down == nil, up == nil { return nil }
    guard let down, let up, down.rank == 2, down.shape[1] == width,
      up.shape == [width, down.shape[0]]
    else {
      throw TinctureError(
        .checkpoint,
        "The task '\(name)' corrects \(width) numbers by '\(roles.down)'"
          + " \(down.map { "\($0.shape)" } ?? "(missing)") and '\(roles.up)'"
          + " \(up.map { "\($0.shape)" } ?? "(missing)"); they must be [r, \(width)] and [\(width), r]."
      )
    }
    return LowRankCorrection(down: down, up: up)
  }

  /// Parameters with the part's own in place of some, whose blocks are corrected where the part says so.
  ///
  /// - Parameters:
  ///   - shared: The parameters of the model.
  ///   - network: The network.
  /// - Returns: The parameters of the task.
  /// - Throws: `checkpoint` when a correction does not fit the network.
  func parameters(
    _ shared: Parameters, for network: any Network
  ) throws(TinctureError) -> Parameters {
    let own = parameters(shared)
    let numbers = correctedBlocks
    guard let last = numbers.max() else { return own }
    guard let blocks = network as? any BlockNetwork, last < blocks.blockCount else {
      throw TinctureError(
        .checkpoint,
        "The task '\(name)' corrects what leaves block \(last), which the network does not have.")
    }
    var corrections: [Int: LowRankCorrection] = [:]
    for number in numbers {
      corrections[number] = try correction(block: number, width: blocks.blockWidth)
    }
    return own.hooked(BlockCorrections(corrections))
  }
}
