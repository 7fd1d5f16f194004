public import TinctureTensors

// Other arrangements of the same elements. Most are views: they share memory and cost nothing.
extension TorchTensor {
  /// Two axes exchanged.
  ///
  /// Schema: `aten::transpose.int(Tensor self, int dim0, int dim1)`.
  public func transposed(_ first: Int = -2, _ second: Int = -1) throws(TinctureError) -> TorchTensor
  {
    try library.call("aten::transpose", "int", .tensor(self), .int(first), .int(second))
  }

  /// The axes in another order.
  ///
  /// Schema: `aten::permute(Tensor self, int[] dims)`.
  public func permuted(_ axes: Int...) throws(TinctureError) -> TorchTensor {
    try library.call("aten::permute", "", .tensor(self), .ints(axes))
  }

  /// Other extents, of which one may be −1.
  ///
  /// Schema: `aten::reshape(Tensor self, SymInt[] shape)`.
  public func reshaped(_ shape: [Int]) throws(TinctureError) -> TorchTensor {
    try library.call("aten::reshape", "", .tensor(self), .ints(shape))
  }

  /// Several axes as one.
  ///
  /// Schema: `aten::flatten.using_ints(Tensor self, int start_dim, int end_dim)`.
  public func flattened(from first: Int = 0, to last: Int = -1) throws(TinctureError) -> TorchTensor
  {
    try library.call("aten::flatten", "using_ints", .tensor(self), .int(first), .int(last))
  }

  /// A further axis of extent one.
  ///
  /// Schema: `aten::unsqueeze(Tensor self, int dim)`.
  public func unsqueezed(at axis: Int) throws(TinctureError) -> TorchTensor {
    try library.call("aten::unsqueeze", "", .tensor(self), .int(axis))
  }

  /// Without an axis of extent one.
  ///
  /// Schema: `aten::squeeze.dim(Tensor self, int dim)`.
  public func squeezed(at axis: Int) throws(TinctureError) -> TorchTensor {
    try library.call("aten::squeeze", "dim", .tensor(self), .int(axis))
  }

  /// Axes of extent one repeated, and leading axes added, without using memory; −1 keeps an extent.
  ///
  /// Schema: `aten::expand(Tensor self, SymInt[] size, *, bool implicit)`.
  public func expanded(_ shape: [Int]) throws(TinctureError) -> TorchTensor {
    try library.call("aten::expand", "", .tensor(self), .ints(shape), .bool(false))
  }

  /// A range of an axis, or every `step`-th of it.
  ///
  /// Schema: `aten::slice.Tensor(Tensor self, int dim, SymInt? start, SymInt? end, SymInt step)`.
  /// Positions outside of the axis are left out.
  public func slice(
    _ range: Range<Int>, along axis: Int, step: Int = 1
  ) throws(TinctureError) -> TorchTensor {
    try library.call(
      "aten::slice", "Tensor", .tensor(self), .int(axis), .optional(range.lowerBound),
      .optional(range.upperBound), .int(step))
  }

  /// One position of an axis, which goes away.
  ///
  /// Schema: `aten::select.int(Tensor self, int dim, SymInt index)`.
  public func select(_ index: Int, along axis: Int) throws(TinctureError) -> TorchTensor {
    try library.call("aten::select", "int", .tensor(self), .int(axis), .int(index))
  }

  /// Tensors one after the other along an axis.
  ///
  /// Schema: `aten::cat(Tensor[] tensors, int dim)`.
  public static func concatenated(
    _ tensors: [TorchTensor], along axis: Int
  ) throws(TinctureError) -> TorchTensor {
    try LibTorch.current().call("aten::cat", "", .tensors(tensors), .int(axis))
  }

  /// Tensors of one shape along a new axis.
  ///
  /// Schema: `aten::stack(Tensor[] tensors, int dim)`.
  public static func stacked(
    _ tensors: [TorchTensor], along axis: Int = 0
  ) throws(TinctureError) -> TorchTensor {
    try LibTorch.current().call("aten::stack", "", .tensors(tensors), .int(axis))
  }

  /// An axis in a number of equal parts, the last perhaps smaller.
  ///
  /// Schema: `aten::chunk(Tensor self, int chunks, int dim)`.
  public func chunks(_ count: Int, along axis: Int) throws(TinctureError) -> [TorchTensor] {
    try library.callForList("aten::chunk", "", .tensor(self), .int(count), .int(axis))
  }

  /// An axis in parts of given extents.
  ///
  /// Schema: `aten::split_with_sizes(Tensor self, SymInt[] split_sizes, int dim)`.
  public func split(_ extents: [Int], along axis: Int) throws(TinctureError) -> [TorchTensor] {
    try library.callForList("aten::split_with_sizes", "", .tensor(self), .ints(extents), .int(axis))
  }

  /// The whole repeated along each axis.
  ///
  /// Schema: `aten::repeat(Tensor self, SymInt[] repeats)`.
  public func repeated(_ counts: [Int]) throws(TinctureError) -> TorchTensor {
    try library.call("aten::repeat", "", .tensor(self), .ints(counts))
  }

  /// Each position of an axis repeated in place.
  ///
  /// Schema: `aten::repeat_interleave.self_int(Tensor self, SymInt repeats, int? dim, *, SymInt?
  /// output_size)`.
  public func repeatedInterleaved(_ count: Int, along axis: Int) throws(TinctureError)
    -> TorchTensor
  {
    try library.call(
      "aten::repeat_interleave", "self_int", .tensor(self), .int(count), .optional(axis), .none)
  }

  /// Axes in reverse.
  ///
  /// Schema: `aten::flip(Tensor self, int[] dims)`.
  public func flipped(along axes: Int...) throws(TinctureError) -> TorchTensor {
    try library.call("aten::flip", "", .tensor(self), .ints(axes))
  }

  /// An axis moved round in a circle.
  ///
  /// Schema: `aten::roll(Tensor self, SymInt[1] shifts, int[1] dims)`.
  public func rolled(by shift: Int, along axis: Int) throws(TinctureError) -> TorchTensor {
    try library.call("aten::roll", "", .tensor(self), .ints([shift]), .ints([axis]))
  }

  /// A number put around.
  ///
  /// Schema: `aten::pad(Tensor self, SymInt[] pad, str mode, float? value)`.
  ///
  /// - Parameters:
  ///   - widths: For each axis, the last first: how many in front, how many behind; negative ones cut.
  ///   - value: The number.
  /// - Returns: The larger tensor.
  /// - Throws: `engine` when there are more widths than axes or memory runs out.
  public func padded(_ widths: [Int], with value: Double = 0) throws(TinctureError) -> TorchTensor {
    try library.call(
      "aten::pad", "", .tensor(self), .ints(widths), .text("constant"), .optional(value))
  }

  /// The lower triangle of each matrix, zero elsewhere.
  ///
  /// Schema: `aten::tril(Tensor self, SymInt diagonal)`.
  public func lowerTriangle(diagonal: Int = 0) throws(TinctureError) -> TorchTensor {
    try library.call("aten::tril", "", .tensor(self), .int(diagonal))
  }

  /// The upper triangle of each matrix, zero elsewhere.
  ///
  /// Schema: `aten::triu(Tensor self, SymInt diagonal)`.
  public func upperTriangle(diagonal: Int = 0) throws(TinctureError) -> TorchTensor {
    try library.call("aten::triu", "", .tensor(self), .int(diagonal))
  }
}
