public import TinctureTensors

// Elements by indices, which are tensors of i64.
extension TorchTensor {
  /// Positions of an axis in any order.
  ///
  /// Schema: `aten::index_select(Tensor self, int dim, Tensor index)`.
  public func selected(
    at indices: TorchTensor, along axis: Int
  ) throws(TinctureError) -> TorchTensor {
    try library.call("aten::index_select", "", .tensor(self), .int(axis), .tensor(indices))
  }

  /// One element for each index: result[i][j] = self[index[i][j]][j] along axis 0.
  ///
  /// Schema: `aten::gather(Tensor self, int dim, Tensor index, *, bool sparse_grad)`.
  public func gathered(
    at indices: TorchTensor, along axis: Int
  ) throws(TinctureError) -> TorchTensor {
    try library.call(
      "aten::gather", "", .tensor(self), .int(axis), .tensor(indices), .bool(false))
  }

  /// The elements where a mask is true, as a vector.
  ///
  /// Schema: `aten::masked_select(Tensor self, Tensor mask)`.
  public func selected(where mask: TorchTensor) throws(TinctureError) -> TorchTensor {
    try library.call("aten::masked_select", "", .tensor(self), .tensor(mask))
  }

  /// Elements put where indices say: result[index[i][j]][j] = source[i][j] along axis 0.
  ///
  /// Schema: `aten::scatter.src(Tensor self, int dim, Tensor index, Tensor src)`. Of several sources of one
  /// element any wins.
  public func scattered(
    _ source: TorchTensor, at indices: TorchTensor, along axis: Int
  ) throws(TinctureError) -> TorchTensor {
    try library.call(
      "aten::scatter", "src", .tensor(self), .int(axis), .tensor(indices), .tensor(source))
  }

  /// Elements added where indices say.
  ///
  /// Schema: `aten::scatter_add(Tensor self, int dim, Tensor index, Tensor src)`.
  public func scatterAdded(
    _ source: TorchTensor, at indices: TorchTensor, along axis: Int
  ) throws(TinctureError) -> TorchTensor {
    try library.call(
      "aten::scatter_add", "", .tensor(self), .int(axis), .tensor(indices), .tensor(source))
  }

  /// Rows of a table: `self` holds the indices.
  ///
  /// Schema: `aten::embedding(Tensor weight, Tensor indices, SymInt padding_idx, bool
  /// scale_grad_by_freq, bool sparse)`.
  ///
  /// - Parameters:
  ///   - weight: The table, a row for each index.
  ///   - padding: A row that gets no gradient.
  /// - Returns: A row for each index.
  /// - Throws: `engine` when an index is outside of the table.
  public func embedding(
    weight: TorchTensor, padding: Int? = nil
  ) throws(TinctureError) -> TorchTensor {
    try library.call(
      "aten::embedding", "", .tensor(weight), .tensor(self), .int(padding ?? -1), .bool(false),
      .bool(false))
  }

  /// A vector with a single one for each index: `self` holds the indices.
  ///
  /// Schema: `aten::one_hot(Tensor self, int num_classes)`. The result is i64.
  public func oneHot(_ classCount: Int) throws(TinctureError) -> TorchTensor {
    try library.call("aten::one_hot", "", .tensor(self), .int(classCount))
  }
}
