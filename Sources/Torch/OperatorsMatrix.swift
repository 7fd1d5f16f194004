public import TinctureTensors

extension TorchTensor {
  /// The product of matrices, of batches of them, or of a matrix and a vector.
  ///
  /// Schema: `aten::matmul(Tensor self, Tensor other)`.
  public func matmul(_ other: TorchTensor) throws(TinctureError) -> TorchTensor {
    try ComputePrecision.current.compute(self, other) { (a, b) throws(TinctureError) in
      try library.call("aten::matmul", "", .tensor(a), .tensor(b))
    }
  }

  /// A linear layer: self · weightᵀ + bias.
  ///
  /// Schema: `aten::linear(Tensor input, Tensor weight, Tensor? bias)`.
  ///
  /// - Parameters:
  ///   - weight: Rows are outputs.
  ///   - bias: One number for each output.
  /// - Returns: One row of outputs for each row of inputs.
  /// - Throws: `engine` when the shapes do not fit.
  public func linear(weight: TorchTensor, bias: TorchTensor? = nil) throws(TinctureError)
    -> TorchTensor
  {
    try ComputePrecision.current.compute(self, weight) { (x, w) throws(TinctureError) in
      try library.call(
        "aten::linear", "", .tensor(x), .tensor(w), .optional(try bias?.converted(like: w)))
    }
  }
}
