internal import Synchronization
internal import TinctureTensors
public import TinctureTorch

/// What a forward pass does in training only.
///
/// Normalisations take the mean and the variance of the batch in place of the counted ones, and move the counted ones
/// towards them: counted ← (1 − momentum) · counted + momentum · batch.
public final class TrainingPass: Sendable {
  /// How far what is counted moves.
  public let momentum: Double
  private let counted = Mutex<[String: TorchTensor]>([:])

  /// Describes one pass, of which an object is of use once.
  public init(momentum: Double = 0.1) { self.momentum = momentum }

  /// The moved means and variances by the full names of the tensors that hold them.
  public var moved: [String: TorchTensor] { counted.withLock { $0 } }

  /// A normalisation by the batch.
  func batchNorm(
    _ name: String, _ x: TorchTensor, _ parameters: Parameters, epsilon: Double
  ) throws(TinctureError) -> TorchTensor {
    let (output, mean, variance) = try x.batchNormInTraining(
      mean: parameters("running_mean"), variance: parameters("running_var"), momentum: momentum,
      weight: parameters("weight"), bias: parameters("bias"), epsilon: epsilon)
    counted.withLock {
      $0[name + ".running_mean"] = mean
      $0[name + ".running_var"] = variance
    }
    return output
  }
}
