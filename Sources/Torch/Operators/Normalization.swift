public import TinctureTensors

extension TorchTensor {
  /// Exponentials that sum to one along an axis.
  ///
  /// Schema: `aten::softmax.int(Tensor self, int dim, ScalarType? dtype)`.
  public func softmax(along axis: Int = -1) throws(TinctureError) -> TorchTensor {
    try library.call("aten::softmax", "int", .tensor(self), .int(axis), .none)
  }

  /// The logarithm of the softmax, without overflow.
  ///
  /// Schema: `aten::log_softmax.int(Tensor self, int dim, ScalarType? dtype)`.
  public func logSoftmax(along axis: Int = -1) throws(TinctureError) -> TorchTensor {
    try library.call("aten::log_softmax", "int", .tensor(self), .int(axis), .none)
  }

  /// The elements divided by their Euclidean norm along an axis: x / max(‖x‖, epsilon).
  public func normalized(
    along axis: Int = -1, epsilon: Double = 1e-12
  ) throws(TinctureError) -> TorchTensor {
    try self / norm(along: axis, keepingAxes: true).clamped(min: epsilon)
  }

  /// The last axes shifted and scaled to mean zero and variance one, then scaled and shifted.
  ///
  /// Schema: `aten::layer_norm(Tensor input, SymInt[] normalized_shape, Tensor? weight, Tensor? bias, float
  /// eps, bool cudnn_enable)`.
  ///
  /// - Parameters:
  ///   - weight: The factors; its shape tells which axes.
  ///   - bias: What is added.
  ///   - epsilon: What is added to the variance.
  /// - Returns: A tensor of the same shape.
  /// - Throws: `engine` when the shapes or dtypes do not fit.
  public func layerNorm(
    weight: TorchTensor, bias: TorchTensor? = nil, epsilon: Double = 1e-5
  ) throws(TinctureError) -> TorchTensor {
    try library.call(
      "aten::layer_norm", "", .tensor(self), .ints(weight.shape), .optional(weight),
      .optional(bias), .double(epsilon), .bool(true))
  }

  /// The last axes divided by the root of their mean square, then scaled.
  ///
  /// Schema: `aten::rms_norm(Tensor input, SymInt[] normalized_shape, Tensor? weight, float? eps)`.
  ///
  /// - Parameters:
  ///   - weight: The factors; its shape tells which axes.
  ///   - epsilon: What is added to the mean square.
  /// - Returns: A tensor of the same shape.
  /// - Throws: `engine` when the shapes or dtypes do not fit.
  public func rmsNorm(
    weight: TorchTensor, epsilon: Double = 1e-6
  ) throws(TinctureError) -> TorchTensor {
    try library.call(
      "aten::rms_norm", "", .tensor(self), .ints(weight.shape), .optional(weight),
      .optional(epsilon))
  }

  /// Groups of channels shifted and scaled to mean zero and variance one, then scaled and shifted.
  ///
  /// Schema: `aten::group_norm(Tensor input, int num_groups, Tensor? weight, Tensor? bias, float eps, bool
  /// cudnn_enabled)`.
  ///
  /// - Parameters:
  ///   - groups: The number of groups.
  ///   - weight: A factor for each channel.
  ///   - bias: What is added to each channel.
  ///   - epsilon: What is added to the variance.
  /// - Returns: A tensor of the same shape.
  /// - Throws: `engine` when the shapes or dtypes do not fit.
  public func groupNorm(
    _ groups: Int, weight: TorchTensor? = nil, bias: TorchTensor? = nil, epsilon: Double = 1e-5
  ) throws(TinctureError) -> TorchTensor {
    try library.call(
      "aten::group_norm", "", .tensor(self), .int(groups), .optional(weight), .optional(bias),
      .double(epsilon), .bool(true))
  }

  /// Channels shifted and scaled by a mean and a variance known before, then scaled and shifted.
  ///
  /// Schema: `aten::batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor?
  /// running_var, bool training, float momentum, float eps, bool cudnn_enabled)`.
  ///
  /// - Parameters:
  ///   - mean: The mean of each channel.
  ///   - variance: The variance of each channel.
  ///   - weight: A factor for each channel.
  ///   - bias: What is added to each channel.
  ///   - epsilon: What is added to the variance.
  /// - Returns: A tensor of the same shape.
  /// - Throws: `engine` when the shapes or dtypes do not fit.
  public func batchNorm(
    mean: TorchTensor, variance: TorchTensor, weight: TorchTensor? = nil, bias: TorchTensor? = nil,
    epsilon: Double = 1e-5
  ) throws(TinctureError) -> TorchTensor {
    try library.call(
      "aten::batch_norm", "", .tensor(self), .optional(weight), .optional(bias), .optional(mean),
      .optional(variance), .bool(false), .double(0), .double(epsilon), .bool(true))
  }

  /// Channels shifted and scaled by the batch's own mean and variance, then scaled and shifted.
  ///
  /// Schema: as for a known mean, in training. The means that are kept for later move towards the batch's:
  /// (1 − momentum) · kept + momentum · batch, where the batch's variance is the unbiased one.
  ///
  /// - Parameters:
  ///   - mean: The kept mean of each channel.
  ///   - variance: The kept variance of each channel.
  ///   - momentum: How far the kept ones move.
  ///   - weight: A factor for each channel.
  ///   - bias: What is added to each channel.
  ///   - epsilon: What is added to the variance.
  /// - Returns: A tensor of the same shape, and the moved mean and variance.
  /// - Throws: `engine` when the shapes or dtypes do not fit.
  public func batchNormInTraining(
    mean: TorchTensor, variance: TorchTensor, momentum: Double = 0.1, weight: TorchTensor? = nil,
    bias: TorchTensor? = nil, epsilon: Double = 1e-5
  ) throws(TinctureError) -> (output: TorchTensor, mean: TorchTensor, variance: TorchTensor) {
    // The operator writes into the kept ones, so it gets copies.
    let mean = try mean.detached().copy()
    let variance = try variance.detached().copy()
    let output = try library.call(
      "aten::batch_norm", "", .tensor(self), .optional(weight), .optional(bias), .optional(mean),
      .optional(variance), .bool(true), .double(momentum), .double(epsilon), .bool(true))
    return (output, mean, variance)
  }
}
