public import TinctureNetworks
public import TinctureTensors
public import TinctureTorch

/// The numbers with which networks begin at random.
///
/// They are those of the libraries and papers that the networks come from; scales of normalisations are one, their
/// shifts and other biases zero, counted means zero and counted variances one, where nothing else is said.
///
/// - Vision transformer (timm): matrices and positions normal with deviation 0.02, the class token with 10⁻⁶; the cut
///   into squares, a convolution, uniform up to 1/√inputs with its bias.
/// - Residual network of bottlenecks (torchvision): convolutions normal with variance 2 / (outputs · places), the head
///   uniform up to 1/√inputs with its bias. (He et al., arXiv:1502.01852)
/// - Small residual network (the published dynamic ranks): convolutions and head uniform up to
///   √(6 / (inputs + outputs)) (Glorot and Bengio 2010), and the scale of a block's last normalisation zero.
/// - Wide residual network (its authors): convolutions as torchvision's, the head uniform up to 1/√inputs.
/// - BERT and RoBERTa (transformers): matrices and tables normal with deviation 0.02, the row of the padding zero.
///
/// Every parameter has a stream of its own: its numbers depend on the seed, its name and its extents alone.
public struct InitialWeights: Sendable {
  /// The seed.
  public let seed: UInt64

  /// Begins with a seed.
  public init(seed: UInt64) { self.seed = seed }

  /// All parameters of a network.
  ///
  /// - Parameters:
  ///   - network: A network that can be trained from scratch.
  ///   - device: Where they shall lie.
  /// - Returns: Tensors of single precision by their full names.
  /// - Throws: `usage` for a network that begins from a checkpoint only, `engine` when memory runs out.
  public func tensors(
    of network: any Network, on device: TorchDevice = .cpu
  ) throws(TinctureError) -> [String: TorchTensor] {
    guard let rule = Self.rule(of: network) else {
      throw TinctureError(
        .usage,
        "A \(type(of: network)) does not begin at random; begin it from a model. Vision transformers, residual"
          + " networks, and BERT or RoBERTa with a head do.")
    }
    var tensors: [String: TorchTensor] = [:]
    for shape in network.parameterShapes {
      tensors[shape.name] = try tensor(shape, rule(shape), on: device)
    }
    return tensors
  }

  /// A linear head, uniform up to 1/√width as PyTorch's layers begin, with a bias of zeros.
  ///
  /// - Parameters:
  ///   - name: The module of the head, under which its stream stands.
  ///   - classes: The number of classes.
  ///   - width: The numbers in a feature.
  ///   - device: Where it shall lie.
  /// - Returns: A weight [classes, width] and a bias [classes].
  /// - Throws: `engine` when memory runs out.
  public func head(
    _ name: String = "head", classes: Int, width: Int, on device: TorchDevice = .cpu
  ) throws(TinctureError) -> (weight: TorchTensor, bias: TorchTensor) {
    let weight = ParameterShape(name + ".weight", [classes, width])
    return (
      try tensor(weight, .uniform(1 / Double(max(1, width)).squareRoot()), on: device),
      try .zeros([classes], on: device)
    )
  }

  private func tensor(
    _ shape: ParameterShape, _ start: Start, on device: TorchDevice
  ) throws(TinctureError) -> TorchTensor {
    let random = CounterRandom(seed: seed, tensor: shape.name, purpose: "start")
    switch start {
    case .number(let value): return try .full(shape.extents, value, on: device)
    case .uniform(let limit):
      return try .uniform(shape.extents, random, low: -limit, high: limit, on: device)
    case .normal(let deviation, let zeroRow):
      let drawn = try TorchTensor.normal(shape.extents, random, deviation: deviation, on: device)
      guard let zeroRow, shape.extents.first ?? 0 > zeroRow else { return drawn }
      return try drawn.withZeros(inRow: zeroRow)
    }
  }
}

/// How a parameter begins.
private enum Start {
  case number(Double)
  case uniform(Double)
  case normal(Double, zeroRow: Int? = nil)
}

extension InitialWeights {
  /// How the parameters of a network begin; nil for one that begins from a checkpoint.
  private static func rule(of network: any Network) -> ((ParameterShape) -> Start)? {
    switch network {
    case let network as VisionTransformer:
      let inputs = network.channels * network.patchSize * network.patchSize
      let limit = 1 / Double(max(1, inputs)).squareRoot()
      return { shape in
        if shape.name.hasPrefix(network.patchModule + ".") { return .uniform(limit) }
        if shape.name == "cls_token" { return .normal(1e-6) }
        return shape.extents.count > 1 ? .normal(0.02) : usual(shape)
      }
    case is ResNet, is WideResNet:
      let hasRandomBias = network is ResNet
      return { shape in
        switch shape.extents.count {
        case 4:
          let outputs = shape.extents[0] * shape.extents[2] * shape.extents[3]
          return .normal((2 / Double(outputs)).squareRoot())
        case 2: return .uniform(1 / Double(shape.extents[1]).squareRoot())
        case 1 where hasRandomBias && shape.name.hasSuffix("fc.bias"):
          let width = (network as? ResNet)?.featureWidth ?? 1
          return .uniform(1 / Double(width).squareRoot())
        default: return usual(shape)
        }
      }
    case is SmallResNet:
      return { shape in
        guard shape.extents.count > 1 else {
          return shape.name.hasSuffix(".bn2.weight") ? .number(0) : usual(shape)
        }
        let places = shape.extents.dropFirst(2).reduce(1, *)
        let fans = (shape.extents[0] + shape.extents[1]) * places
        return .uniform((6 / Double(fans)).squareRoot())
      }
    case let network as BertClassifier: return text(network.encoder)
    case let network as Bert: return text(network)
    default: return nil
    }
  }

  private static func text(_ network: Bert) -> (ParameterShape) -> Start {
    let padding = if case .afterPadding(let id) = network.positions { id } else { 0 }
    let hasPaddedPositions = network.positions != .counted
    return { shape in
      guard shape.extents.count > 1 else { return usual(shape) }
      let hasPadding =
        shape.name.hasSuffix("word_embeddings.weight")
        || hasPaddedPositions && shape.name.hasSuffix("position_embeddings.weight")
      return .normal(0.02, zeroRow: hasPadding ? padding : nil)
    }
  }

  /// How scales, shifts and counted numbers begin.
  private static func usual(_ shape: ParameterShape) -> Start {
    let isOne = ["weight", "gamma", "running_var"].contains { shape.name.hasSuffix("." + $0) }
    return .number(isOne ? 1 : 0)
  }
}

extension TorchTensor {
  /// The elements with zeros in one row.
  fileprivate func withZeros(inRow row: Int) throws(TinctureError) -> TorchTensor {
    let count = shape[0]
    let parts = [
      try slice(0..<row, along: 0), try .zeros([1] + shape.dropFirst(), on: device),
      try slice(row + 1..<count, along: 0),
    ]
    return try .concatenated(parts, along: 0)
  }
}
