public import TinctureTensors
public import TinctureTorch

/// What enters a layer with a weight, as an observer of a forward pass sees it.
public struct LayerInput: Sendable {
  /// What the layer does with its input.
  public enum Layer: Sendable, Hashable {
    /// x · weightᵀ, or x · weight for a weight that is stored [in, out].
    case linear(isInputMajor: Bool)
    /// A convolution with a kernel of this height and width.
    case convolution(kernel: [Int], stride: Int, padding: Int)
    /// Layer normalisation, whose factors multiply the normalised input.
    case layerNorm(epsilon: Double)
    /// Division by the root of the mean square, after which factors multiply.
    case rmsNorm(epsilon: Double)
  }

  /// The full name of the weight.
  public let weight: String
  /// What the layer does.
  public let layer: Layer
  /// What enters.
  public let input: TorchTensor
}

/// Hears of each layer of a forward pass before it is computed.
///
/// - Throws: Anything; the forward pass then ends with it.
public typealias LayerObserver = @Sendable (LayerInput) throws(TinctureError) -> Void

extension Parameters {
  /// Layer normalisation of the last axis with a weight and a bias of any names.
  func layerNorm(
    weight: String, bias: String, _ x: TorchTensor, epsilon: Double
  ) throws(TinctureError) -> TorchTensor {
    try observe(weight, .layerNorm(epsilon: epsilon), x)
    return try x.layerNorm(weight: self(weight), bias: optional(bias), epsilon: epsilon)
  }

  /// The last axis divided by the root of its mean square, then scaled by a weight.
  func rmsNorm(
    weight: String, _ x: TorchTensor, epsilon: Double
  ) throws(TinctureError) -> TorchTensor {
    try observe(weight, .rmsNorm(epsilon: epsilon), x)
    return try x.rmsNorm(weight: self(weight), epsilon: epsilon)
  }

  /// x · weightᵀ + bias with a weight [outputs, inputs] and a bias of any names.
  func linear(
    weight: String, bias: String? = nil, _ x: TorchTensor
  ) throws(TinctureError) -> TorchTensor {
    try observe(weight, .linear(isInputMajor: false), x)
    return try expanded(plainLinear(weight, bias, x), of: weight, for: x)
  }

  private func plainLinear(
    _ weight: String, _ bias: String?, _ x: TorchTensor
  ) throws(TinctureError) -> TorchTensor {
    let bias = bias.flatMap { optional($0) }
    if let (computation, name) = computation(of: weight),
      let output = try computation.linear(name, x, bias: bias, isInputMajor: false)
    {
      return output
    }
    let weight = try self(weight)
    guard weight.rank == 3 else { return try x.linear(weight: weight, bias: bias) }
    // Every input has weights of its own.
    let product = try x.matmul(weight.transposed())
    guard let bias else { return product }
    return try product + (bias.rank == 2 ? bias.unsqueezed(at: 1) : bias)
  }

  /// x · weight with a weight [inputs, outputs].
  func product(_ x: TorchTensor, weight: String) throws(TinctureError) -> TorchTensor {
    try observe(weight, .linear(isInputMajor: true), x)
    if let (computation, name) = computation(of: weight),
      let output = try computation.linear(name, x, bias: nil, isInputMajor: true)
    {
      return try expanded(output, of: weight, for: x)
    }
    return try expanded(x.matmul(self(weight)), of: weight, for: x)
  }

  /// A convolution with a weight [outputs, channels, height, width] and a bias of any names.
  func convolution(
    weight: String, bias: String? = nil, _ x: TorchTensor, stride: Int = 1, padding: Int = 0
  ) throws(TinctureError) -> TorchTensor {
    let bias = bias.flatMap { optional($0) }
    if let (computation, name) = computation(of: weight),
      let output = try computation.convolution(
        name, x, bias: bias, stride: stride, padding: padding)
    {
      return output
    }
    let filters = try self(weight)
    try observe(
      weight,
      .convolution(kernel: Array(filters.shape.suffix(2)), stride: stride, padding: padding), x)
    return try x.conv2d(
      weight: filters, bias: bias, stride: stride, padding: padding)
  }
}
