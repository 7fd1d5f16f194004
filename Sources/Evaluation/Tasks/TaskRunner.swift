internal import SystemPackage
internal import TinctureMetrics
internal import TinctureNetworks
internal import TinctureTensors
internal import TinctureTorch

/// What a task asks of a network: outputs for examples, and what a metric compares them with.
protocol TaskRunner {
  /// The number of examples.
  var count: Int { get }

  /// Mixes everything but the parameters on which outputs depend into a digest.
  func update(_ digest: inout ContentDigest) throws(TinctureError)

  /// The outputs for some of the examples, a row of numbers for each.
  func outputs(
    _ indices: [Int], _ parameters: Parameters
  ) throws(TinctureError) -> TorchTensor

  /// Which tokens of some of the examples belong to texts, [N, tokens]; nil when nothing is padded.
  func mask(of indices: [Int]) throws(TinctureError) -> TorchTensor?

  /// All outputs together with what is true.
  func observations(_ outputs: TaskOutputs) throws(TinctureError) -> Observations
}

extension TaskRunner {
  /// Nothing is padded.
  func mask(of indices: [Int]) throws(TinctureError) -> TorchTensor? { nil }
}

/// Where and on what a task runs.
struct TaskContext {
  let suite: EvaluationSuite
  let task: EvaluationTask
  let metric: MetricInfo
  let device: TorchDevice
  let exampleLimit: Int?
  /// What the model has for this task alone.
  var part: TaskPart?
  /// Whether it must be known what is true.
  var needsTargets = true

  /// The runner that fits a network.
  ///
  /// - Throws: What is wrong with the task's data and head, or `recipe` when no metric of such a task can
  ///   be measured with such a network.
  func runner(_ network: any Network) throws(TinctureError) -> any TaskRunner {
    switch network {
    case let network as any ImageEncoder: return try ImageTaskRunner(network, self)
    case let network as any TextClassifier: return try TextTaskRunner(.classifier(network), self)
    case let network as any TextEncoder: return try TextTaskRunner(.encoder(network), self)
    case let network as any LanguageModel: return try LanguageTaskRunner(network, self)
    case let network as DenseNetwork: return try DenseTaskRunner(network, self)
    default:
      throw TinctureError(
        .recipe,
        "A network of this kind answers no task; of a CLIP model use the kind clip_vision with a head.",
        at: .init(file: suite.file.string))
    }
  }

  /// The head of the task: that of the model's part, or that of the suite.
  ///
  /// - Parameter width: The numbers in a feature.
  /// - Returns: The head, or nil when there is none.
  /// - Throws: What is wrong with the head.
  func head(width: Int) throws(TinctureError) -> TaskHead? {
    if let head = try part?.head(width: width) { return head }
    return try task.head.map { (reference) throws(TinctureError) in
      try TaskHead(reading: reference, width: width, in: suite, on: device)
    }
  }

  /// What the part of the model does to features or to the scores with which a network ends.
  ///
  /// - Parameter width: The numbers in a row.
  /// - Returns: The correction, or nil when there is none.
  /// - Throws: `checkpoint` when it does not fit.
  func correction(width: Int) throws(TinctureError) -> LowRankCorrection? {
    try part?.correction(width: width)
  }

  /// The failure of a task whose settings do not fit its network.
  func refusal(_ message: String) -> TinctureError {
    TinctureError(
      .recipe, "The task '\(task.name)' \(message)", at: .init(file: suite.file.string))
  }

  /// Makes sure that the metric can be measured.
  func requireMetric(_ kinds: Set<OutputKind>) throws(TinctureError) {
    guard !kinds.contains(metric.needs) else { return }
    let fitting = MetricRegistry.all.filter { kinds.contains($0.needs) }.map(\.name)
    throw refusal(
      "has the metric '\(metric.name)', which needs \(metric.needs.rawValue); its network allows"
        + " \(fitting.joined(separator: ", ")).")
  }

  /// Scores and labels as a metric takes them, or numbers for one that compares numbers.
  func observations(
    _ outputs: TaskOutputs, _ data: TaskData
  ) throws(TinctureError) -> Observations {
    if metric.needs == .numbers {
      guard outputs.rowLength == 1 else {
        throw refusal("compares numbers, but the head gives \(outputs.rowLength) for each example.")
      }
      return .numbers(
        predicted: outputs.values.map(Double.init), actual: try data.numbers(outputs.rowCount))
    }
    let labels = try data.labels(outputs.rowCount)
    if let row = labels.firstIndex(where: {
      !(0..<outputs.rowLength).contains($0) && $0 != task.settings.ignoredLabel
    }) {
      throw TinctureError(
        .data,
        "Example \(row) has the label \(labels[row]), but the head knows the classes 0 to"
          + " \(outputs.rowLength - 1).",
        at: .init(file: data.place, tensor: data.reference.targets))
    }
    return .scores(outputs.values, classCount: outputs.rowLength, actual: labels)
  }
}
