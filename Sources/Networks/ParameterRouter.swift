public import TinctureTensors
public import TinctureTorch

/// Makes the parameters of a perceptron anew for what goes into it.
public protocol ParameterRouter: Sendable {
  /// The parameters of a block's perceptron.
  ///
  /// - Parameters:
  ///   - module: The full name of the block.
  ///   - tokens: What goes into the perceptron, [N, tokens, width].
  ///   - parameters: The network's parameters.
  /// - Returns: Tensors by their full names in place of the network's: the same for all inputs, or with a first
  ///   axis of N, one for each.
  /// - Throws: `checkpoint` for a missing parameter, `engine` when LibTorch fails.
  func parameters(
    of module: String, for tokens: TorchTensor, _ parameters: Parameters
  ) throws(TinctureError) -> [String: TorchTensor]
}

/// The perceptron of a transformer's block.
public struct Perceptron: Sendable, Hashable {
  /// The full name of the block.
  public let module: String
  /// The numbers in a token that goes in.
  public let width: Int
  /// The full names and the extents of the perceptron's parameters.
  public let parameters: [ParameterShape]
}

/// A network whose perceptrons ask a router for their parameters, where there is one.
public protocol PerceptronNetwork: ImageEncoder {
  /// The perceptrons in the order of the computation.
  var perceptrons: [Perceptron] { get }
}
