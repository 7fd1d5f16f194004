public import TinctureNetworks
public import TinctureTensors
public import TinctureTorch

/// A way of holding the weight of a layer: which tensors stand for it and which of them are trained.
///
/// A parameterisation describes one layer and holds no tensors; these go through ``TrainableModel``, under names that
/// begin with the layer's weight: `layer1.0.conv1.weight.low_rank.down`. It folds back to the dense weight at any time.
public protocol Parameterization: Sendable, Hashable {
  /// The dense weight that it stands for.
  var dense: ParameterShape { get }

  /// The tensors that are trained, under their full names.
  var trainedShapes: [ParameterShape] { get }

  /// The tensors that stay as they are, under their full names.
  var fixedShapes: [ParameterShape] { get }

  /// Makes the tensors at the beginning of a phase.
  ///
  /// - Parameters:
  ///   - weight: The dense weight so far.
  ///   - random: Numbers for what is begun at random, a stream of this layer's own.
  /// - Returns: All tensors of ``trainedShapes`` and ``fixedShapes`` by their full names.
  /// - Throws: `engine` when LibTorch fails, `numerics` when a decomposition fails.
  func tensors(
    from weight: TorchTensor, _ random: CounterRandom
  ) throws(TinctureError) -> [String: TorchTensor]

  /// The dense weight that the tensors stand for.
  ///
  /// - Parameter tensors: The tensors by their full names; those of other layers are passed over.
  /// - Returns: A tensor of the extents of ``dense``, in single precision.
  /// - Throws: `engine` when LibTorch fails.
  func folded(_ tensors: Parameters) throws(TinctureError) -> TorchTensor

  /// The layer, where it is a linear one; nil computes it by its dense weight.
  func linear(
    _ input: TorchTensor, bias: TorchTensor?, isInputMajor: Bool, _ tensors: Parameters
  ) throws(TinctureError) -> TorchTensor?

  /// The layer, where it is a convolution; nil computes it by its dense weight.
  func convolution(
    _ input: TorchTensor, bias: TorchTensor?, stride: Int, padding: Int, _ tensors: Parameters
  ) throws(TinctureError) -> TorchTensor?
}
