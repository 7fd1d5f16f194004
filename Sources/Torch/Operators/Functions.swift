public import TinctureTensors

// Functions of one variable, element by element.
extension TorchTensor {
  /// The exponential.
  ///
  /// Schema: `aten::exp(Tensor self)`.
  public func exp() throws(TinctureError) -> TorchTensor { try unary("aten::exp") }

  /// eˣ − 1, exact near zero.
  ///
  /// Schema: `aten::expm1(Tensor self)`.
  public func expm1() throws(TinctureError) -> TorchTensor { try unary("aten::expm1") }

  /// The natural logarithm.
  ///
  /// Schema: `aten::log(Tensor self)`.
  public func log() throws(TinctureError) -> TorchTensor { try unary("aten::log") }

  /// The logarithm of 1 + x, exact near zero.
  ///
  /// Schema: `aten::log1p(Tensor self)`.
  public func log1p() throws(TinctureError) -> TorchTensor { try unary("aten::log1p") }

  /// The square root.
  ///
  /// Schema: `aten::sqrt(Tensor self)`.
  public func sqrt() throws(TinctureError) -> TorchTensor { try unary("aten::sqrt") }

  /// The reciprocal of the square root.
  ///
  /// Schema: `aten::rsqrt(Tensor self)`.
  public func rsqrt() throws(TinctureError) -> TorchTensor { try unary("aten::rsqrt") }

  /// The square.
  ///
  /// Schema: `aten::square(Tensor self)`.
  public func square() throws(TinctureError) -> TorchTensor { try unary("aten::square") }

  /// The magnitude, with a derivative of zero at zero.
  ///
  /// Schema: `aten::abs(Tensor self)`.
  public func abs() throws(TinctureError) -> TorchTensor { try unary("aten::abs") }

  /// −1, 0 or 1.
  ///
  /// Schema: `aten::sign(Tensor self)`.
  public func sign() throws(TinctureError) -> TorchTensor { try unary("aten::sign") }

  /// The largest integer that is not above.
  ///
  /// Schema: `aten::floor(Tensor self)`.
  public func floor() throws(TinctureError) -> TorchTensor { try unary("aten::floor") }

  /// The nearest integer, the even one of two.
  ///
  /// Schema: `aten::round(Tensor self)`.
  public func rounded() throws(TinctureError) -> TorchTensor { try unary("aten::round") }

  /// The sine.
  ///
  /// Schema: `aten::sin(Tensor self)`.
  public func sin() throws(TinctureError) -> TorchTensor { try unary("aten::sin") }

  /// The cosine.
  ///
  /// Schema: `aten::cos(Tensor self)`.
  public func cos() throws(TinctureError) -> TorchTensor { try unary("aten::cos") }

  /// The hyperbolic tangent.
  ///
  /// Schema: `aten::tanh(Tensor self)`.
  public func tanh() throws(TinctureError) -> TorchTensor { try unary("aten::tanh") }

  /// The error function.
  ///
  /// Schema: `aten::erf(Tensor self)`.
  public func erf() throws(TinctureError) -> TorchTensor { try unary("aten::erf") }

  /// 1 / (1 + e⁻ˣ).
  ///
  /// Schema: `aten::sigmoid(Tensor self)`.
  public func sigmoid() throws(TinctureError) -> TorchTensor { try unary("aten::sigmoid") }

  /// The larger of x and 0.
  ///
  /// Schema: `aten::relu(Tensor self)`.
  public func relu() throws(TinctureError) -> TorchTensor { try unary("aten::relu") }

  /// x · sigmoid(x).
  ///
  /// Schema: `aten::silu(Tensor self)`.
  public func silu() throws(TinctureError) -> TorchTensor { try unary("aten::silu") }

  /// How the Gaussian error linear unit is computed.
  public enum Gelu: String, Sendable, Hashable {
    /// x/2 · (1 + erf(x/√2)).
    case exact = "none"
    /// x/2 · (1 + tanh(√(2/π) · (x + 0.044715 x³))).
    case tanh = "tanh"
  }

  /// The Gaussian error linear unit.
  ///
  /// Schema: `aten::gelu(Tensor self, *, str approximate)`.
  public func gelu(_ form: Gelu = .exact) throws(TinctureError) -> TorchTensor {
    try library.call("aten::gelu", "", .tensor(self), .text(form.rawValue))
  }

  /// A power, element by element.
  ///
  /// Schema: `aten::pow.Tensor_Tensor(Tensor self, Tensor exponent)`.
  public func power(_ exponent: TorchTensor) throws(TinctureError) -> TorchTensor {
    try library.call("aten::pow", "Tensor_Tensor", .tensor(self), .tensor(exponent))
  }

  /// A power with one exponent.
  ///
  /// Schema: as for an exponent for each element.
  public func power(_ exponent: Double) throws(TinctureError) -> TorchTensor {
    try power(number(exponent, on: device))
  }

  /// The number nearest to x in an interval, with a derivative of zero outside of it.
  ///
  /// Schema: `aten::clamp.Tensor(Tensor self, Tensor? min, Tensor? max)`. At least one bound is needed.
  public func clamped(
    min: Double? = nil, max: Double? = nil
  ) throws(TinctureError) -> TorchTensor {
    try library.call(
      "aten::clamp", "Tensor", .tensor(self), .optional(try bound(min)), .optional(try bound(max)))
  }

  private func bound(_ value: Double?) throws(TinctureError) -> TorchTensor? {
    guard let value else { return nil }
    return try number(value, on: device)
  }

  private func unary(_ name: StaticString) throws(TinctureError) -> TorchTensor {
    try library.call(name, "", .tensor(self))
  }
}
