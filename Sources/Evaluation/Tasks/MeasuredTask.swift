internal import TinctureCheckpoints
internal import TinctureMetrics
package import TinctureNetworks
package import TinctureTensors
package import TinctureTorch
internal import SystemPackage

/// A task of any kind as what measures models on its examples sees it: outputs for any examples, and what is
/// padding in them.
package struct MeasuredTask {
  /// What outputs are.
  package enum Outputs: Sendable, Hashable {
    /// Scores of classes before a softmax, a row for each example.
    case scores
    /// One number for each example.
    case number
    /// −Σ ln p of each text and the number of its tokens.
    case likelihood
    /// Something for every pixel.
    case pixels
  }

  /// What outputs are.
  package let outputs: Outputs
  private let runner: any TaskRunner

  /// Opens a task; what is true of the examples need not be there.
  ///
  /// - Parameters:
  ///   - task: The task.
  ///   - suite: The suite.
  ///   - network: The suite's network under the names of the model.
  ///   - device: Where tensors shall lie.
  /// - Throws: What is wrong with the data or the head, or `recipe` when the network does not fit.
  package init(
    _ task: EvaluationTask, of suite: EvaluationSuite, _ network: any Network,
    on device: TorchDevice
  ) throws(TinctureError) {
    let metric = try MetricRegistry.metric(named: task.metric, settings: task.settings).info
    let context = TaskContext(
      suite: suite, task: task, metric: metric, device: device, exampleLimit: nil,
      needsTargets: false)
    runner = try context.runner(network)
    outputs =
      switch runner {
      case is LanguageTaskRunner: .likelihood
      case is DenseTaskRunner: .pixels
      default: metric.needs == .numbers ? .number : .scores
      }
  }

  /// The number of examples.
  package var count: Int { runner.count }

  /// The outputs for some examples, a row for each.
  package func outputs(
    of indices: [Int], _ parameters: Parameters
  ) throws(TinctureError) -> TorchTensor {
    try runner.outputs(indices, parameters)
  }

  /// Which tokens of some examples belong to texts, [N, tokens]; nil when nothing is padded.
  package func mask(of indices: [Int]) throws(TinctureError) -> TorchTensor? {
    try runner.mask(of: indices)
  }

  /// What identifies the examples, the head and the network's settings.
  ///
  /// - Parameter indices: The examples that are used.
  /// - Returns: 64 hexadecimal digits.
  /// - Throws: What reading the examples throws.
  package func digest(of indices: [Int]) throws(TinctureError) -> String {
    var digest = ContentDigest()
    try runner.update(&digest)
    for index in indices { digest.update("\(index)") }
    return digest.finish()
  }
}

extension EvaluationSuite {
  /// The same suite with the examples of all tasks taken from another file of the same columns.
  ///
  /// - Parameter file: The file or folder, from the current directory and not from the suite's folder.
  /// - Returns: The changed suite.
  public func taking(data file: String) -> EvaluationSuite {
    var other = self
    for index in tasks.indices { other.tasks[index].data.file = FilePath(file).absolute.string }
    return other
  }
}
