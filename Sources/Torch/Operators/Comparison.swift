public import TinctureTensors

// Comparisons give truth values, element by element, with broadcasting. They have no derivative.
extension TorchTensor {
  /// Where both are equal.
  ///
  /// Schema: `aten::eq.Tensor(Tensor self, Tensor other)`.
  public static func .== (a: TorchTensor, b: TorchTensor) throws(TinctureError) -> TorchTensor {
    try a.compared("aten::eq", b)
  }

  /// Where elements equal a number.
  public static func .== (a: TorchTensor, b: Double) throws(TinctureError) -> TorchTensor {
    try a.compared("aten::eq", b)
  }

  /// Where both differ.
  ///
  /// Schema: `aten::ne.Tensor(Tensor self, Tensor other)`.
  public static func .!= (a: TorchTensor, b: TorchTensor) throws(TinctureError) -> TorchTensor {
    try a.compared("aten::ne", b)
  }

  /// Where elements differ from a number.
  public static func .!= (a: TorchTensor, b: Double) throws(TinctureError) -> TorchTensor {
    try a.compared("aten::ne", b)
  }

  /// Where the first is smaller.
  ///
  /// Schema: `aten::lt.Tensor(Tensor self, Tensor other)`.
  public static func .< (a: TorchTensor, b: TorchTensor) throws(TinctureError) -> TorchTensor {
    try a.compared("aten::lt", b)
  }

  /// Where elements are below a number.
  public static func .< (a: TorchTensor, b: Double) throws(TinctureError) -> TorchTensor {
    try a.compared("aten::lt", b)
  }

  /// Where the first is smaller or equal.
  ///
  /// Schema: `aten::le.Tensor(Tensor self, Tensor other)`.
  public static func .<= (a: TorchTensor, b: TorchTensor) throws(TinctureError) -> TorchTensor {
    try a.compared("aten::le", b)
  }

  /// Where elements are at most a number.
  public static func .<= (a: TorchTensor, b: Double) throws(TinctureError) -> TorchTensor {
    try a.compared("aten::le", b)
  }

  /// Where the first is larger.
  ///
  /// Schema: `aten::gt.Tensor(Tensor self, Tensor other)`.
  public static func .> (a: TorchTensor, b: TorchTensor) throws(TinctureError) -> TorchTensor {
    try a.compared("aten::gt", b)
  }

  /// Where elements are above a number.
  public static func .> (a: TorchTensor, b: Double) throws(TinctureError) -> TorchTensor {
    try a.compared("aten::gt", b)
  }

  /// Where the first is larger or equal.
  ///
  /// Schema: `aten::ge.Tensor(Tensor self, Tensor other)`.
  public static func .>= (a: TorchTensor, b: TorchTensor) throws(TinctureError) -> TorchTensor {
    try a.compared("aten::ge", b)
  }

  /// Where elements are at least a number.
  public static func .>= (a: TorchTensor, b: Double) throws(TinctureError) -> TorchTensor {
    try a.compared("aten::ge", b)
  }

  /// Where both are true.
  ///
  /// Schema: `aten::logical_and(Tensor self, Tensor other)`.
  public static func .& (a: TorchTensor, b: TorchTensor) throws(TinctureError) -> TorchTensor {
    try a.library.call("aten::logical_and", "", .tensor(a), .tensor(b))
  }

  /// Where at least one is true.
  ///
  /// Schema: `aten::logical_or(Tensor self, Tensor other)`.
  public static func .| (a: TorchTensor, b: TorchTensor) throws(TinctureError) -> TorchTensor {
    try a.library.call("aten::logical_or", "", .tensor(a), .tensor(b))
  }

  /// Where it is false.
  ///
  /// Schema: `aten::logical_not(Tensor self)`.
  public static prefix func .! (a: TorchTensor) throws(TinctureError) -> TorchTensor {
    try a.library.call("aten::logical_not", "", .tensor(a))
  }

  /// Where elements are neither infinite nor NaN.
  ///
  /// Schema: `aten::isfinite(Tensor self)`.
  public func isFinite() throws(TinctureError) -> TorchTensor {
    try library.call("aten::isfinite", "", .tensor(self))
  }

  /// The smaller of two elements.
  ///
  /// Schema: `aten::minimum(Tensor self, Tensor other)`.
  public func minimum(_ other: TorchTensor) throws(TinctureError) -> TorchTensor {
    try library.call("aten::minimum", "", .tensor(self), .tensor(other))
  }

  /// The larger of two elements.
  ///
  /// Schema: `aten::maximum(Tensor self, Tensor other)`.
  public func maximum(_ other: TorchTensor) throws(TinctureError) -> TorchTensor {
    try library.call("aten::maximum", "", .tensor(self), .tensor(other))
  }

  /// The elements, with those of another tensor where the mask is true.
  ///
  /// Schema: `aten::where.self(Tensor condition, Tensor self, Tensor other)`.
  public func replacing(
    where mask: TorchTensor, with other: TorchTensor
  ) throws(TinctureError) -> TorchTensor {
    try library.call("aten::where", "self", .tensor(mask), .tensor(other), .tensor(self))
  }

  /// The elements, with a number where the mask is true.
  ///
  /// Schema: as for replacing with a tensor.
  public func replacing(
    where mask: TorchTensor, with value: Double
  ) throws(TinctureError) -> TorchTensor {
    try replacing(where: mask, with: number(value, on: device))
  }

  private func compared(
    _ name: StaticString, _ other: TorchTensor
  ) throws(TinctureError) -> TorchTensor {
    try library.call(name, "Tensor", .tensor(self), .tensor(other))
  }

  private func compared(
    _ name: StaticString, _ other: Double
  ) throws(TinctureError) -> TorchTensor {
    try compared(name, number(other))
  }
}
