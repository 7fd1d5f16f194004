internal import TinctureData
internal import TinctureEvaluation
internal import TinctureMerging
internal import TinctureNetworks
internal import TinctureTensors
internal import TinctureTorch

/// A task's part in a fit: its examples in a seeded order, its expert's answers and its head.
final class TaskLearner {
  let task: ImageTask
  private(set) var head: TaskHead
  private let fit: CoefficientFit
  private let network: any ImageEncoder
  /// The expert's scores of all examples, [N, classes].
  private let expert: TorchTensor?
  private let optimizer: TorchOptimizer?
  private let order: BatchOrder
  private var batches: [[Int]] = []
  private var epoch = 0

  /// Prepares a task.
  ///
  /// - Parameters:
  ///   - task: The task.
  ///   - index: The number of the task among the task vectors.
  ///   - fit: The fit.
  /// - Throws: What the expert's forward pass throws.
  init(_ task: ImageTask, index: Int, fit: CoefficientFit) throws(TinctureError) {
    self.task = task
    self.fit = fit
    guard let network = fit.suite.network as? any ImageEncoder else {
      throw TinctureError(.internalError, "Only encoders of images can be fitted.")
    }
    self.network = network
    order = BatchOrder(
      count: task.count, batchSize: fit.settings.batchSize,
      seed: fit.settings.seed &+ UInt64(index) &* 1_000_003)
    var head = task.head
    if let rate = fit.settings.headRate {
      head.weight = try head.weight.requiringGradient()
      head.bias = try head.bias?.requiringGradient()
      optimizer = try TorchOptimizer(
        .adam(), learningRate: rate, for: [head.weight] + (head.bias.map { [$0] } ?? []))
    } else {
      optimizer = nil
    }
    self.head = head
    expert =
      fit.settings.objective.needsExperts
      ? try Self.answers(of: index, to: task, network, fit) : nil
  }

  /// What the expert says about all examples.
  private static func answers(
    of index: Int, to task: ImageTask, _ network: any ImageEncoder, _ fit: CoefficientFit
  ) throws(TinctureError) -> TorchTensor {
    var table = CoefficientTable(
      .task, tensorCount: fit.vectors.tensors.count, taskCount: fit.vectors.taskCount, start: 0,
      bounds: nil)
    table.raw[index] = 1
    let parameters = fit.named(try fit.parameters(table, learnable: false))
    return try withoutGradients { () throws(TinctureError) in
      var parts: [TorchTensor] = []
      for start in stride(from: 0, to: task.count, by: fit.suite.batchSize) {
        try fit.interruption.check()
        let indices = Array(start..<min(start + fit.suite.batchSize, task.count))
        let features = try network.features(of: task.images(at: indices), parameters)
        parts.append(try task.head(features))
      }
      return try TorchTensor.concatenated(parts, along: 0)
    }
  }

  /// The next examples; after all were seen, they come in another order.
  private func nextBatch() -> [Int] {
    if batches.isEmpty {
      batches = order.batches(epoch: epoch).map(Array.init).reversed()
      epoch += 1
    }
    return batches.popLast() ?? []
  }

  /// Lets the task have a turn: its head learns, and the derivative of its loss is handed on.
  ///
  /// - Parameter table: The coefficients.
  /// - Returns: The loss, and ⟨∂loss/∂θ, τ⟩ of each tensor and task; nil when no example is kept or the loss or
  ///   a product is not finite.
  /// - Throws: What the forward and backward passes throw.
  func turn(
    _ table: CoefficientTable
  ) throws(TinctureError) -> (loss: Double, products: [Double])? {
    let indices = nextBatch()
    let leaves = try fit.parameters(table, learnable: true)
    let features = try network.features(of: task.images(at: indices), fit.named(leaves))
    let scores = try head(features)
    let rows = try TorchTensor(indices, on: fit.device)
    let answers = try expert?.selected(at: rows, along: 0)
    guard let (loss, _) = try fit.settings.objective.loss(scores, expert: answers) else {
      return nil
    }
    let value = Double(try loss.item(as: Float.self))
    guard value.isFinite else { return nil }
    var own = optimizer == nil ? [] : [head.weight] + (head.bias.map { [$0] } ?? [])
    let found = try gradients(of: loss, withRespectTo: leaves + own)
    var products: [Double] = []
    for index in leaves.indices {
      try found[index].withBytes(as: .f32) { bytes in
        let values = bytes.bindMemory(to: Float.self)
        products += fit.vectors.products(index, values.span)
      }
    }
    guard products.allSatisfy(\.isFinite) else { return nil }
    if let optimizer {
      try optimizer.step(&own, Array(found[leaves.count...]))
      head.weight = own[0]
      if own.count > 1 { head.bias = own[1] }
    }
    return (value, products)
  }
}
