public import TinctureTensors

// Reductions go along the axes that are named, or along all when none is. Negative axes count from the end.
extension TorchTensor {
  /// The sum.
  ///
  /// Schema: `aten::sum.dim_IntList(Tensor self, int[1]? dim, bool keepdim, *, ScalarType? dtype)`.
  public func sum(
    along axes: Int..., keepingAxes: Bool = false
  ) throws(TinctureError) -> TorchTensor {
    try library.call(
      "aten::sum", "dim_IntList", .tensor(self), Self.axes(axes), .bool(keepingAxes), .none)
  }

  /// The arithmetic mean.
  ///
  /// Schema: `aten::mean.dim(Tensor self, int[1]? dim, bool keepdim, *, ScalarType? dtype)`.
  public func mean(
    along axes: Int..., keepingAxes: Bool = false
  ) throws(TinctureError) -> TorchTensor {
    try library.call(
      "aten::mean", "dim", .tensor(self), Self.axes(axes), .bool(keepingAxes), .none)
  }

  /// The variance: the mean squared distance to the mean, over n − 1 when it is `unbiased`.
  ///
  /// Schema: `aten::var.dim(Tensor self, int[1]? dim, bool unbiased, bool keepdim)`.
  public func variance(
    along axes: Int..., unbiased: Bool = true, keepingAxes: Bool = false
  ) throws(TinctureError) -> TorchTensor {
    try library.call(
      "aten::var", "dim", .tensor(self), Self.axes(axes), .bool(unbiased), .bool(keepingAxes))
  }

  /// The Euclidean norm, with a derivative of zero at zero: the root of the sum of squares.
  ///
  /// LibTorch's own norms take numbers of a kind that this interface has not, or are about to be removed.
  public func norm(
    along axes: Int..., keepingAxes: Bool = false
  ) throws(TinctureError) -> TorchTensor {
    let squares: TorchTensor = try library.call(
      "aten::sum", "dim_IntList", .tensor(self * self), Self.axes(axes), .bool(keepingAxes), .none)
    let isZero = try (squares .<= 0).converted(like: squares)
    return try (squares + isZero).sqrt() * (isZero * -1 + 1)
  }

  /// The largest element; the derivative is shared among equal ones.
  ///
  /// Schema: `aten::amax(Tensor self, int[1] dim, bool keepdim)`.
  public func max(
    along axes: Int..., keepingAxes: Bool = false
  ) throws(TinctureError) -> TorchTensor {
    try library.call("aten::amax", "", .tensor(self), .ints(axes), .bool(keepingAxes))
  }

  /// The smallest element; the derivative is shared among equal ones.
  ///
  /// Schema: `aten::amin(Tensor self, int[1] dim, bool keepdim)`.
  public func min(
    along axes: Int..., keepingAxes: Bool = false
  ) throws(TinctureError) -> TorchTensor {
    try library.call("aten::amin", "", .tensor(self), .ints(axes), .bool(keepingAxes))
  }

  /// The logarithm of the sum of exponentials, without overflow.
  ///
  /// Schema: `aten::logsumexp(Tensor self, int[1] dim, bool keepdim)`.
  public func logSumExp(
    along axis: Int, keepingAxes: Bool = false
  ) throws(TinctureError) -> TorchTensor {
    try library.call("aten::logsumexp", "", .tensor(self), .ints([axis]), .bool(keepingAxes))
  }

  /// The index of the largest element as i64; of equal ones any.
  ///
  /// Schema: `aten::argmax(Tensor self, int? dim, bool keepdim)`; no axis looks through all elements.
  public func argmax(
    along axis: Int? = nil, keepingAxes: Bool = false
  ) throws(TinctureError) -> TorchTensor {
    try library.call("aten::argmax", "", .tensor(self), .optional(axis), .bool(keepingAxes))
  }

  /// The index of the smallest element as i64; of equal ones any.
  ///
  /// Schema: `aten::argmin(Tensor self, int? dim, bool keepdim)`; no axis looks through all elements.
  public func argmin(
    along axis: Int? = nil, keepingAxes: Bool = false
  ) throws(TinctureError) -> TorchTensor {
    try library.call("aten::argmin", "", .tensor(self), .optional(axis), .bool(keepingAxes))
  }

  /// The largest or smallest elements in order, and their indices.
  ///
  /// Schema: `aten::topk(Tensor self, SymInt k, int dim, bool largest, bool sorted)`.
  public func top(
    _ count: Int, along axis: Int = -1, largest: Bool = true
  ) throws(TinctureError) -> (values: TorchTensor, indices: TorchTensor) {
    try library.callForPair(
      "aten::topk", "", .tensor(self), .int(count), .int(axis), .bool(largest), .bool(true))
  }

  /// The elements in order, equal ones as they stood, and their indices.
  ///
  /// Schema: `aten::sort.stable(Tensor self, *, bool? stable, int dim, bool descending)`.
  public func sorted(
    along axis: Int = -1, descending: Bool = false
  ) throws(TinctureError) -> (values: TorchTensor, indices: TorchTensor) {
    try library.callForPair(
      "aten::sort", "stable", .tensor(self), .some(.bool(true)), .int(axis), .bool(descending))
  }

  /// The sums of all elements up to each one.
  ///
  /// Schema: `aten::cumsum(Tensor self, int dim, *, ScalarType? dtype)`.
  public func cumulativeSum(along axis: Int) throws(TinctureError) -> TorchTensor {
    try library.call("aten::cumsum", "", .tensor(self), .int(axis), .none)
  }

  /// Whether all truth values are true.
  ///
  /// Schema: `aten::all(Tensor self)`.
  public func all() throws(TinctureError) -> TorchTensor {
    try library.call("aten::all", "", .tensor(self))
  }

  /// Whether any truth value is true.
  ///
  /// Schema: `aten::any(Tensor self)`.
  public func any() throws(TinctureError) -> TorchTensor {
    try library.call("aten::any", "", .tensor(self))
  }

  private static func axes(_ axes: [Int]) -> TorchArgument {
    axes.isEmpty ? .none : .some(.ints(axes))
  }
}
