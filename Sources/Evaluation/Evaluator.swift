internal import SystemPackage
public import TinctureCheckpoints
internal import TinctureJSON
public import TinctureMerging
internal import TinctureMetrics
internal import TinctureNetworks
internal import TinctureSafetensors
public import TinctureTensors
public import TinctureTorch

/// Measures models on the tasks of a suite.
///
/// For each task the network computes outputs for all examples, and the metric compares them with what is
/// true. Outputs are kept by content, so that nothing is computed twice. Models are held one at a time.
public struct Evaluator: Sendable {
  /// The suite.
  public private(set) var suite: EvaluationSuite
  /// Where networks run.
  public var device = TorchDevice.cpu
  /// How matrices are multiplied.
  public var precision = ComputePrecision.full
  /// Where outputs are kept; nil computes everything.
  public var cache: OutputCache?
  /// How many examples of each task are used at most, the first ones; nil uses all.
  public var exampleLimit: Int?
  /// Finds models.
  public var locator = ModelLocator()
  /// How inputs are mixed for in models that mix by features; nil is softly.
  public var routing: MixtureRouting?
  /// Whether networks are linear in their parameters, with the derivative at the suite's base.
  public var isLinearized = false
  /// Stops the evaluation when raised.
  public var interruption = Interruption()

  /// Whether heads that belong to a model stand in for the suite's.
  private var usesHeadsOfModels = true

  /// Prepares to measure on a suite.
  public init(_ suite: EvaluationSuite) { self.suite = suite }

  /// The same with the heads of all tasks taken from another file.
  ///
  /// - Parameter file: The file, with tensors under the names that the suite has.
  /// - Returns: An evaluator on the changed suite.
  /// - Throws: `usage` when a task of the suite has no head.
  public func with(heads file: String) throws(TinctureError) -> Evaluator {
    var other = self
    other.usesHeadsOfModels = false
    for (index, task) in suite.tasks.enumerated() {
      guard task.head != nil else {
        throw TinctureError(
          .usage, "The task '\(task.name)' has no head that could be taken from a file.",
          at: .init(file: suite.file.string))
      }
      // Not from the suite's folder, as the suite's own paths are.
      other.suite.tasks[index].head?.file = FilePath(file).absolute.string
    }
    return other
  }

