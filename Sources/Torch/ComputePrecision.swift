public import TinctureTensors

/// The precision in which matrices are multiplied.
///
/// Everything but products of matrices — ``TorchTensor/matmul(_:)``,
/// ``TorchTensor/linear(weight:bias:)``, convolutions and attention — is computed in the dtype of its
/// operands, whatever the precision.
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

  /// Computes a product with rounded operands.
  func compute(
    _ a: TorchTensor, _ b: TorchTensor,
    _ product: (TorchTensor, TorchTensor) throws(TinctureError) -> TorchTensor
  ) throws(TinctureError) -> TorchTensor {
    guard self == .bf16, let dtype = a.dtype, dtype != .f64, dtype != .bf16, a.isFloating else {
      return try product(a, b)
    }
    return try product(a.converted(to: .bf16), b.converted(to: .bf16)).converted(to: dtype)
  }
}

extension TorchTensor {
  /// The elements in another tensor's dtype.
  func converted(like other: TorchTensor) throws(TinctureError) -> TorchTensor {
    try other.dtype.map { (dtype) throws(TinctureError) in try converted(to: dtype) } ?? self
  }
}
