public import TinctureTensors

/// The precision in which matrices are multiplied.
///
/// It applies to ``TorchTensor/matmul(_:)``, ``TorchTensor/linear(weight:bias:)``, convolutions and
/// attention. Everything else is computed in the dtype of its operands, whatever the precision.
public enum ComputePrecision: Sendable, Hashable {
  /// The dtype of the operands.
  case full
  /// Operands are rounded to bf16, products are accumulated in f32 and rounded to bf16, and the result
  /// has the dtype of the first operand again. Double precision stays as it is.
  case bf16

  @TaskLocal private static var scoped = ComputePrecision.full

  /// The precision of the current scope.
  public static var current: ComputePrecision { scoped }

  /// Runs a body in which matrices are multiplied in this precision.
  ///
  /// Gradients of what is computed in the body are computed in the same precision, wherever they are
  /// asked for.
  public func scope<R>(_ body: () throws(TinctureError) -> R) throws(TinctureError) -> R {
    try ComputePrecision.$scoped.withValue(self) {
      Result { () throws(TinctureError) in try body() }
    }.get()
  }

  /// Computes a product with rounded operands, all of which are floating-point numbers.
  func compute(
    _ operands: [TorchTensor], _ product: ([TorchTensor]) throws(TinctureError) -> TorchTensor
  ) throws(TinctureError) -> TorchTensor {
    guard self == .bf16, let dtype = operands.first?.dtype, dtype != .f64,
      operands.allSatisfy(\.isFloating)
    else { return try product(operands) }
    var rounded: [TorchTensor] = []
    for operand in operands { rounded.append(try operand.converted(to: .bf16)) }
    return try product(rounded).converted(to: dtype)
  }
}

extension TorchTensor {
  /// The elements in another tensor's dtype.
  func converted(like other: TorchTensor) throws(TinctureError) -> TorchTensor {
    guard let dtype = other.dtype else { return self }
    return try converted(to: dtype)
  }
}
