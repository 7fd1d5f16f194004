internal import TinctureData
package import TinctureMerging
internal import TinctureMetrics
package import TinctureNetworks
package import TinctureTensors
package import TinctureTorch

/// A task as what learns from it sees it: batches of any examples, and labels only where they are asked for.
package struct LearningTask: Sendable {
  enum Content: Sendable {
    case images(any ImageEncoder)
    case texts(any TextEncoder, TokenInputs)
    case classified(any TextClassifier, TokenInputs)
    case language(any LanguageModel, TokenInputs)
  }

  /// The task's name.
  package let name: String
  /// The head; nil where the network ends with scores.
  package let head: TaskHead?
  let content: Content
  let context: TaskContext
  let data: TaskData

  /// Whether each token of a text is scored, and not the text.
  package var isLanguage: Bool { if case .language = content { true } else { false } }

  /// The number of examples.
  package var count: Int { data.count }

  /// Opens a task.
  ///
  /// - Parameters:
  ///   - task: The task.
  ///   - suite: The suite.
  ///   - network: The network with the names of the models.
  ///   - device: Where tensors shall lie.
  ///   - limit: How many examples are used at most.
  ///   - needsLabels: Whether it must be known what is true.
  /// - Throws: `recipe` when nothing can be learned with such a network, and what is wrong with the data or
  ///   the head.
  package init(
    _ task: EvaluationTask, of suite: EvaluationSuite, _ network: any Network,
    on device: TorchDevice, limit: Int? = nil, needsLabels: Bool = false
  ) throws(TinctureError) {
    let metric = try MetricRegistry.metric(named: task.metric, settings: task.settings).info
    var context = TaskContext(
      suite: suite, task: task, metric: metric, device: device, exampleLimit: limit)
    context.needsTargets = needsLabels
    self.context = context
    name = task.name
    // The labels of a language model are the texts themselves.
    data = try TaskData(context, needsTargets: !(network is any LanguageModel))
    switch network {
    case let network as any ImageEncoder:
      content = .images(network)
      head = try context.head(width: network.featureWidth)
    case let network as any TextClassifier:
      content = .classified(network, try TokenInputs(data, context))
      head = nil
      return
    case let network as any LanguageModel:
      content = .language(network, try TokenInputs(data, context))
      head = nil
      return
    case let network as any TextEncoder:
      content = .texts(network, try TokenInputs(data, context))
      head = try context.head(width: network.featureWidth)
    default:
      throw context.refusal(
        "cannot be learned from: it needs an encoder of images or texts, a classifier or a language model."
      )
    }
    if head == nil {
      throw context.refusal("cannot be learned from without a 'head', which tells its classes.")
    }
  }

  /// Mixes everything but parameters on which features depend into a digest.
  func update(_ digest: inout ContentDigest) throws(TinctureError) {
    switch content {
    case .images(let network): digest.update("images \(network) \(context.suite.input)")
    case .texts(let network, let inputs):
      digest.update("texts \(network)")
      inputs.update(&digest)
    case .classified(let network, let inputs):
      digest.update("classified texts \(network)")
      inputs.update(&digest)
    case .language(let network, let inputs):
      digest.update("language \(network)")
      inputs.update(&digest)
    }
    try data.update(&digest)
  }

  /// The labels of some examples.
  ///
  /// - Parameters:
  ///   - indices: The examples.
  ///   - classCount: How many classes there are.
  /// - Returns: A label for each row of ``TaskAnswers/features``; for a language model the tokens that follow.
  /// - Throws: `data` for a label that no class has.
  package func labels(of indices: [Int], classCount: Int) throws(TinctureError) -> [Int] {
    if case .language(_, let inputs) = content {
      return try FollowingTokens(inputs.batch(at: indices)).labels
    }
    let labels = try data.labels(at: indices)
    if let row = labels.firstIndex(where: { !(0..<classCount).contains($0) }) {
      throw TinctureError(
        .data,
        "Example \(indices[row]) of the task '\(name)' has the label \(labels[row]), but the head knows"
          + " the classes 0 to \(classCount - 1).",
        at: .init(file: data.place, tensor: data.reference.targets))
    }
    return labels
  }
}

extension Evaluator {
  /// The scores of a model for all examples of a task, from the cache where they are in it.
  ///
  /// - Parameters:
  ///   - model: The tensors of the model by the network's names.
  ///   - task: The task.
  ///   - observer: Hears how many examples more are done.
  /// - Returns: Scores, row after row, and how many are in a row.
  /// - Throws: What does not fit, `io`, `interrupted`.
  package func scores(
    of model: [String: any TensorReader], for task: EvaluationTask,
    observer: (Int) -> Void = { _ in }
  ) throws(TinctureError) -> (values: [Float], rowLength: Int) {
    let metric = try MetricRegistry.metric(named: task.metric, settings: task.settings)
    var context = TaskContext(
      suite: suite, task: task, metric: metric.info, device: device, exampleLimit: exampleLimit)
    context.needsTargets = false
    let parameters = try ModelParameters(reading: model, for: suite.network, on: device)
    let runner = try context.runner(parameters.network)
    let (outputs, _) = try outputs(of: parameters, nil, runner, observer)
    return (outputs.values, outputs.rowLength)
  }

  /// Measures a model at a task, without the cache.
  ///
  /// - Parameters:
  ///   - parameters: The model's parameters by the names of the suite's network.
  ///   - task: The task.
  /// - Returns: The figure.
  /// - Throws: What does not fit, `io`, `interrupted`.
  package func score(
    _ parameters: Parameters, for task: EvaluationTask
  ) throws(TinctureError) -> TaskScore {
    var metric = try MetricRegistry.metric(named: task.metric, settings: task.settings)
    let context = TaskContext(
      suite: suite, task: task, metric: metric.info, device: device, exampleLimit: exampleLimit)
    let runner = try context.runner(suite.network)
    try metric.add(runner.observations(outputs(runner, parameters) { _ in }))
    return TaskScore(
      task: task.name, metric: metric.info, value: metric.value, details: metric.details,
      exampleCount: runner.count)
  }
}
