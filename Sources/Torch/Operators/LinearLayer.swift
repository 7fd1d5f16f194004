public import TinctureTensors

extension TorchTensor {
  /// A linear layer: self · weightᵀ + bias.
  ///
  /// Schema: `aten::linear(Tensor input, Tensor weight, Tensor? bias)`, or where that is faster
  /// `aten::conv2d` over a row of pixels, with the same result up to rounding.
  ///
  /// - Parameters:
  ///   - weight: Rows are outputs.
  ///   - bias: One number for each output.
  /// - Returns: A row of outputs for each row of inputs.
  /// - Throws: `engine` when the shapes or dtypes do not fit.
  public func linear(
    weight: TorchTensor, bias: TorchTensor? = nil
  ) throws(TinctureError) -> TorchTensor {
    let operands = [self, weight] + (bias.map { [$0] } ?? [])
    return try ComputePrecision.current.compute(operands) { (operands) throws(TinctureError) in
      let bias = bias == nil ? nil : operands[2]
      if operands[0].isBetterConvolved(with: operands[1]) {
        return try operands[0].convolved(operands[1], bias)
      }
      return try library.call(
        "aten::linear", "", .tensor(operands[0]), .tensor(operands[1]), .optional(bias))
    }
  }

  /// Whether a product is large enough, and the processor one, where oneDNN's convolution is faster than MKL.
  ///
  /// On AMD's processors MKL multiplies with half of the width that AVX-512 has; oneDNN uses all of it. That pays from
  /// about as many products of numbers on as are compared here, fewer where threads need not wait for each other.
  private func isBetterConvolved(with weight: TorchTensor) -> Bool {
    guard Kernels.isWideOnAMD, dtype == .f32, weight.dtype == .f32, device.kind == .cpu,
      rank >= 2, weight.rank == 2, weight.shape[1] == shape[rank - 1]
    else { return false }
    return elementCount * weight.shape[0] >= (sharesOperators ? 1 << 24 : 1 << 23)
  }

  /// Whether several threads share the work of an operator.
  private var sharesOperators: Bool { library.threadCount > 1 }

  /// The linear layer as a convolution of pixels whose channels are the inputs; nothing is moved for it.
  private func convolved(
    _ weight: TorchTensor, _ bias: TorchTensor?
  ) throws(TinctureError) -> TorchTensor {
    let (inputs, outputs) = (shape[rank - 1], weight.shape[0])
    let pixels = try reshaped([1, elementCount / Swift.max(1, inputs), 1, inputs]).permuted(
      0, 3, 1, 2)
    let filters = try weight.unsqueezed(at: 2).unsqueezed(at: 3)
    // LibTorch leaves filters of one pixel to MKL where it has one thread, unless they are dilated, which for one
    // pixel means nothing.
    let found = try pixels.conv2d(
      weight: filters, bias: bias, dilation: sharesOperators ? 1 : 2)
    return try found.permuted(0, 2, 3, 1).reshaped(Array(shape.dropLast()) + [outputs])
  }
}
