import Foundation
import SystemPackage
import Synchronization
import Tincture

/// Finds what a command line calls a model, and makes merges and banks for as long as they are needed.
final class EvaluationShelf: Sendable {
  private let suite: EvaluationSuite
  private let engine: MergeEngine
  private let machine: LearningMachine
  private let made = Mutex<[SuiteModel.Source: FilePath]>([:])

  init(suite: EvaluationSuite, engine: MergeEngine, machine: LearningMachine) {
    self.suite = suite
    self.engine = engine
    self.machine = machine
  }

  /// What scores are compared with: the base and the experts, where the suite names them.
  var comparisons: (base: SuiteModel?, experts: SuiteModel?) {
    let base = suite.base.map { SuiteModel(name: "base", source: .model($0)) }
    let experts =
      suite.tasks.allSatisfy { $0.expert != nil }
      ? SuiteModel(name: "individual experts", source: .experts) : nil
    return (base, experts)
  }

  /// The models that words name; all that the suite lists when there are none.
  func models(_ words: [String]) throws(TinctureError) -> [SuiteModel] {
    guard !words.isEmpty else {
      guard !suite.models.isEmpty else {
        throw TinctureError(
          .usage, "The suite lists no models; name some: tincture evaluate SUITE MODEL …",
          at: .init(file: suite.file.string))
      }
      return suite.models
    }
    return words.map { word in
      if !ModelReference.isOnDisk(word),
        let listed = suite.models.first(where: { $0.name == word })
      {
        return listed
      }
      let isRecipe = word.hasSuffix(".yaml") || word.hasSuffix(".yml")
      return SuiteModel(name: word, source: isRecipe ? .recipe(word) : .model(word))
    }
  }

  /// Makes a model ready for an evaluation.
  func open(_ model: SuiteModel) async throws(TinctureError) -> EvaluatedModel {
    switch model.source {
    case .model(let word):
      let reference = try ModelReference(parsing: word, exists: isThere)
      let path = place(reference.path)
      if reference.expert == nil, reference.adapter == nil,
        let bank = Self.isBank(path) ? path : TaskMasks.path(in: path)
      {
        return try EvaluatedModel(
          model.name, bank: bank, tasks: suite.tasks, reference: model.reference)
      }
      return EvaluatedModel(model.name, reference, reference: model.reference)
    case .experts:
      var experts: [String: ModelReference] = [:]
      for task in suite.tasks {
        guard let expert = task.expert else { continue }
        experts[task.name] = try ModelReference(parsing: expert, exists: isThere)
      }
      return EvaluatedModel(model.name, perTask: experts, reference: model.reference)
    case .fusion(let fusion):
      let large = try ModelReference(parsing: fusion.large, exists: isThere)
      return EvaluatedModel(model.name, fusion: fusion, large: large, reference: model.reference)
    case .recipe(let word):
      let output = try folder(for: model).appending("merged")
      let recipes = try RecipeOptions.recipes(in: place(word).string)
      var job = MergeJob(recipes: recipes, output: output, engine: engine)
      job.settings.machine = machine
      _ = try await job.run(interruption: Signals.interruption)
      if let bank = TaskMasks.path(in: output) {
        return try EvaluatedModel(
          model.name, bank: bank, tasks: suite.tasks, reference: model.reference)
      }
      return EvaluatedModel(
        model.name, ModelReference(path: output.string), reference: model.reference)
    case .codec(let codec):
      let bank = try folder(for: model).appending("experts.bank")
      try await store(codec, in: bank)
      return try EvaluatedModel(
        model.name, bank: bank, tasks: suite.tasks, reference: model.reference)
    }
  }

  /// Drops what was made for a model.
  func close(_ model: SuiteModel) {
    if let folder = made.withLock({ $0.removeValue(forKey: model.source) }) {
      try? FileManager.default.removeItem(atPath: folder.string)
    }
  }

  /// Drops everything that was made.
  func clear() {
    for folder in made.withLock({ $0.values.map(\.self) }) {
      try? FileManager.default.removeItem(atPath: folder.string)
    }
  }

  /// A folder for what is made for a model.
  private func folder(for model: SuiteModel) throws(TinctureError) -> FilePath {
    let folder = FileManager.default.temporaryDirectory
      .appending(path: "tincture-\(UUID().uuidString)")
    do {
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    } catch {
      throw TinctureError(
        .cannotCreate,
        "There is no place for what '\(model.name)' needs: \(error.localizedDescription) Set TMPDIR.",
        at: .init(file: folder.path))
    }
    made.withLock { $0[model.source] = FilePath(folder.path) }
    return FilePath(folder.path)
  }

  /// Stores the experts of all tasks in a bank.
  private func store(_ codec: BankCodec, in bank: FilePath) async throws(TinctureError) {
    func open(_ word: String) throws(TinctureError) -> ModelInput {
      try ModelInput(
        opening: ModelReference(parsing: word, exists: isThere), locator: ModelLocator(),
        folder: suite.folder)
    }
    let base = try open(suite.base ?? "")
    var experts: [(name: String, model: any BankModel)] = []
    for task in suite.tasks {
      guard let expert = task.expert else { continue }
      experts.append((task.name, ModelSource(try open(expert), base: base)))
    }
    let builder = BankBuilder(
      codec: codec, workers: engine.workers,
      check: { () throws(TinctureError) in try Signals.interruption.check() })
    _ = try await builder.create(bank, base: ModelSource(base), experts: experts)
  }

  /// A path as it stands, or beside the suite.
  private func place(_ text: String) -> FilePath {
    let path = FilePath(text)
    if path.isRelative, FileKind(of: path) == .missing {
      let beside = suite.folder.pushing(path)
      if FileKind(of: beside) != .missing { return beside }
    }
    return path
  }

  private func isThere(_ path: String) -> Bool { FileKind(of: place(path)) != .missing }

  private static func isBank(_ path: FilePath) -> Bool {
    guard FileKind(of: path) == .file, let file = try? SafetensorsFile(opening: path) else {
      return false
    }
    return file.header.metadata.contains { $0.key == BankManifest.metadataKey }
  }
}
