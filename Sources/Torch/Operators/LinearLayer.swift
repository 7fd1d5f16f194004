public import TinctureTensors

extension TorchTensor {
  /// A linear layer: self · weightᵀ + bias.
  ///
  /// Schema: `aten::linear(Tensor input, Tensor weight, Tensor? bias)`, or `aten::mkldnn_linear` with kernels of
  /// our own where those are faster, with the same result up to rounding.
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
      let (input, weight) = (operands[0], operands[1])
      let bias = bias == nil ? nil : operands[2]
      guard input.isForLayerKernels(weight, bias) else {
        return try library.call(
          "aten::linear", "", .tensor(input), .tensor(weight), .optional(bias))
      }
      let output = try library.call(
        "aten::mkldnn_linear", "", .tensor(input), .tensor(weight), .optional(bias))
      guard output.rank == input.rank else {
        throw LayerKernels.takeProblem() ?? library.failure(of: "aten::mkldnn_linear", [])
      }
      return output
    }
  }

  /// Whether our own kernels compute a layer with this input.
  ///
  /// They have no forward derivatives, and are made for many rows.
  private func isForLayerKernels(_ weight: TorchTensor, _ bias: TorchTensor?) -> Bool {
    guard LayerKernels.isWanted, !ForwardMode.isActive, dtype == .f32, device.kind == .cpu,
      weight.dtype == .f32,
      weight.device.kind == .cpu
    else { return false }
    let (shape, weightShape) = (shape, weight.shape)
    guard shape.count >= 2, weightShape.count == 2, let inputs = shape.last, inputs > 0,
      weightShape[1] == inputs, weightShape[0] > 0,
      shape.dropLast().reduce(1, *) >= 8
    else { return false }
    if let bias, bias.dtype != .f32 || bias.shape != [weightShape[0]] || bias.device.kind != .cpu {
      return false
    }
    return LayerKernels.shared != nil
  }
}
