public import TinctureTensors
public import TinctureTorch

/// How a weight is written as a product of smaller tensors, by the names that recipes use.
public enum FactorForm: String, Sendable, Hashable, CaseIterable {
  /// ``MatrixFactors``: two matrices, or a convolution and one of a single place.
  case matrix
  /// ``TuckerFactors``: a smaller convolution between two of a single place.
  case tucker
  /// ``PolyadicFactors``: four vectors for each rank.
  case cp
  /// ``ChainFactors``: a row and a column of filters between two convolutions of a single place.
  case chain

  /// The product for a weight.
  ///
  /// - Parameters:
  ///   - extents: The extents of the weight. One that is a matrix is a product of two matrices in every form.
  ///   - rank: The rank, one or more.
  /// - Returns: A product of the form.
  public func product(for extents: [Int], rank: Int) -> any FactorProduct {
    guard extents.count == 4 else { return MatrixFactors(extents, rank: rank) }
    return switch self {
    case .matrix: MatrixFactors(extents, rank: rank)
    case .tucker: TuckerFactors(extents, rank: rank)
    case .cp: PolyadicFactors(extents, rank: rank)
    case .chain: ChainFactors(extents, rank: rank)
    }
  }

  /// What an adaptor's change is multiplied by, times the rank: the published α.
  public var usualAlpha: Double {
    switch self {
    case .matrix: 16
    case .tucker: 1
    case .cp, .chain: 64
    }
  }

  /// Whether the factors of a given weight can be found by singular values.
  public var isDecomposable: Bool { self == .matrix || self == .tucker }
}

/// A factor of a product.
public struct Factor: Sendable, Hashable {
  /// What it is called within its layer.
  public let name: String
  /// Its extents, outermost first.
  public let extents: [Int]
  /// How many inputs an output sees, and how many outputs an input.
  let fans: (inputs: Int, outputs: Int)

  init(_ name: String, _ extents: [Int], perChannel: Bool = false) {
    self.name = name
    self.extents = extents
    let places = extents.dropFirst(2).reduce(1, *)
    fans = perChannel ? (places, places) : (extents[1] * places, extents[0] * places)
  }

  /// Whether two factors have a name and extents in common.
  public static func == (left: Factor, right: Factor) -> Bool {
    left.name == right.name && left.extents == right.extents
  }

  /// Feeds the name and the extents to the hasher.
  public func hash(into hasher: inout Hasher) {
    hasher.combine(name)
    hasher.combine(extents)
  }

  /// Numbers as Glorot and Bengio begin: uniform up to √(6 / (inputs + outputs)) in both directions.
  func random(
    _ stream: CounterRandom, from start: Int, on device: TorchDevice
  ) throws(TinctureError) -> TorchTensor {
    let limit = (6 / Double(max(1, fans.inputs + fans.outputs))).squareRoot()
    return try .uniform(extents, stream, from: start, low: -limit, high: limit, on: device)
  }
}

/// A weight as a product of tensors, which is linear in each of them.
public protocol FactorProduct: Sendable, Hashable {
  /// The factors in the order in which an input meets them.
  var factors: [Factor] { get }

  /// The product.
  ///
  /// - Parameter factors: A tensor for each of ``factors``.
  /// - Returns: A tensor of the weight's extents.
  /// - Throws: `engine` when LibTorch fails.
  func product(_ factors: [TorchTensor]) throws(TinctureError) -> TorchTensor

  /// Factors whose product is near a weight.
  ///
  /// - Parameter weight: The weight.
  /// - Returns: A tensor for each of ``factors``, or nil where the form has no way to find them.
  /// - Throws: `numerics` failures of the library, `missingFacility` without one.
  func factors(of weight: TorchTensor) throws(TinctureError) -> [TorchTensor]?

  /// A linear layer with the product as its weight; nil where the weight is no matrix.
  func linear(
    _ input: TorchTensor, bias: TorchTensor?, isInputMajor: Bool, _ factors: [TorchTensor]
  ) throws(TinctureError) -> TorchTensor?

  /// A convolution with the product as its filters; nil where the weight is a matrix.
  func convolution(
    _ input: TorchTensor, bias: TorchTensor?, stride: Int, padding: Int, _ factors: [TorchTensor]
  ) throws(TinctureError) -> TorchTensor?
}

extension FactorProduct {
  /// How many numbers the factors have.
  public var elementCount: Int { factors.reduce(0) { $0 + $1.extents.reduce(1, *) } }

  /// Nothing: most forms have no way.
  public func factors(of weight: TorchTensor) throws(TinctureError) -> [TorchTensor]? { nil }

  /// Nothing: most forms are for convolutions only.
  public func linear(
    _ input: TorchTensor, bias: TorchTensor?, isInputMajor: Bool, _ factors: [TorchTensor]
  ) throws(TinctureError) -> TorchTensor? { nil }

  /// Factors at random, one after another from a stream.
  func random(
    _ stream: CounterRandom, on device: TorchDevice
  ) throws(TinctureError) -> [TorchTensor] {
    var start = 0
    var tensors: [TorchTensor] = []
    for factor in factors {
      tensors.append(try factor.random(stream, from: start, on: device))
      start += factor.extents.reduce(1, *)
    }
    return tensors
  }
}
