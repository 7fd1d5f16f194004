public import TinctureNetworks
public import TinctureTensors
public import TinctureTorch

/// A layer whose weight is a product of factors, all of which are trained.
///
/// The tensors are `WEIGHT.low_rank.FACTOR`.
///
/// Source: Shin et al., arXiv:2508.08625.
public struct LowRankLayer: FactoredLayer {
  /// The dense weight that it stands for.
  public let dense: ParameterShape
  /// The product.
  public let product: any FactorProduct
  /// Whether the factors begin as those of the weight so far, and not at random.
  public let startsFromWeight: Bool

  /// Describes a layer.
  ///
  /// - Parameters:
  ///   - dense: The dense weight.
  ///   - form: How the weight is a product.
  ///   - rank: The rank, one or more.
  ///   - startsFromWeight: Whether the factors begin as those of the weight so far.
  public init(_ dense: ParameterShape, form: FactorForm, rank: Int, startsFromWeight: Bool = false)
  {
    self.dense = dense
    product = form.product(for: dense.extents, rank: rank)
    self.startsFromWeight = startsFromWeight
  }

  /// One: the product is the weight.
  public var scale: Double { 1 }
  /// `low_rank`.
  public var group: String { "low_rank" }
  /// None.
  public var fixedShapes: [ParameterShape] { [] }

  /// The factors at random (Glorot), or those nearest to the weight.
  public func tensors(
    from weight: TorchTensor, _ random: CounterRandom
  ) throws(TinctureError) -> [String: TorchTensor] {
    let found = startsFromWeight ? try product.factors(of: weight) : nil
    guard found != nil || !startsFromWeight else {
      throw TinctureError(
        .usage, "Factors of this form cannot be found from a weight; choose matrix or tucker.",
        at: .init(tensor: dense.name))
    }
    let factors = if let found { found } else { try product.random(random, on: weight.device) }
    return Dictionary(zip(factorNames, factors)) { $1 }
  }

  /// The product.
  public func folded(_ tensors: Parameters) throws(TinctureError) -> TorchTensor {
    try change(factors(tensors))
  }

  /// The layer by its factors.
  public func linear(
    _ input: TorchTensor, bias: TorchTensor?, isInputMajor: Bool, _ tensors: Parameters
  ) throws(TinctureError) -> TorchTensor? {
    try product.linear(input, bias: bias, isInputMajor: isInputMajor, factors(tensors))
  }

  /// The convolution by its factors.
  public func convolution(
    _ input: TorchTensor, bias: TorchTensor?, stride: Int, padding: Int, _ tensors: Parameters
  ) throws(TinctureError) -> TorchTensor? {
    try product.convolution(
      input, bias: bias, stride: stride, padding: padding, factors(tensors))
  }

  /// Whether two layers have the same tensors.
  public static func == (left: LowRankLayer, right: LowRankLayer) -> Bool {
    left.dense == right.dense && AnyHashable(left.product) == AnyHashable(right.product)
  }

  /// Feeds the weight and the factors to the hasher.
  public func hash(into hasher: inout Hasher) {
    hasher.combine(dense)
    hasher.combine(AnyHashable(product))
  }
}
