internal import TinctureData
public import SystemPackage
internal import TinctureCheckpoints
public import TinctureEvaluation
public import TinctureMerging
internal import TinctureNetworks
public import TinctureTensors
public import TinctureTorch

/// Measures models on the examples of a suite's tasks: what merging by statistics needs.
///
/// Each model runs on its own task's examples; one model and its statistics are in memory at a time. Gram
/// matrices need forward passes only and no labels, the Fisher information derivatives and no labels either:
/// they are drawn from, or weighted by, what the model says.
public struct StatisticsCollector: Sendable {
  /// What is measured.
  public enum Measure: Sendable, Hashable {
    /// What enters the layers.
    case gram
    /// The Fisher information.
    case fisher(FisherVariant)
  }

  /// What one file holds.
  public struct Report: Sendable, Hashable {
    /// The task.
    public let task: String
    /// The file.
    public let file: FilePath
    /// How many tensors have statistics.
    public let tensorCount: Int
    /// How many examples there were.
    public let exampleCount: Int
    /// How many rows of inputs the first layer saw; nil for Fisher information.
    public let rowCount: Int?
    /// The size of the tensors in bytes.
    public let byteCount: Int
    /// How long it took.
    public let seconds: Double
  }

  /// The network and the tasks.
  public var suite: EvaluationSuite
  /// What is measured.
  public var measure: Measure
  /// How many examples of each task are used at most.
  public var exampleLimit = 256
  /// The seed by which examples are chosen where there are more, and labels are drawn.
  public var seed: UInt64 = 0
  /// Where networks run.
  public var device = TorchDevice.cpu
  /// How networks multiply matrices; statistics are always summed in full precision.
  public var precision = ComputePrecision.full
  /// Stops the work when raised.
  public var interruption = Interruption()

  /// Prepares to measure on a suite.
  public init(_ suite: EvaluationSuite, _ measure: Measure) {
    self.suite = suite
    self.measure = measure
  }

  /// The file of a task's statistics in a folder.
  public static func file(of task: String, in folder: FilePath) -> FilePath {
    let name = String(task.map { $0 == "/" || $0 == "\0" ? "_" : $0 })
    return folder.appending(name + ".safetensors")
  }

  /// Measures one model for each task and writes one file for each.
  ///
  /// - Parameters:
  ///   - models: A model for each task of the suite, in their order.
  ///   - folder: Where the files go, named after the tasks; made when it is not there.
  ///   - replaces: Whether files that exist are replaced.
  ///   - observer: Hears how many examples more are done.
  /// - Returns: What each file holds.
  /// - Throws: `recipe` when there is not one model for each task, `cannotCreate` before anything is computed
  ///   when a file exists or is an input, and what ``collect(_:for:observer:)`` throws.
  public func run(
    _ models: [ModelInput], into folder: FilePath, replaces: Bool = false,
    observer: (Int) -> Void = { _ in }
  ) throws(TinctureError) -> [Report] {
    let files = try files(models, in: folder, replaces: replaces)
    var reports: [Report] = []
    for (index, task) in suite.tasks.enumerated() {
      let start = ContinuousClock.now
      let found = try collect(models[index], for: task, observer: observer)
      reports.append(try write(found, to: files[index], replaces: replaces, since: start))
    }
    return reports
  }

  /// The files of all tasks, checked before anything is computed.
  func files(
    _ models: [ModelInput], in folder: FilePath, replaces: Bool
  ) throws(TinctureError) -> [FilePath] {
    guard models.count == suite.tasks.count else {
      throw TinctureError(
        .recipe, "The suite has \(suite.tasks.count) tasks for \(models.count) models.",
        at: .init(file: suite.file.string))
    }
    let files = suite.tasks.map { Self.file(of: $0.name, in: folder) }
    for file in files {
      try CheckpointWriter.checkVacant(file, policy: .init(replace: replaces))
      guard let identity = FileIdentity(of: file) else { continue }
      for model in models where ModelSource(model).files.contains(where: { identity.holds($0) }) {
        throw TinctureError(
          .cannotCreate, "The statistics would replace a model. Choose another folder.",
          at: .init(file: file.string))
      }
    }
    return files
  }

  /// Writes a file and tells what it holds.
  func write(
    _ found: CollectedStatistics, to file: FilePath, replaces: Bool,
    since start: ContinuousClock.Instant
  ) throws(TinctureError) -> Report {
    let bytes = try found.write(to: file, replaces: replaces)
    return Report(
      task: found.task, file: file, tensorCount: found.tensors.count,
      exampleCount: found.exampleCount, rowCount: found.rowCount, byteCount: bytes,
      seconds: (ContinuousClock.now - start) / .seconds(1))
  }

  /// How many examples are used of all tasks together.
  ///
  /// - Throws: What is wrong with the suite's data.
  public func exampleCount() throws(TinctureError) -> Int {
    var count = 0
    for task in suite.tasks {
      let opened = try MeasuredTask(task, of: suite, suite.network, on: device)
      count += min(opened.count, exampleLimit)
    }
    return count
  }

