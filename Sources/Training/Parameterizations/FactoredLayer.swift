public import TinctureNetworks
internal import TinctureTensors
internal import TinctureTorch

/// A parameterisation whose trained tensors are the factors of a product.
public protocol FactoredLayer: Parameterization {
  /// The product.
  var product: any FactorProduct { get }
  /// What the product is multiplied by.
  var scale: Double { get }
  /// What the names of the factors have between the weight and their own.
  var group: String { get }
}

extension FactoredLayer {
  /// The full names of the factors.
  public var factorNames: [String] { product.factors.map { "\(dense.name).\(group).\($0.name)" } }

  /// The factors.
  public var trainedShapes: [ParameterShape] {
    zip(factorNames, product.factors).map { ParameterShape($0, $1.extents) }
  }

  /// The factors among tensors.
  func factors(_ tensors: Parameters) throws(TinctureError) -> [TorchTensor] {
    var factors: [TorchTensor] = []
    for name in factorNames { factors.append(try tensors(name)) }
    return factors
  }

  /// The scaled product, multiplied in single precision whatever the scope's precision.
  func change(_ factors: [TorchTensor]) throws(TinctureError) -> TorchTensor {
    try ComputePrecision.full.scope { () throws(TinctureError) in
      var wide: [TorchTensor] = []
      for factor in factors {
        wide.append(factor.dtype == .f64 ? factor : try factor.converted(to: .f32))
      }
      let product = try product.product(wide)
      return scale == 1 ? product : try product * scale
    }
  }

  /// What the factors' moments are for the dense weight.
  ///
  /// A weight moves by what its factors move: M_W = s Σₖ product(…, Mₖ, …), for two factors
  /// M_W = s (M_up · down + up · M_down). Second moments are those of independent numbers: the same sum over squares.
  ///
  /// - Parameters:
  ///   - moments: The moments of each factor: nothing, the first, or the first and the second.
  ///   - factors: The factors.
  /// - Returns: The moments of the weight, as many as those of a factor.
  /// - Throws: `engine` when LibTorch fails.
  func gathered(
    _ moments: [[TorchTensor]], _ factors: [TorchTensor]
  ) throws(TinctureError) -> [TorchTensor] {
    var gathered: [TorchTensor] = []
    for order in 0..<(moments.map(\.count).min() ?? 0) {
      var powers: [TorchTensor] = []
      for factor in factors { powers.append(order == 0 ? factor : try factor.square()) }
      var sum: TorchTensor?
      for index in powers.indices {
        var terms = powers
        terms[index] = moments[index][order]
        let term = try product.product(terms) * (order == 0 ? scale : scale * scale)
        sum = if let sum { try sum + term } else { term }
      }
      if let sum { gathered.append(try sum.contiguous()) }
    }
    return gathered
  }

  /// What a dense weight's moments are for factors that begin from it.
  ///
  /// Gradients follow the chain rule, so that a mean of gradients does, too: the part of factor k is the derivative of
  /// s ⟨M_W, product⟩ by it, for two factors M_down = s upᵀ · M_W and M_up = s M_W · downᵀ. Second moments are those of
  /// independent numbers: the same with squares of the other factors.
  ///
  /// - Parameters:
  ///   - moments: The moments of the weight: the first, or the first and the second.
  ///   - factors: The factors.
  /// - Returns: The moments of each factor.
  /// - Throws: `engine` when LibTorch fails.
  func spread(
    _ moments: [TorchTensor], _ factors: [TorchTensor]
  ) throws(TinctureError) -> [[TorchTensor]] {
    var spread = [[TorchTensor]](repeating: [], count: factors.count)
    for (order, moment) in moments.enumerated() {
      var variables: [TorchTensor] = []
      for factor in factors {
        variables.append(try (order == 0 ? factor : factor.square()).requiringGradient())
      }
      let weighted = try (product.product(variables) * moment).sum()
      let parts = try TinctureTorch.gradients(of: weighted, withRespectTo: variables)
      for (index, part) in parts.enumerated() {
        spread[index].append(try part * (order == 0 ? scale : scale * scale))
      }
    }
    return spread
  }
}
