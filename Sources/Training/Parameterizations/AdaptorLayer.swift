public import TinctureNetworks
public import TinctureTensors
public import TinctureTorch

/// A layer whose weight stays as it is, with a trained change of low rank beside it.
///
/// W' = W + (α / r) · product. The last factor begins at zero, so that the layer computes what it did; the others
/// begin at random (Glorot). The weight W, under its own name, gets no gradient; the factors are
/// `WEIGHT.adaptor.FACTOR`. In the form of matrices this is LoRA.
///
/// Source: Hu et al., arXiv:2106.09685; for convolutions and other forms Shin et al., arXiv:2508.08625.
public struct AdaptorLayer: FactoredLayer {
  /// The dense weight that it stands for, which stays as it is.
  public let dense: ParameterShape
  /// How the change is a product.
  public let form: FactorForm
  /// The rank.
  public let rank: Int
  /// α, which times the product is divided by the rank.
  public let alpha: Double
  /// The product.
  public let product: any FactorProduct

  /// Describes a layer.
  ///
  /// - Parameters:
  ///   - dense: The dense weight.
  ///   - form: How the change is a product.
  ///   - rank: The rank, one or more.
  ///   - alpha: α; nil takes the published one of the form.
  public init(_ dense: ParameterShape, form: FactorForm, rank: Int, alpha: Double? = nil) {
    self.dense = dense
    self.form = form
    self.rank = rank
    self.alpha = alpha ?? form.usualAlpha
    product = form.product(for: dense.extents, rank: rank)
  }

  /// α / r.
  public var scale: Double { alpha / Double(rank) }
  /// `adaptor`.
  public var group: String { "adaptor" }
  /// The weight.
  public var fixedShapes: [ParameterShape] { [dense] }

  /// The weight as it is, and factors whose product is zero.
  public func tensors(
    from weight: TorchTensor, _ random: CounterRandom
  ) throws(TinctureError) -> [String: TorchTensor] {
    var factors = try product.random(random, on: weight.device)
    if let last = factors.popLast() { factors.append(try .zeros(last.shape, on: weight.device)) }
    var tensors = Dictionary(zip(factorNames, factors)) { $1 }
    tensors[dense.name] = try weight.detached()
    return tensors
  }

  /// W + (α / r) · product.
  public func folded(_ tensors: Parameters) throws(TinctureError) -> TorchTensor {
    let change = try change(factors(tensors))
    let weight = try tensors(dense.name)
    return try (weight.dtype == .f64 ? weight : weight.converted(to: .f32)) + change
  }

  /// The layer with its weight, and the change by its factors.
  public func linear(
    _ input: TorchTensor, bias: TorchTensor?, isInputMajor: Bool, _ tensors: Parameters
  ) throws(TinctureError) -> TorchTensor? {
    guard
      let change = try product.linear(
        input, bias: nil, isInputMajor: isInputMajor, factors(tensors))
    else { return nil }
    let weight = try tensors(dense.name)
    let output = try input.linear(
      weight: isInputMajor ? weight.transposed() : weight, bias: bias)
    return try output.sum(with: change, times: scale)
  }

  /// The convolution with its weight, and the change by its factors.
  public func convolution(
    _ input: TorchTensor, bias: TorchTensor?, stride: Int, padding: Int, _ tensors: Parameters
  ) throws(TinctureError) -> TorchTensor? {
    guard
      let change = try product.convolution(
        input, bias: nil, stride: stride, padding: padding, factors(tensors))
    else { return nil }
    let output = try input.conv2d(
      weight: tensors(dense.name), bias: bias, stride: stride, padding: padding)
    return try output.sum(with: change, times: scale)
  }

  /// Whether two layers have the same tensors and the same scale.
  public static func == (left: AdaptorLayer, right: AdaptorLayer) -> Bool {
    left.dense == right.dense && left.alpha == right.alpha && left.rank == right.rank
      && AnyHashable(left.product) == AnyHashable(right.product)
  }

  /// Feeds the weight and the factors to the hasher.
  public func hash(into hasher: inout Hasher) {
    hasher.combine(dense)
    hasher.combine(alpha)
    hasher.combine(AnyHashable(product))
  }
}
