public import TinctureTensors
public import TinctureTorch

/// Adds to what linear layers give, for what enters them.
public protocol LayerExpansion: Sendable {
  /// What is added behind a layer.
  ///
  /// - Parameters:
  ///   - weight: The full name of the layer's weight.
  ///   - input: What enters, [N, tokens, inputs] or [N, inputs].
  /// - Returns: What is added, with outputs in place of inputs; nil for a layer that is as it is.
  /// - Throws: `engine` when LibTorch fails.
  func addition(
    behind weight: String, for input: TorchTensor
  ) throws(TinctureError) -> TorchTensor?
}
