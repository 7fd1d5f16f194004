internal import Synchronization
public import TinctureTensors
public import TinctureTorch

/// Takes note of what chosen blocks of a network put out.
///
/// Parameters ask it when they are ``Parameters/hooked(_:)``; tokens go on as they are.
public final class BlockStates: BlockHook {
  private let blocks: Set<Int>
  private let states = Mutex<[Int: TorchTensor]>([:])

  /// Prepares to note.
  ///
  /// - Parameter blocks: The blocks whose states are wanted, from 0.
  public init(of blocks: some Sequence<Int>) { self.blocks = Set(blocks) }

  /// The states [N, tokens, width] after a block in the last computation, if it was reached.
  public subscript(block: Int) -> TorchTensor? { states.withLock { $0[block] } }

  /// Takes note of tokens that leave a chosen block.
  public func callAsFunction(
    _ tokens: TorchTensor, leaving block: Int, mask: TorchTensor?
  ) throws(TinctureError) -> TorchTensor {
    if blocks.contains(block) { states.withLock { $0[block] = tokens } }
    return tokens
  }
}
