public import TinctureTensors

// Products, which are computed in the scope's ``ComputePrecision``.
extension TorchTensor {
  /// The product of matrices, of batches of them, or of a matrix and a vector.
  ///
  /// Schema: `aten::matmul(Tensor self, Tensor other)`.
  public func matmul(_ other: TorchTensor) throws(TinctureError) -> TorchTensor {
    try ComputePrecision.current.compute([self, other]) { (operands) throws(TinctureError) in
      try library.call("aten::matmul", "", .tensor(operands[0]), .tensor(operands[1]))
    }
  }

  /// A convolution of images [N, channels, height, width].
  ///
  /// Schema: `aten::conv2d(Tensor input, Tensor weight, Tensor? bias, SymInt[2] stride, SymInt[2] padding,
  /// SymInt[2] dilation, SymInt groups)`.
  ///
  /// - Parameters:
  ///   - weight: The filters, [outputs, channels / groups, height, width].
  ///   - bias: One number for each output.
  ///   - stride: The distance of neighbouring results in both directions.
  ///   - padding: The zeros put around on each side.
  ///   - dilation: The distance of neighbouring elements of a filter.
  ///   - groups: The number of groups of channels that do not meet.
  /// - Returns: Images with a channel for each output.
  /// - Throws: `engine` when the shapes or dtypes do not fit.
  public func conv2d(
    weight: TorchTensor, bias: TorchTensor? = nil, stride: Int = 1, padding: Int = 0,
    dilation: Int = 1, groups: Int = 1
  ) throws(TinctureError) -> TorchTensor {
    try conv2d(
      weight: weight, bias: bias, strides: [stride, stride], paddings: [padding, padding],
      dilation: dilation, groups: groups)
  }

  /// A convolution of images whose two directions differ.
  ///
  /// Schema: as for one stride.
  ///
  /// - Parameters:
  ///   - weight: The filters, [outputs, channels / groups, height, width].
  ///   - bias: One number for each output.
  ///   - strides: The distance of neighbouring results, downwards and to the right.
  ///   - paddings: The zeros put above and below, and on the left and the right.
  ///   - dilation: The distance of neighbouring elements of a filter.
  ///   - groups: The number of groups of channels that do not meet.
  /// - Returns: Images with a channel for each output.
  /// - Throws: `engine` when the shapes or dtypes do not fit.
  public func conv2d(
    weight: TorchTensor, bias: TorchTensor? = nil, strides: [Int], paddings: [Int],
    dilation: Int = 1, groups: Int = 1
  ) throws(TinctureError) -> TorchTensor {
    let operands = [self, weight] + (bias.map { [$0] } ?? [])
    return try ComputePrecision.current.compute(operands) { (operands) throws(TinctureError) in
      try library.call(
        "aten::conv2d", "", .tensor(operands[0]), .tensor(operands[1]),
        .optional(bias == nil ? nil : operands[2]), .ints(strides), .ints(paddings),
        .ints([dilation, dilation]), .int(groups))
    }
  }

  /// Attention: softmax(self · keyᵀ · scale + mask) · value, for queries [N, heads, tokens, width].
  ///
  /// Schema: `aten::scaled_dot_product_attention(Tensor query, Tensor key, Tensor value, Tensor? attn_mask,
  /// float dropout_p, bool is_causal, *, float? scale, bool enable_gqa)`.
  ///
  /// - Parameters:
  ///   - key: The keys.
  ///   - value: The values, one for each key.
  ///   - mask: Truth values (true takes part) or numbers that are added, [.., queries, keys].
  ///   - causal: Whether a query sees no later key; excludes a mask.
  ///   - scale: The factor; nil takes 1/√width.
  ///   - grouped: Whether several heads of queries share one of keys and values.
  /// - Returns: A mean of values for each query.
  /// - Throws: `engine` when the shapes or dtypes do not fit.
  public func attention(
    key: TorchTensor, value: TorchTensor, mask: TorchTensor? = nil, causal: Bool = false,
    scale: Double? = nil, grouped: Bool = false
  ) throws(TinctureError) -> TorchTensor {
    guard !ForwardMode.isActive else {
      return try plainAttention(
        key: key, value: value, mask: mask, causal: causal, scale: scale, grouped: grouped)
    }
    let added = mask.map { $0.isFloating ? [$0] : [] } ?? []
    let operands = [self, key, value] + added
    return try ComputePrecision.current.compute(operands) { (operands) throws(TinctureError) in
      try library.call(
        "aten::scaled_dot_product_attention", "", .tensor(operands[0]), .tensor(operands[1]),
        .tensor(operands[2]), .optional(added.isEmpty ? mask : operands[3]), .double(0),
        .bool(causal), .optional(scale), .bool(grouped))
    }
  }
}
