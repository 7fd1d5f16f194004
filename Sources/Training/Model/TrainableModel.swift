public import TinctureNetworks
public import TinctureTensors
public import TinctureTorch

/// The tensors of a network in training: those that follow gradients and those that do not.
///
/// Layers with a ``Parameterization`` are held by its tensors alone; all others by their dense tensors. Only what the
/// current phase needs is in memory.
public struct TrainableModel: Sendable {
  /// The tensors that follow gradients, each of which requires them.
  public private(set) var trained: [String: TorchTensor]
  /// The tensors that stay as they are, or are counted (means and variances of normalisations).
  public private(set) var fixed: [String: TorchTensor]
  /// The parameterised layers by the full names of their dense weights.
  public private(set) var layers: [String: any Parameterization]

  /// Collects the tensors of a phase.
  ///
  /// - Parameters:
  ///   - trained: What follows gradients, under full names.
  ///   - fixed: Everything else, under full names.
  ///   - layers: The parameterised layers by the full names of their dense weights.
  /// - Throws: `engine` when LibTorch fails.
  public init(
    trained: [String: TorchTensor], fixed: [String: TorchTensor],
    layers: [String: any Parameterization] = [:]
  ) throws(TinctureError) {
    var variables: [String: TorchTensor] = [:]
    for (name, tensor) in trained { variables[name] = try tensor.requiringGradient() }
    self.trained = variables
    self.fixed = fixed
    self.layers = layers
  }

  /// The names of what follows gradients, in the order in which an optimiser has them.
  public var trainedNames: [String] { trained.keys.sorted() }

  /// The tensors that follow gradients, in the order of ``trainedNames``.
  public var variables: [TorchTensor] { trainedNames.compactMap { trained[$0] } }

  /// How many numbers follow gradients.
  public var trainedCount: Int { trained.values.reduce(0) { $0 + $1.elementCount } }

  /// What a forward pass takes.
  public var parameters: Parameters {
    let all = Parameters(trained.merging(fixed) { own, _ in own })
    return layers.isEmpty ? all : all.computed(by: ParameterizedLayers(layers, all))
  }

  /// Puts new values in, in the order of ``trainedNames``.
  public mutating func replace(_ variables: [TorchTensor]) {
    for (name, tensor) in zip(trainedNames, variables) { trained[name] = tensor }
  }

  /// Puts new values of tensors that follow no gradients in.
  public mutating func keep(_ counted: [String: TorchTensor]) {
    fixed.merge(counted) { $1 }
  }

  /// Makes a tensor one that follows gradients.
  mutating func train(_ name: String, _ tensor: TorchTensor) throws(TinctureError) {
    trained[name] = try tensor.requiringGradient()
    fixed[name] = nil
  }

  /// Takes a tensor that follows gradients out.
  mutating func removeTrained(_ name: String) -> TorchTensor? { trained.removeValue(forKey: name) }

  /// Takes a tensor that follows no gradients out.
  mutating func removeFixed(_ name: String) -> TorchTensor? { fixed.removeValue(forKey: name) }

  /// Says how a layer is held; nil by its dense weight.
  mutating func setLayer(_ name: String, _ layer: (any Parameterization)?) { layers[name] = layer }

  /// The dense tensors of the network.
  ///
  /// - Throws: `engine` when LibTorch fails.
  public func folded() throws(TinctureError) -> [String: TorchTensor] {
    let all = Parameters(trained.merging(fixed) { own, _ in own })
    var own: Set<String> = []
    var dense: [String: TorchTensor] = [:]
    for (name, layer) in layers {
      own.formUnion((layer.trainedShapes + layer.fixedShapes).map(\.name))
      dense[name] = try withoutGradients { () throws(TinctureError) in
        try layer.folded(all).detached()
      }
    }
    for (name, tensor) in all.all where !own.contains(name) {
      dense[name] = try tensor.detached()
    }
    return dense
  }
}

/// Parameterised layers with their tensors, as a network computes them.
private struct ParameterizedLayers: LayerComputation {
  private let layers: [String: any Parameterization]
  private let tensors: Parameters

  init(_ layers: [String: any Parameterization], _ tensors: Parameters) {
    self.layers = layers
    self.tensors = tensors
  }

  func linear(
    _ weight: String, _ input: TorchTensor, bias: TorchTensor?, isInputMajor: Bool
  ) throws(TinctureError) -> TorchTensor? {
    guard let layer = layers[weight] else { return nil }
    if let output = try layer.linear(input, bias: bias, isInputMajor: isInputMajor, tensors) {
      return output
    }
    let dense = try layer.folded(tensors)
    return try input.linear(weight: isInputMajor ? dense.transposed() : dense, bias: bias)
  }

  func convolution(
    _ weight: String, _ input: TorchTensor, bias: TorchTensor?, stride: Int, padding: Int
  ) throws(TinctureError) -> TorchTensor? {
    guard let layer = layers[weight] else { return nil }
    if let output = try layer.convolution(
      input, bias: bias, stride: stride, padding: padding, tensors)
    {
      return output
    }
    return try input.conv2d(
      weight: layer.folded(tensors), bias: bias, stride: stride, padding: padding)
  }
}