  /// Measures a model on the examples of a task.
  ///
  /// - Parameters:
  ///   - model: The model.
  ///   - task: The task.
  ///   - observer: Hears how many examples more are done.
  /// - Returns: The statistics of its tensors.
  /// - Throws: `checkpoint`, `data` or `recipe` for what does not fit, `missingFacility` without LibTorch,
  ///   `interrupted`.
  /// - Complexity: One forward pass for each example; for the Fisher information one backward pass for each
  ///   example and class, draw or batch. Memory: the model and its statistics in double precision.
  public func collect(
    _ model: ModelInput, for task: EvaluationTask, observer: (Int) -> Void = { _ in }
  ) throws(TinctureError) -> CollectedStatistics {
    try LibTorch.current().require(device)
    let parameters = try ModelParameters(reading: model, for: suite.network, on: device)
    let opened = try MeasuredTask(task, of: suite, parameters.network, on: device)
    let indices = examples(of: opened.count)
    switch measure {
    case .gram:
      let tally = GramTally()
      try pass(indices, of: opened, parameters.parameters, tally, observer)
      return try collected(tally, parameters, task, opened, indices)
    case .fisher(let variant):
      try check(variant, opened, task)
      var tally = try FisherTally(parameters, variant, seed: seed)
      for batch in batches(indices) {
        try precision.scope { () throws(TinctureError) in
          try tally.add(batch, of: opened) { (count) throws(TinctureError) in
            try interruption.check()
            observer(count)
          }
        }
      }
      return CollectedStatistics(
        task: task.name, kind: .fisher, tensors: try tally.means(), exampleCount: indices.count,
        rowCount: nil,
        metadata: try metadata(parameters, task, opened, indices, .fisher) + [
          ("tincture.variant", variant.name)
        ])
    }
  }

  /// Sends examples through a network whose layers are observed.
  func pass(
    _ indices: [Int], of task: MeasuredTask, _ parameters: Parameters, _ tally: GramTally,
    _ observer: (Int) -> Void
  ) throws(TinctureError) {
    let observed = parameters.observed { (layer) throws(TinctureError) in try tally.observe(layer) }
    for batch in batches(indices) {
      try interruption.check()
      try withoutGradients { () throws(TinctureError) in
        try tally.begin(task.mask(of: batch)?.moved(to: device))
        try precision.scope { () throws(TinctureError) in
          _ = try task.outputs(of: batch, observed)
        }
      }
      observer(batch.count)
    }
  }

  /// The statistics of a tally.
  func collected(
    _ tally: GramTally, _ model: ModelParameters, _ task: EvaluationTask, _ opened: MeasuredTask,
    _ indices: [Int]
  ) throws(TinctureError) -> CollectedStatistics {
    let known = Set(model.network.parameterShapes.map(\.name))
    let means = try tally.means().filter { known.contains($0.weight) }
    var metadata = try metadata(model, task, opened, indices, .gram)
    let inputMajor = means.filter(\.isInputMajor).map(\.weight)
    if !inputMajor.isEmpty {
      metadata.append((StatisticsKind.inputMajorKey, inputMajor.joined(separator: "\n")))
    }
    return CollectedStatistics(
      task: task.name, kind: .gram, tensors: means.map { ($0.weight, $0.values) },
      inputs: means.compactMap { mean in
        mean.input.map { (mean.weight + StatisticsKind.meanEnd, $0) }
      },
      exampleCount: indices.count, rowCount: means.map(\.rows).max(), metadata: metadata)
  }

  func metadata(
    _ model: ModelParameters, _ task: EvaluationTask, _ opened: MeasuredTask, _ indices: [Int],
    _ kind: StatisticsKind
  ) throws(TinctureError) -> [(key: String, value: String)] {
    [
      (StatisticsKind.metadataKey, kind.rawValue), ("tincture.task", task.name),
      ("tincture.suite", suite.name), ("tincture.examples", "\(indices.count)"),
      ("tincture.model_digest", model.digest),
      ("tincture.data_digest", try opened.digest(of: indices)),
    ]
  }

  /// The examples that are used: all, or some chosen by the seed, in their order.
  func examples(of count: Int) -> [Int] {
    guard count > exampleLimit else { return Array(0..<count) }
    let order = BatchOrder(count: count, batchSize: 1, seed: seed).order()
    return order.prefix(exampleLimit).sorted()
  }

  private func batches(_ indices: [Int]) -> [[Int]] {
    stride(from: 0, to: indices.count, by: suite.batchSize).map {
      Array(indices[$0..<min($0 + suite.batchSize, indices.count)])
    }
  }

  private func check(
    _ variant: FisherVariant, _ opened: MeasuredTask, _ task: EvaluationTask
  ) throws(TinctureError) {
    let advice: String
    switch (opened.outputs, variant) {
    case (.scores, .exact), (.scores, .sampled), (.scores, .batch), (.number, .exact),
      (.likelihood, .texts):
      return
    case (.scores, _): advice = "scores of classes need the variant exact, sampled or batch."
    case (.number, _): advice = "a number for each example needs the variant exact."
    case (.likelihood, _): advice = "a language model needs the variant texts."
    case (.pixels, _): advice = "answers for every pixel have no Fisher information here."
    }
    throw TinctureError(
      .recipe, "The task '\(task.name)' does not fit the variant \(variant.name): \(advice)",
      at: .init(file: suite.file.string))
  }
}