  /// How many examples one model goes through.
  ///
  /// - Throws: What is wrong with the suite's data.
  public func exampleCount() throws(TinctureError) -> Int {
    var count = 0
    for task in suite.tasks {
      let metric = try MetricRegistry.metric(named: task.metric, settings: task.settings).info
      let context = TaskContext(
        suite: suite, task: task, metric: metric, device: device, exampleLimit: exampleLimit)
      if suite.network is PredictedOutputs {
        let images = try PredictedOutputs.images(context).count
        count += min(images, exampleLimit ?? images)
        continue
      }
      count += try TaskData(context, needsTargets: metric.needs != .likelihood).count
    }
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
  ///   batch, and the outputs of one task.
  public func evaluate(
    _ model: EvaluatedModel, observer: (Int) -> Void = { _ in }
  ) throws(TinctureError) -> ModelScores {
    let start = ContinuousClock.now
    if !(suite.network is PredictedOutputs) { try LibTorch.current().require(device) }
    var loaded: (reference: ModelReference, parameters: ModelParameters)?
    var scores: [TaskScore] = []
    var cachedTasks = 0
    var mixes = false
    for task in suite.tasks {
      guard let reference = model.model(for: task) else {
        throw TinctureError(
          .recipe, "There is no model for the task '\(task.name)'.",
          at: .init(file: suite.file.string, model: model.name))
      }
      if suite.network is PredictedOutputs {
        scores.append(try predictedScore(task, reference, observer))
        continue
      }
      if loaded?.reference != reference {
        loaded = (reference, try parameters(reference, model.fusion))
      }
      guard let parameters = loaded?.parameters else { continue }
      mixes = mixes || parameters.mixes
      let (score, isCached) = try score(task, parameters, observer)
      scores.append(score)
      cachedTasks += isCached ? 1 : 0
    }
    return ModelScores(
      name: model.name, scores: scores, reference: model.reference, cachedTasks: cachedTasks,
      seconds: (ContinuousClock.now - start) / .seconds(1), mixes: mixes)
  }

  private func parameters(
    _ reference: ModelReference, _ fusion: LogitFusion?
  ) throws(TinctureError) -> ModelParameters {
    let input = try input(reference)
    var own = try ModelParameters(
      reading: input, for: suite.network, on: device, routing: routing)
    if isLinearized { own.network = try linearized(own.network) }
    return try fusion.map { (fusion) throws(TinctureError) in try steered(own, by: fusion) } ?? own
  }

  /// A network in linear form about the suite's base.
  private func linearized(_ network: any Network) throws(TinctureError) -> any Network {
    guard let name = suite.base else {
      throw TinctureError(
        .usage, "A network is linear about the suite's 'base', which this suite does not name.",
        at: .init(file: suite.file.string))
    }
    let base = try ModelParameters(
      reading: input(ModelReference(parsing: name, exists: exists)), for: suite.network,
      on: device)
    return try Tangent(base: base.parameters, digest: base.digest).network(network, suite.file)
  }

  /// A large language model with the small ones of a fusion.
  private func steered(
    _ large: ModelParameters, by fusion: LogitFusion
  ) throws(TinctureError) -> ModelParameters {
    func open(_ word: String) throws(TinctureError) -> ModelInput {
      try input(ModelReference(parsing: word, exists: exists))
    }
    let small = try open(fusion.small)
    let network = try configured(small, fusion)
    var members: [FusedLanguageModel.Member] = []
    for (place, word) in ([fusion.small] + fusion.experts).enumerated() {
      let input = place == 0 ? small : try open(word)
      members.append(
        try ModelParameters(reading: input, for: network, on: device).member(input.name))
    }
    return try large.steered(by: members, fusion.factors, suite.file)
  }

  /// The network of the small models of a fusion.
  private func configured(
    _ small: ModelInput, _ fusion: LogitFusion
  ) throws(TinctureError) -> any Network {
    if let name = fusion.configuration {
      let path = suite.path(name)
      if FileKind(of: path) == .directory { return try NetworkKind.network(reading: path) }
      let bytes = try InputFile(opening: path).contents()
      let configuration = try JSONValue(parsing: String(decoding: bytes, as: UTF8.self))
      return try NetworkKind(configuration: configuration).network(configuration: configuration)
    }
    guard let directory = small.checkpoint.directory,
      FileKind(of: directory.appending("config.json")) == .file
    else { return suite.network }
    return try NetworkKind.network(reading: directory)
  }

  private func input(_ reference: ModelReference) throws(TinctureError) -> ModelInput {
    var base: ModelInput?
    if reference.expert != nil, let name = suite.base {
      base = try ModelInput(
        opening: ModelReference(parsing: name, exists: exists), locator: locator,
        folder: suite.folder)
    }
    return try ModelInput(
      opening: reference, locator: locator, folder: suite.folder, base: base)
  }

  /// Whether a path is there, as it stands or beside the suite.
  private func exists(_ path: String) -> Bool {
    ModelReference.isOnDisk(path) || ModelReference.isOnDisk(suite.path(path).string)
  }

  private func score(
    _ task: EvaluationTask, _ model: ModelParameters, _ observer: (Int) -> Void
  ) throws(TinctureError) -> (score: TaskScore, isCached: Bool) {
    var metric = try MetricRegistry.metric(named: task.metric, settings: task.settings)
    var context = TaskContext(
      suite: suite, task: task, metric: metric.info, device: device, exampleLimit: exampleLimit)
    context.part = try model.parts.flatMap { parts in
      parts.tasks.first { $0.name == task.name }.map { (parts.file, $0) }
    }.map { (found) throws(TinctureError) in
      try TaskPart(found.1, of: found.0, on: device, withHead: usesHeadsOfModels)
    }
    let runner = try context.runner(model.network)
    let (outputs, isCached) = try outputs(of: model, context.part, runner, observer)
    try metric.add(runner.observations(outputs))
    let score = TaskScore(
      task: task.name, metric: metric.info, value: metric.value, details: metric.details,
      exampleCount: runner.count)
    return (score, isCached)
  }

  /// The outputs of a model for all examples of a task, from the cache where they are in it.
  func outputs(
    of model: ModelParameters, _ part: TaskPart?, _ runner: any TaskRunner,
    _ observer: (Int) -> Void
  ) throws(TinctureError) -> (TaskOutputs, isCached: Bool) {
    var digest = ContentDigest()
    digest.update("\(precision) \(device.kind) \(model.digest)")
    part?.update(&digest)
    try runner.update(&digest)
    let key = digest.finish()
    if let kept = cache?.outputs(key), kept.rowCount == runner.count {
      observer(runner.count)
      return (kept, true)
    }
    let parameters =
      if let part { try part.parameters(model.parameters, for: model.network) } else {
        model.parameters
      }
    let outputs = try self.outputs(runner, parameters, observer)
    cache?.keep(outputs, key)
    return (outputs, false)
  }

  private func predictedScore(
    _ task: EvaluationTask, _ reference: ModelReference, _ observer: (Int) -> Void
  ) throws(TinctureError) -> TaskScore {
    try interruption.check()
    var metric = try MetricRegistry.metric(named: task.metric, settings: task.settings)
    let context = TaskContext(
      suite: suite, task: task, metric: metric.info, device: device, exampleLimit: exampleLimit)
    let (observations, count) = try PredictedOutputs.observations(of: reference, context)
    try metric.add(observations)
    observer(count)
    return TaskScore(
      task: task.name, metric: metric.info, value: metric.value, details: metric.details,
      exampleCount: count)
  }

  func outputs(
    _ runner: any TaskRunner, _ parameters: Parameters, _ observer: (Int) -> Void
  ) throws(TinctureError) -> TaskOutputs {
    var outputs = TaskOutputs(values: [], rowLength: 0)
    for start in stride(from: 0, to: runner.count, by: suite.batchSize) {
      try interruption.check()
      let range = start..<min(start + suite.batchSize, runner.count)
      let rows = try withoutGradients { () throws(TinctureError) in
        try precision.scope { () throws(TinctureError) in
          try runner.outputs(Array(range), parameters).converted(to: .f32)
        }
      }
      outputs.rowLength = rows.shape.last ?? 0
      outputs.values += try rows.array(as: Float.self)
      observer(range.count)
    }
    return outputs
  }
}
