public import TinctureTensors

/// How the losses of single elements become the loss.
public enum LossReduction: Int, Sendable, Hashable {
  /// They stay as they are.
  case none = 0
  /// Their mean, weighted where there are weights.
  case mean = 1
  /// Their sum.
  case sum = 2
}

// Losses: `self` holds the predictions.
extension TorchTensor {
  /// −log softmax(self)[target]: `self` holds logits [N, classes, …].
  ///
  /// Schema: `aten::cross_entropy_loss(Tensor self, Tensor target, Tensor? weight, int reduction, SymInt
  /// ignore_index, float label_smoothing)`.
  ///
  /// - Parameters:
  ///   - target: Classes as i64 [N, …], or probabilities of the shape of `self`.
  ///   - weight: A weight for each class.
  ///   - ignored: A class that counts for nothing.
  ///   - smoothing: The share of probability that is spread over all classes.
  ///   - reduction: What is returned.
  /// - Returns: The loss.
  /// - Throws: `engine` when the shapes or dtypes do not fit or a class does not exist.
  public func crossEntropy(
    _ target: TorchTensor, weight: TorchTensor? = nil, ignoring ignored: Int = -100,
    smoothing: Double = 0, reduction: LossReduction = .mean
  ) throws(TinctureError) -> TorchTensor {
    try library.call(
      "aten::cross_entropy_loss", "", .tensor(self), .tensor(target), .optional(weight),
      .int(reduction.rawValue), .int(ignored), .double(smoothing))
  }

  /// −self[target]: `self` holds logarithms of probabilities [N, classes, …].
  ///
  /// Schema: `aten::nll_loss_nd(Tensor self, Tensor target, Tensor? weight, int reduction, SymInt
  /// ignore_index)`.
  public func negativeLogLikelihood(
    _ target: TorchTensor, weight: TorchTensor? = nil, ignoring ignored: Int = -100,
    reduction: LossReduction = .mean
  ) throws(TinctureError) -> TorchTensor {
    try library.call(
      "aten::nll_loss_nd", "", .tensor(self), .tensor(target), .optional(weight),
      .int(reduction.rawValue), .int(ignored))
  }

  /// The squared difference.
  ///
  /// Schema: `aten::mse_loss(Tensor self, Tensor target, int reduction)`.
  public func squaredError(
    _ target: TorchTensor, reduction: LossReduction = .mean
  ) throws(TinctureError) -> TorchTensor {
    try library.call(
      "aten::mse_loss", "", .tensor(self), .tensor(target), .int(reduction.rawValue))
  }

  /// The magnitude of the difference.
  ///
  /// Schema: `aten::l1_loss(Tensor self, Tensor target, int reduction)`.
  public func absoluteError(
    _ target: TorchTensor, reduction: LossReduction = .mean
  ) throws(TinctureError) -> TorchTensor {
    try library.call(
      "aten::l1_loss", "", .tensor(self), .tensor(target), .int(reduction.rawValue))
  }

  /// d²/(2β) for differences d below β, |d| − β/2 for others.
  ///
  /// Schema: `aten::smooth_l1_loss(Tensor self, Tensor target, int reduction, float beta)`.
  public func smoothAbsoluteError(
    _ target: TorchTensor, beta: Double = 1, reduction: LossReduction = .mean
  ) throws(TinctureError) -> TorchTensor {
    try library.call(
      "aten::smooth_l1_loss", "", .tensor(self), .tensor(target), .int(reduction.rawValue),
      .double(beta))
  }

  /// target · (log target − self), element by element: `self` holds logarithms of probabilities.
  ///
  /// Schema: `aten::kl_div(Tensor self, Tensor target, int reduction, *, bool log_target)`. The divergence of
  /// a batch is the sum over classes, so take the sum and divide by N; the mean divides by N · classes.
  ///
  /// - Parameters:
  ///   - target: Probabilities, or their logarithms.
  ///   - isLogarithm: Whether the target holds logarithms.
  ///   - reduction: What is returned.
  /// - Returns: The loss.
  /// - Throws: `engine` when the shapes or dtypes do not fit.
  public func divergence(
    from target: TorchTensor, isLogarithm: Bool = false, reduction: LossReduction
  ) throws(TinctureError) -> TorchTensor {
    try library.call(
      "aten::kl_div", "", .tensor(self), .tensor(target), .int(reduction.rawValue),
      .bool(isLogarithm))
  }

  /// −target · log sigmoid(self) − (1 − target) · log sigmoid(−self): `self` holds logits.
  ///
  /// Schema: `aten::binary_cross_entropy_with_logits(Tensor self, Tensor target, Tensor? weight, Tensor?
  /// pos_weight, int reduction)`.
  public func binaryCrossEntropy(
    _ target: TorchTensor, weight: TorchTensor? = nil, reduction: LossReduction = .mean
  ) throws(TinctureError) -> TorchTensor {
    try library.call(
      "aten::binary_cross_entropy_with_logits", "", .tensor(self), .tensor(target),
      .optional(weight), .none, .int(reduction.rawValue))
  }

  /// The cosine of the angle between vectors along an axis.
  ///
  /// Schema: `aten::cosine_similarity(Tensor x1, Tensor x2, int dim, float eps)`.
  public func cosineSimilarity(
    _ other: TorchTensor, along axis: Int = -1, epsilon: Double = 1e-8
  ) throws(TinctureError) -> TorchTensor {
    try library.call(
      "aten::cosine_similarity", "", .tensor(self), .tensor(other), .int(axis), .double(epsilon))
  }
}
