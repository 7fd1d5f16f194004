internal import Synchronization
package import TinctureMerging
internal import TinctureMetrics
package import TinctureNetworks
package import TinctureTensors
package import TinctureTorch

/// Remembers the mean token that leaves each block, after it was corrected.
package final class BlockMeans: BlockHook {
  private let corrections: BlockCorrections
  private let found = Mutex<[TorchTensor]>([])

  /// Begins without means.
  package init(_ corrections: BlockCorrections = BlockCorrections([:])) {
    self.corrections = corrections
  }

  /// The means, [N, width] for each block, in the order in which tokens left them.
  package var means: [TorchTensor] { found.withLock { $0 } }

  /// The corrected tokens, whose mean is remembered; padding does not count.
  package func callAsFunction(
    _ tokens: TorchTensor, leaving block: Int, mask: TorchTensor?
  ) throws(TinctureError) -> TorchTensor {
    let corrected = try corrections(tokens, leaving: block, mask: mask)
    let mean: TorchTensor
    if let mask {
      let weights = try mask.converted(to: .f32).unsqueezed(at: -1)
      mean = try (corrected * weights).sum(along: 1) / weights.sum(along: 1).clamped(min: 1)
    } else {
      mean = try corrected.mean(along: 1)
    }
    found.withLock { $0.append(mean) }
    return corrected
  }
}

extension LearningTask {
  /// What the network makes of some examples, and the mean tokens that leave its blocks.
  ///
  /// - Parameters:
  ///   - indices: The examples.
  ///   - parameters: The network's parameters.
  ///   - corrections: What is done to the tokens that leave blocks.
  /// - Returns: A row for each example: the features, and the means [N, width] of all blocks.
  /// - Throws: What the features throw.
  package func states(
    of indices: [Int], _ parameters: Parameters, _ corrections: BlockCorrections
  ) throws(TinctureError) -> (features: TorchTensor, blocks: [TorchTensor]) {
    let means = BlockMeans(corrections)
    let features = try features(of: indices, parameters.hooked(means))
    return (features, means.means)
  }
}

extension Evaluator {
  /// The features of a model for all examples of a task, from the cache where they are in it.
  ///
  /// - Parameters:
  ///   - model: The tensors of the model by the network's names.
  ///   - task: The task.
  ///   - withBlocks: Whether the mean tokens that leave the blocks stand before the features.
  /// - Returns: The numbers, row after row, and how many are in a row.
  /// - Throws: What does not fit, `io`, `interrupted`.
  package func features(
    of model: [String: any TensorReader], for task: EvaluationTask, withBlocks: Bool = false
  ) throws(TinctureError) -> (values: [Float], rowLength: Int) {
    let parameters = try ModelParameters(reading: model, for: suite.network, on: device)
    let learning = try LearningTask(
      task, of: suite, parameters.network, on: device, limit: exampleLimit)
    let runner = FeatureRunner(task: learning, withBlocks: withBlocks)
    let (outputs, _) = try outputs(of: parameters, nil, runner) { _ in }
    return (outputs.values, outputs.rowLength)
  }
}

/// Features without a head.
private struct FeatureRunner: TaskRunner {
  let task: LearningTask
  let withBlocks: Bool

  var count: Int { task.count }

  func update(_ digest: inout ContentDigest) throws(TinctureError) {
    digest.update("features 1 \(withBlocks)")
    try task.update(&digest)
  }

  func outputs(
    _ indices: [Int], _ parameters: Parameters
  ) throws(TinctureError) -> TorchTensor {
    guard withBlocks else { return try task.features(of: indices, parameters) }
    let states = try task.states(of: indices, parameters, BlockCorrections([:]))
    return try TorchTensor.concatenated(states.blocks + [states.features], along: 1)
  }

  func observations(_ outputs: TaskOutputs) throws(TinctureError) -> Observations {
    throw TinctureError(.internalError, "Features are compared with nothing.")
  }
}
