public import TinctureTensors
public import TinctureTorch

/// Computes layers otherwise than by their dense weights.
///
/// A layer whose weight is a product of factors, or a fixed weight with something added to it, is cheaper
/// to compute by its parts. A layer that a computation does not know is computed by its dense weight.
public protocol LayerComputation: Sendable {
  /// x · weightᵀ + bias.
  ///
  /// - Parameters:
  ///   - weight: The full name of the dense weight.
  ///   - input: What enters, [N, …, inputs].
  ///   - bias: What is added, [outputs].
  ///   - isInputMajor: Whether the dense weight is stored [inputs, outputs].
  /// - Returns: The output, or nil for a layer that is computed by its dense weight.
  /// - Throws: `engine` when LibTorch fails.
  func linear(
    _ weight: String, _ input: TorchTensor, bias: TorchTensor?, isInputMajor: Bool
  ) throws(TinctureError) -> TorchTensor?

  /// A convolution.
  ///
  /// - Parameters:
  ///   - weight: The full name of the dense weight [outputs, channels, height, width].
  ///   - input: What enters, [N, channels, height, width].
  ///   - bias: What is added, [outputs].
  ///   - stride: The stride in both directions.
  ///   - padding: The zeros around the input.
  /// - Returns: The output, or nil for a layer that is computed by its dense weight.
  /// - Throws: `engine` when LibTorch fails.
  func convolution(
    _ weight: String, _ input: TorchTensor, bias: TorchTensor?, stride: Int, padding: Int
  ) throws(TinctureError) -> TorchTensor?
}
