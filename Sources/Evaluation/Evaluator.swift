internal import SystemPackage
public import TinctureCheckpoints
public import TinctureMerging
internal import TinctureMetrics
internal import TinctureNetworks
internal import TinctureSafetensors
public import TinctureTensors
public import TinctureTorch

/// Measures models on the tasks of a suite.
///
/// For each task the network's features of all examples go through the task's head; the metric compares
/// the scores with the labels. Scores are kept by content, so that nothing is computed twice. Models are
/// held one at a time.
public struct Evaluator: Sendable {
  /// The suite.
  public let suite: EvaluationSuite
  /// Where networks run.
  public var device = TorchDevice.cpu
  /// How matrices are multiplied.
  public var precision = ComputePrecision.full
  /// Where scores are kept; nil computes everything.
  public var cache: OutputCache?
  /// How many examples of each task are used at most, the first ones; nil uses all.
  public var exampleLimit: Int?
  /// Finds models.
  public var locator = ModelLocator()
  /// Stops the evaluation when raised.
  public var interruption = Interruption()

  /// Prepares to measure on a suite.
  public init(_ suite: EvaluationSuite) { self.suite = suite }

  /// How many examples one model goes through.
  ///
  /// - Throws: What is wrong with the suite's data.
  public func exampleCount() throws(TinctureError) -> Int {
    var count = 0
    for task in suite.tasks { count += examples(try TaskData(task.data, in: suite)) }
    return count
  }

  /// Measures a model.
  ///
  /// - Parameters:
  ///   - model: The model, or models by task.
  ///   - observer: Hears how many examples more are done.
  /// - Returns: The figures in the order of the tasks.
  /// - Throws: `missingInput`, `checkpoint` or `data` for what does not fit; `missingFacility` without
  ///   LibTorch; `interrupted`.
  /// - Complexity: One forward pass for each example that is not in the cache; memory for one model, a
  ///   batch, and the scores of one task.
  public func evaluate(
    _ model: EvaluatedModel, observer: (Int) -> Void = { _ in }
  ) throws(TinctureError) -> ModelScores {
    let start = ContinuousClock.now
    try LibTorch.current().require(device)
    var loaded: (reference: ModelReference, parameters: ModelParameters)?
    var scores: [TaskScore] = []
    var cachedTasks = 0
    for task in suite.tasks {
      guard let reference = model.model(for: task) else {
        throw TinctureError(
          .recipe, "There is no model for the task '\(task.name)'.",
          at: .init(file: suite.file.string, model: model.name))
      }
      if loaded?.reference != reference { loaded = (reference, try parameters(reference)) }
      guard let parameters = loaded?.parameters else { continue }
      let (score, isCached) = try score(task, parameters, observer)
      scores.append(score)
      cachedTasks += isCached ? 1 : 0
    }
    return ModelScores(
      name: model.name, scores: scores, reference: model.reference, cachedTasks: cachedTasks,
      seconds: (ContinuousClock.now - start) / .seconds(1))
  }

  private func parameters(_ reference: ModelReference) throws(TinctureError) -> ModelParameters {
    var base: ModelInput?
    if reference.expert != nil, let name = suite.base {
      base = try ModelInput(
        opening: ModelReference(parsing: name, exists: exists), locator: locator,
        folder: suite.folder)
    }
    let input = try ModelInput(
      opening: reference, locator: locator, folder: suite.folder, base: base)
    return try ModelParameters(reading: input, for: suite.network, on: device)
  }

  /// Whether a path is there, as it stands or beside the suite.
  private func exists(_ path: String) -> Bool {
    ModelReference.isOnDisk(path) || ModelReference.isOnDisk(suite.path(path).string)
  }

  private func examples(_ data: TaskData) -> Int { min(data.count, exampleLimit ?? data.count) }

  private func score(
    _ task: EvaluationTask, _ model: ModelParameters, _ observer: (Int) -> Void
  ) throws(TinctureError) -> (score: TaskScore, isCached: Bool) {
    let data = try TaskData(task.data, in: suite)
    let head = try TaskHead(reading: task.head, in: suite, on: device)
    let count = examples(data)
    var digest = ContentDigest()
    digest.update(
      "classification 1 \(suite.network) \(suite.input) \(precision) \(device.kind) \(count)")
    digest.update(model.digest)
    head.update(&digest)
    try data.update(&digest)
    let key = digest.finish()
    let kept = cache?.outputs(key).flatMap { $0.rowCount == count ? $0 : nil }
    let outputs: TaskOutputs
    if let kept {
      outputs = kept
      observer(count)
    } else {
      outputs = try self.outputs(data, head, model, count, observer)
      cache?.keep(outputs, key)
    }
    let labels = Array(try data.labels().prefix(count))
    if let row = labels.firstIndex(where: {
      !(0..<outputs.rowLength).contains($0) && $0 != task.settings.ignoredLabel
    }) {
      throw TinctureError(
        .data,
        "Example \(row) has the label \(labels[row]), but the head knows the classes 0 to"
          + " \(outputs.rowLength - 1).",
        at: .init(file: suite.path(task.data.file).string, tensor: task.data.targets))
    }
    var metric = try MetricRegistry.metric(named: task.metric, settings: task.settings)
    try metric.add(
      .scores(outputs.values, classCount: outputs.rowLength, actual: labels))
    let score = TaskScore(
      task: task.name, metric: metric.info, value: metric.value, details: metric.details,
      exampleCount: count)
    return (score, kept != nil)
  }

  private func outputs(
    _ data: TaskData, _ head: TaskHead, _ model: ModelParameters, _ count: Int,
    _ observer: (Int) -> Void
  ) throws(TinctureError) -> TaskOutputs {
    var outputs = TaskOutputs(values: [], rowLength: 0)
    for start in stride(from: 0, to: count, by: suite.batchSize) {
      try interruption.check()
      let range = start..<min(start + suite.batchSize, count)
      let logits = try withoutGradients { () throws(TinctureError) in
        try precision.scope { () throws(TinctureError) in
          let images = try suite.input(
            data.inputs(range).moved(to: device), for: suite.network)
          return try head(suite.network.features(of: images, model.parameters))
        }
      }
      outputs.rowLength = logits.shape.last ?? 0
      outputs.values += try logits.converted(to: .f32).array(as: Float.self)
      observer(range.count)
    }
    return outputs
  }
}
