public import TinctureTensors

// Arithmetic element by element. Shapes are broadcast: axes of extent one, and missing leading axes, are
// repeated. Two dtypes give the wider one; a tensor of rank zero does not widen the other of its kind.
extension TorchTensor {
  /// The sum.
  ///
  /// Schema: `aten::sub.Tensor(Tensor self, Tensor other, *, Scalar alpha)` with alpha −1.
  public static func + (a: TorchTensor, b: TorchTensor) throws(TinctureError) -> TorchTensor {
    try a.sum(with: b, times: 1)
  }

  /// The sum with a number.
  public static func + (a: TorchTensor, b: Double) throws(TinctureError) -> TorchTensor {
    try a + a.number(b)
  }

  /// The sum with a number.
  public static func + (a: Double, b: TorchTensor) throws(TinctureError) -> TorchTensor {
    try b + b.number(a)
  }

  /// The difference.
  ///
  /// Schema: `aten::sub.Tensor(Tensor self, Tensor other, *, Scalar alpha)`.
  public static func - (a: TorchTensor, b: TorchTensor) throws(TinctureError) -> TorchTensor {
    try a.sum(with: b, times: -1)
  }

  /// The difference to a number.
  public static func - (a: TorchTensor, b: Double) throws(TinctureError) -> TorchTensor {
    try a - a.number(b)
  }

  /// The difference of a number to each element.
  public static func - (a: Double, b: TorchTensor) throws(TinctureError) -> TorchTensor {
    try b.number(a) - b
  }

  /// The negative.
  ///
  /// Schema: `aten::neg(Tensor self)`.
  public static prefix func - (a: TorchTensor) throws(TinctureError) -> TorchTensor {
    try a.library.call("aten::neg", "", .tensor(a))
  }

  /// The product.
  ///
  /// Schema: `aten::mul.Tensor(Tensor self, Tensor other)`.
  public static func * (a: TorchTensor, b: TorchTensor) throws(TinctureError) -> TorchTensor {
    try a.library.call("aten::mul", "Tensor", .tensor(a), .tensor(b))
  }

  /// The multiple.
  public static func * (a: TorchTensor, b: Double) throws(TinctureError) -> TorchTensor {
    try a * a.number(b)
  }

  /// The multiple.
  public static func * (a: Double, b: TorchTensor) throws(TinctureError) -> TorchTensor {
    try b * b.number(a)
  }

  /// The quotient.
  ///
  /// Schema: `aten::div.Tensor(Tensor self, Tensor other)`.
  public static func / (a: TorchTensor, b: TorchTensor) throws(TinctureError) -> TorchTensor {
    try a.library.call("aten::div", "Tensor", .tensor(a), .tensor(b))
  }

  /// The quotient by a number.
  public static func / (a: TorchTensor, b: Double) throws(TinctureError) -> TorchTensor {
    try a / a.number(b)
  }

  /// The quotient of a number by each element.
  public static func / (a: Double, b: TorchTensor) throws(TinctureError) -> TorchTensor {
    try b.number(a) / b
  }

  /// The sum with a multiple: self + factor · other, in one pass.
  ///
  /// Tensors of integers are summed only with a factor of ±1.
  ///
  /// Schema: `aten::sub.Tensor(Tensor self, Tensor other, *, Scalar alpha)` with alpha −factor.
  public func sum(with other: TorchTensor, times factor: Double) throws(TinctureError)
    -> TorchTensor
  {
    if !isFloating, !other.isFloating { return try integerSum(with: other, times: factor) }
    var result: OpaquePointer?
    guard library.functions.subtract(handle.pointer, other.handle.pointer, -factor, &result) == 0
    else {
      throw library.failure(of: "aten::sub", [.tensor(self), .tensor(other)])
    }
    return try TorchTensor(adopting: result, of: library, "aten::sub")
  }

  /// Whether the elements are floating-point numbers.
  public var isFloating: Bool { dtype?.isArithmetic ?? false }

  /// A number as a tensor of rank zero that does not widen the result of an operator with `self`.
  ///
  /// Operators of two tensors accept one on the processor whatever the device of the other; those of
  /// three want all on one device. Tensors of integers and truth values give f32.
  func number(
    _ value: Double, on device: TorchDevice = .cpu
  ) throws(TinctureError) -> TorchTensor {
    let dtype = dtype ?? .f32
    var result: OpaquePointer?
    let status =
      rank > 0 && isFloating || dtype == .f64
      ? library.functions.scalarDouble(value, &result)
      : library.functions.scalarFloat(Float(value), &result)
    guard status == 0 else { throw library.failure(of: "aten::scalar_tensor", []) }
    let number = try TorchTensor(adopting: result, of: library, "aten::scalar_tensor")
    return try (rank == 0 && isFloating ? number.converted(to: dtype) : number).moved(to: device)
  }

  // The function for differences takes its factor as a double, which integers refuse.
  private func integerSum(
    with other: TorchTensor, times factor: Double
  ) throws(TinctureError) -> TorchTensor {
    guard factor == 1 || factor == -1 else {
      throw library.failure(
        of: "aten::sub", [.tensor(self), .tensor(other)],
        "a factor of \(factor) makes no integers; convert a tensor to a floating type first")
    }
    let term = factor == 1 ? other : try -other
    let pair = try library.callForList("aten::broadcast_tensors", "", .tensors([self, term]))
    let type = try self * other
    let stacked = try library.call("aten::stack", "", .tensors(pair), .int(0))
    return try library.call(
      "aten::sum", "dim_IntList", .tensor(stacked), .some(.ints([0])), .bool(false),
      .optional(type.dtype))
  }
}
