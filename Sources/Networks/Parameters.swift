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
  private let hooks: ParameterHooks

  /// Creates parameters from tensors under their full names.
  public init(_ tensors: [String: TorchTensor]) {
    self.init(tensors, prefix: "", ParameterHooks())
  }

  private init(_ tensors: [String: TorchTensor], prefix: String, _ hooks: ParameterHooks) {
    self.tensors = tensors
    self.prefix = prefix
    self.hooks = hooks
  }

  /// All parameters under their full names, those of other modules included.
  public var all: [String: TorchTensor] { tensors }

  /// The parameters of a module.
  ///
  /// - Parameter module: The module's name within this one, without a dot at its end; an empty name is
  ///   this module.
  /// - Returns: The same tensors, seen from the module.
  public func scope(_ module: String) -> Parameters {
    module.isEmpty ? self : Parameters(tensors, prefix: prefix + module + ".", hooks)
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
    Parameters(tensors.merging(others) { $1 }, prefix: prefix, hooks)
  }
}

/// Who sees or changes what goes through a network, where there is somebody.
private struct ParameterHooks: Sendable {
  var observer: LayerObserver?
  var router: (any ParameterRouter)?
  var block: (any BlockHook)?
  var expansion: (any LayerExpansion)?
  var computation: (any LayerComputation)?
  var training: TrainingPass?

  func with(_ change: (inout ParameterHooks) -> Void) -> ParameterHooks {
    var other = self
    change(&other)
    return other
  }
}

// What can be seen and changed from outside.
extension Parameters {
  /// The same parameters, with somebody who hears what enters each layer that is computed from them.
  ///
  /// - Parameter observer: Hears of linear layers, convolutions and normalisations before they are computed.
  /// - Returns: Parameters of the same module.
  public func observed(by observer: @escaping LayerObserver) -> Parameters {
    Parameters(tensors, prefix: prefix, hooks.with { $0.observer = observer })
  }

  /// The same parameters, of which a router makes those of perceptrons anew for every input.
  public func routed(through router: (any ParameterRouter)?) -> Parameters {
    Parameters(tensors, prefix: prefix, hooks.with { $0.router = router })
  }

  /// The same parameters for a network whose blocks are looked at, or changed, by a hook.
  ///
  /// - Parameter hook: Sees what leaves each block of a ``BlockNetwork``.
  /// - Returns: Parameters of the same module.
  public func hooked(_ hook: any BlockHook) -> Parameters {
    Parameters(tensors, prefix: prefix, hooks.with { $0.block = hook })
  }

  /// The same parameters, with something that is added to what linear layers give.
  public func expanded(by expansion: (any LayerExpansion)?) -> Parameters {
    Parameters(tensors, prefix: prefix, hooks.with { $0.expansion = expansion })
  }

  /// The same parameters for layers of which some are computed otherwise than by their weights.
  public func computed(by computation: (any LayerComputation)?) -> Parameters {
    Parameters(tensors, prefix: prefix, hooks.with { $0.computation = computation })
  }

  /// The same parameters for a pass that is part of training.
  public func inTraining(_ pass: TrainingPass?) -> Parameters {
    Parameters(tensors, prefix: prefix, hooks.with { $0.training = pass })
  }

  /// Who computes layers otherwise, and the full name of a weight.
  func computation(of weight: String) -> (computation: any LayerComputation, weight: String)? {
    hooks.computation.map { ($0, prefix + weight) }
  }

  /// What a linear layer gives, with what is added to it.
  func expanded(
    _ output: TorchTensor, of weight: String, for input: TorchTensor
  ) throws(TinctureError) -> TorchTensor {
    guard let expansion = hooks.expansion,
      let addition = try expansion.addition(behind: prefix + weight, for: input)
    else { return output }
    return try output + addition
  }

  /// What leaves a block, as the hook has it; without a hook as it is.
  func leaving(
    _ block: Int, _ tokens: TorchTensor, mask: TorchTensor? = nil
  ) throws(TinctureError) -> TorchTensor {
    guard let hook = hooks.block else { return tokens }
    return try hook(tokens, leaving: block, mask: mask)
  }

  /// In training, numbers of which each is set to zero with a probability; otherwise as they are.
  ///
  /// - Parameters:
  ///   - name: A name for the place within this module, which no other place has.
  ///   - x: The numbers.
  ///   - probability: The probability of each to become zero, below one.
  /// - Returns: The numbers, of which those that stay are scaled so that the expectation stays.
  /// - Throws: `engine` when memory runs out.
  func dropout(
    _ name: String, _ x: TorchTensor, _ probability: Double
  ) throws(TinctureError) -> TorchTensor {
    guard let training = hooks.training, probability > 0 else { return x }
    return try training.dropout(prefix + name, x, probability)
  }

  /// Tells the observer, if there is one, what enters a layer.
  ///
  /// - Parameters:
  ///   - weight: The name of the layer's weight within this module.
  ///   - layer: What the layer does.
  ///   - input: What enters.
  /// - Throws: What the observer throws.
  func observe(
    _ weight: String, _ layer: @autoclosure () -> LayerInput.Layer, _ input: TorchTensor
  ) throws(TinctureError) {
    guard let observer = hooks.observer else { return }
    try observer(LayerInput(weight: prefix + weight, layer: layer(), input: input))
  }

  /// The parameters of this module for what goes into its perceptron; these, where nothing is routed.
  ///
  /// - Parameter tokens: What goes in, [N, tokens, width].
  /// - Returns: Parameters of the same module.
  /// - Throws: What the router throws.
  func routed(by tokens: TorchTensor) throws(TinctureError) -> Parameters {
    guard let router = hooks.router else { return self }
    return replacing(try router.parameters(of: String(prefix.dropLast()), for: tokens, self))
  }
}

// Layers whose parameters are named as PyTorch names them.
extension Parameters {
  /// x · weightᵀ + bias, with `NAME.weight` [outputs, inputs] and, where there is one, `NAME.bias` [outputs].
  ///
  /// Where inputs x [N, tokens, inputs] have weights of their own, these are [N, outputs, inputs] and
  /// [N, outputs].
  public func linear(_ name: String, _ x: TorchTensor) throws(TinctureError) -> TorchTensor {
    try linear(weight: name + ".weight", bias: name + ".bias", x)
  }

  /// Layer normalisation of the last axis with `NAME.weight` and, where there is one, `NAME.bias`.
  public func layerNorm(
    _ name: String, _ x: TorchTensor, epsilon: Double
  ) throws(TinctureError) -> TorchTensor {
    try layerNorm(weight: name + ".weight", bias: name + ".bias", x, epsilon: epsilon)
  }

  /// A convolution with `NAME.weight` [outputs, channels, height, width] and, where there is one, `NAME.bias`.
  public func convolution(
    _ name: String, _ x: TorchTensor, stride: Int = 1, padding: Int = 0
  ) throws(TinctureError) -> TorchTensor {
    try convolution(
      weight: name + ".weight", bias: name + ".bias", x, stride: stride, padding: padding)
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
    if let training = hooks.training {
      return try training.batchNorm(prefix + name, x, module, epsilon: epsilon)
    }
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
