public import TinctureTensors
public import TinctureTorch

/// A network whose body is a row of blocks from tokens to tokens of one width.
///
/// What leaves each block can be seen and changed from outside: see ``Parameters/hooked(_:)``.
public protocol BlockNetwork: Network {
  /// How many blocks there are.
  var blockCount: Int { get }
  /// The numbers in a token.
  var blockWidth: Int { get }
}

/// Sees what leaves each block of a network, and may put something else in its place.
public protocol BlockHook: Sendable {
  /// Looks at tokens between two blocks, or behind the last one.
  ///
  /// - Parameters:
  ///   - tokens: The tokens, [N, tokens, width].
  ///   - block: The number of the block that they leave, from 0.
  ///   - mask: Which tokens are no padding, as truth values [N, tokens]; nil when all are.
  /// - Returns: What goes on to the next block, of the same shape.
  /// - Throws: `engine` when LibTorch fails.
  func callAsFunction(
    _ tokens: TorchTensor, leaving block: Int, mask: TorchTensor?
  ) throws(TinctureError) -> TorchTensor
}

extension VisionTransformer: BlockNetwork {
  /// How many blocks there are.
  public var blockCount: Int { depth }
  /// The numbers in a token.
  public var blockWidth: Int { width }
}

extension ClipVision: BlockNetwork {
  /// How many blocks there are.
  public var blockCount: Int { depth }
  /// The numbers in a token.
  public var blockWidth: Int { width }
}

extension Bert: BlockNetwork {
  /// How many blocks there are.
  public var blockCount: Int { depth }
  /// The numbers in a token.
  public var blockWidth: Int { width }
}

extension BertClassifier: BlockNetwork {
  /// How many blocks there are.
  public var blockCount: Int { encoder.depth }
  /// The numbers in a token.
  public var blockWidth: Int { encoder.width }
}

extension SentenceEncoder: BlockNetwork {
  /// How many blocks there are.
  public var blockCount: Int { encoder.depth }
  /// The numbers in a token.
  public var blockWidth: Int { encoder.width }
}

extension ClipText: BlockNetwork {
  /// How many blocks there are.
  public var blockCount: Int { depth }
  /// The numbers in a token.
  public var blockWidth: Int { width }
}

extension Llama: BlockNetwork {
  /// How many blocks there are.
  public var blockCount: Int { depth }
  /// The numbers in a token.
  public var blockWidth: Int { width }
}
