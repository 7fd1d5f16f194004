internal import TinctureData
internal import TinctureMetrics
internal import TinctureNetworks
package import TinctureTensors
package import TinctureTorch

/// A task of images with a head, as what learns from it sees it: batches of any examples, and no labels.
package struct ImageTask: Sendable {
  /// The task's name.
  package let name: String
  /// The head.
  package let head: TaskHead
  private let network: any ImageEncoder
  private let context: TaskContext
  private let data: TaskData

  /// The number of examples.
  package var count: Int { data.count }

  /// Opens a task.
  ///
  /// - Parameters:
  ///   - task: The task.
  ///   - suite: The suite, whose network must be an encoder of images.
  ///   - device: Where tensors shall lie.
  /// - Throws: `recipe` when the network is another one or the task has no head, and what is wrong with
  ///   the data or the head.
  package init(
    _ task: EvaluationTask, of suite: EvaluationSuite, on device: TorchDevice
  ) throws(TinctureError) {
    let metric = try MetricRegistry.metric(named: task.metric, settings: task.settings).info
    context = TaskContext(
      suite: suite, task: task, metric: metric, device: device, exampleLimit: nil)
    guard let network = suite.network as? any ImageEncoder, let reference = task.head else {
      throw context.refusal("cannot be learned from: it needs an encoder of images and a 'head'.")
    }
    name = task.name
    self.network = network
    data = try TaskData(context, needsTargets: false)
    head = try TaskHead(
      reading: reference, width: network.featureWidth, in: suite, on: device)
  }

  /// What the network sees of some examples.
  ///
  /// - Parameter indices: The examples.
  /// - Returns: Images [N, channels, height, width].
  /// - Throws: `data` when they do not fit the network, `io` when reading fails.
  package func images(at indices: [Int]) throws(TinctureError) -> TorchTensor {
    try context.images(data, at: indices, size: network.imageSize, network.channels)
  }
}
