public import TinctureTensors
public import TinctureTorch

/// The parameters of a network by their names, seen from one of its modules.
///
/// A network is a function of its parameters, so that a parameter can be any tensor: one that was read
/// from a checkpoint, one that requires gradients, or the result of operators on other tensors. Modules
/// see their own part: `parameters.scope("blocks.3")("norm1.weight")` is `blocks.3.norm1.weight`.
public struct Parameters: Sendable {
  private let tensors: [String: TorchTensor]
  private let prefix: String

  /// Creates parameters from tensors under their full names.
  public init(_ tensors: [String: TorchTensor]) {
    self.init(tensors, prefix: "")
  }

  private init(_ tensors: [String: TorchTensor], prefix: String) {
    self.tensors = tensors
    self.prefix = prefix
  }

  /// All parameters under their full names, those of other modules included.
  public var all: [String: TorchTensor] { tensors }

  /// The parameters of a module.
  ///
  /// - Parameter module: The module's name within this one, without a dot at its end; an empty name is
  ///   this module.
  /// - Returns: The same tensors, seen from the module.
  public func scope(_ module: String) -> Parameters {
    module.isEmpty ? self : Parameters(tensors, prefix: prefix + module + ".")
  }

  /// The parameters of a module in a list: `blocks.3`.
  public func scope(_ list: String, _ index: Int) -> Parameters { scope("\(list).\(index)") }

  /// The parameter of a name within this module.
  ///
  /// - Throws: `checkpoint` with the full name when it is missing.
  public func callAsFunction(_ name: String) throws(TinctureError) -> TorchTensor {
    guard let tensor = tensors[prefix + name] else {
      throw TinctureError(
        .checkpoint, "The network needs this parameter, which the model does not have.",
        at: .init(tensor: prefix + name))
    }
    return tensor
  }

  /// The parameter of a name within this module, if there is one.
  public func optional(_ name: String) -> TorchTensor? { tensors[prefix + name] }

  /// The same parameters with some replaced or added.
  ///
  /// - Parameter others: Tensors under their full names.
  /// - Returns: Parameters of the same module.
  public func replacing(_ others: [String: TorchTensor]) -> Parameters {
    Parameters(tensors.merging(others) { $1 }, prefix: prefix)
  }
}

// Layers whose parameters are named as PyTorch names them.
extension Parameters {
  /// x · weightᵀ + bias, with `NAME.weight` [outputs, inputs] and, where there is one, `NAME.bias` [outputs].
  public func linear(_ name: String, _ x: TorchTensor) throws(TinctureError) -> TorchTensor {
    try x.linear(weight: self(name + ".weight"), bias: optional(name + ".bias"))
  }

  /// Layer normalisation of the last axis with `NAME.weight` and, where there is one, `NAME.bias`.
  public func layerNorm(
    _ name: String, _ x: TorchTensor, epsilon: Double
  ) throws(TinctureError) -> TorchTensor {
    let weight = try self(name + ".weight")
    return try x.layerNorm(weight: weight, bias: optional(name + ".bias"), epsilon: epsilon)
  }

  /// A convolution with `NAME.weight` [outputs, channels, height, width] and, where there is one, `NAME.bias`.
  public func convolution(
    _ name: String, _ x: TorchTensor, stride: Int = 1, padding: Int = 0
  ) throws(TinctureError) -> TorchTensor {
    try x.conv2d(
      weight: self(name + ".weight"), bias: optional(name + ".bias"), stride: stride,
      padding: padding)
  }

  /// Channels shifted and scaled by what was counted in training, `NAME.running_mean` and
  /// `NAME.running_var`, then scaled and shifted by `NAME.weight` and `NAME.bias`.
  ///
  /// LibTorch's operator has no derivative with respect to what was counted; where that requires
  /// gradients, the formula is computed by other operators.
  public func batchNorm(
    _ name: String, _ x: TorchTensor, epsilon: Double
  ) throws(TinctureError) -> TorchTensor {
    let module = scope(name)
    let (mean, variance) = (try module("running_mean"), try module("running_var"))
    let (weight, bias) = (try module("weight"), try module("bias"))
    guard mean.requiresGradient || variance.requiresGradient else {
      return try x.batchNorm(
        mean: mean, variance: variance, weight: weight, bias: bias, epsilon: epsilon)
    }
    let factor = try weight * (variance + epsilon).rsqrt()
    let shape = [-1] + Array(repeating: 1, count: max(0, x.rank - 2))
    return try x * factor.reshaped(shape) + (bias - mean * factor).reshaped(shape)
  }
}
