public import SystemPackage
internal import TinctureCheckpoints
internal import TinctureEvaluation
public import TinctureMerging
internal import TinctureNetworks
internal import TinctureSafetensors
public import TinctureTensors
internal import TinctureTorch

/// Measures the models of a merge by statistics on the examples that its recipe names, in place of files.
///
/// Each model runs on the examples of its task. The files are those that `stats` writes: Gram matrices, those
/// behind merged layers, or the Fisher information, by its definition (by the texts themselves for language
/// models), which also stands in for optimisers' second moments.
public struct MergeMeasurement {
  private let planner: Planner
  private let kind: StatisticsKind
  private let models: [ModelInput]
  private let data: LearningData

  /// Finds out what a recipe lacks; nil when nothing is to be measured.
  ///
  /// - Parameter planner: The recipe with its opened models.
  public init?(_ planner: Planner) {
    guard let (kind, models) = planner.measurement, let data = planner.recipe.data else {
      return nil
    }
    (self.planner, self.kind, self.models, self.data) = (planner, kind, models, data)
  }

  /// Measures, unless an earlier run has done so with the same models, examples and settings.
  ///
  /// - Parameters:
  ///   - folder: Where the files go.
  ///   - interruption: Stops the work when raised.
  ///   - observer: Hears how many examples more are done, of how many.
  /// - Returns: The recipe with the files beside its models, and without `data`.
  /// - Throws: What is wrong with suite, tasks and data, `missingFacility` without LibTorch, `interrupted`.
  /// - Complexity: One forward pass for each example, with the Fisher information a backward pass for each
  ///   class; behind merged layers a pass for each block.
  public func run(
    into folder: FilePath, _ interruption: Interruption, observer: (Int, Int) -> Void = { _, _ in }
  ) throws(TinctureError) -> Recipe {
    var suite = try data.openSuite()
    let places = models.map { model in
      TinctureError.Place(
        file: ModelSource(model).files.first?.string, model: model.reference.description)
    }
    suite.tasks = try data.matched(suite, places)
    let machine = planner.settings.machine
    let isLanguage = suite.network is any LanguageModel
    var collector = StatisticsCollector(
      suite, kind.measured == .fisher ? .fisher(isLanguage ? .texts : .exact) : .gram)
    collector.exampleLimit = data.limit?.value ?? collector.exampleLimit
    collector.seed =
      planner.settings.seed ?? planner.recipe.seed.map { UInt64(clamping: $0.value) } ?? 0
    collector.device = try TorchDevice(parsing: machine.device)
    collector.precision = machine.usesHalfPrecision ? .bf16 : .full
    collector.interruption = interruption
    var files: [ModelReference: String] = [:]
    for (model, task) in zip(models, suite.tasks) {
      files[model.reference] =
        StatisticsCollector.file(of: task.name, in: folder).absolute.string
    }
    let mark = try self.mark(collector)
    let markFile = folder.appending(".complete")
    if (try? InputFile(opening: markFile).contents()) != mark {
      try measure(collector, folder, observer)
      try CheckpointWriter.write(mark, to: markFile)
    }
    return planner.recipe.measured(files)
  }

  private func measure(
    _ collector: StatisticsCollector, _ folder: FilePath, _ observer: (Int, Int) -> Void
  ) throws(TinctureError) {
    guard kind == .mergedGram else {
      let total = try collector.exampleCount()
      observer(0, total)
      _ = try collector.run(models, into: folder, replaces: true) { observer($0, total) }
      return
    }
    var ratio = 0.95
    if case .number(let value) = planner.value(of: "reduce_non_diagonal_ratio") { ratio = value }
    var total = 0
    _ = try MergedGramCollector(collector, ratio: ratio).run(models, into: folder, replaces: true) {
      total = $0
      observer(0, total)
    } observer: {
      observer($0, total)
    }
  }

  /// What the statistics depend on.
  private func mark(_ collector: StatisticsCollector) throws(TinctureError) -> [UInt8] {
    var lines = [
      "\(kind) \(collector.measure) \(collector.exampleLimit) \(collector.seed)",
      "\(collector.device) \(collector.precision) \(collector.suite.batchSize)",
      "\(collector.suite.network) \(collector.suite.input)",
      "\(String(describing: planner.value(of: "reduce_non_diagonal_ratio")))",
    ]
    lines += collector.suite.tasks.map { "\($0)" }
    let data = collector.suite.tasks.map { collector.suite.path($0.data.file) }
    for path in data + models.flatMap({ ModelSource($0).files }) where FileKind(of: path) == .file {
      let file = try InputFile(opening: path)
      lines.append("\(path.absolute) \(file.size) \(file.modification)")
    }
    return Array(lines.joined(separator: "\n").utf8)
  }
}
