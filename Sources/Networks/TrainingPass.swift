internal import Synchronization
internal import TinctureTensors
public import TinctureTorch

/// What a forward pass does in training only.
///
/// Normalisations take the mean and the variance of the batch in place of the counted ones, and move the counted ones
/// towards them: counted ← (1 − momentum) · counted + momentum · batch. Dropout sets numbers to zero by a stream that
/// depends only on the seed, the step and the place in the network, so that a run that goes on has the same bits.
public final class TrainingPass: Sendable {
  /// How far what is counted moves.
  public let momentum: Double
  /// The seed of dropout.
  public let seed: UInt64
  /// The number of the step, which no other step of the run has.
  public let step: Int
  private let counted = Mutex<[String: TorchTensor]>([:])

  /// Describes one pass, of which an object is of use once.
  ///
  /// - Parameters:
  ///   - momentum: How far what normalisations count moves.
  ///   - seed: The seed of dropout.
  ///   - step: The number of the step.
  public init(momentum: Double = 0.1, seed: UInt64 = 0, step: Int = 0) {
    self.momentum = momentum
    self.seed = seed
    self.step = step
  }

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

  /// Numbers of which some are set to zero, and the others scaled.
  func dropout(
    _ name: String, _ x: TorchTensor, _ probability: Double
  ) throws(TinctureError) -> TorchTensor {
    let random = CounterRandom(seed: seed, tensor: name, model: step, purpose: "dropout")
    return try x.dropout(probability, random, from: 0)
  }
}
