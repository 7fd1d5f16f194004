public import SystemPackage
public import TinctureCheckpoints
internal import TinctureSafetensors
public import TinctureTensors

/// A model of a recipe, opened: headers and configuration are read, tensors are not.
public struct ModelInput: Sendable {
  /// The words of the recipe.
  public let reference: ModelReference
  /// Where it was found.
  public let location: ModelLocation
  /// Its tensors.
  public let checkpoint: Checkpoint
  /// Its configuration, when it has one.
  public let configuration: ModelConfiguration?
  /// What its names say about its structure.
  public let layout: ModelLayout
  /// The adapter that is folded into it.
  public let adapter: LowRankAdapter?
  private let changes: [String: LowRankAdapter.Change]
  private let replacements: [String: Checkpoint.Entry]
  private let expert: BankExpert?

  /// The name in messages.
  public var name: String { reference.description }

  /// Opens a model.
  ///
  /// - Parameters:
  ///   - reference: The words of the recipe.
  ///   - locator: Finds it.
  ///   - stage: Where an earlier recipe of the same file has put it.
  ///   - folder: Where relative paths are looked for besides the current directory: the recipe's folder.
  ///   - base: The base of the recipe, for experts of a bank.
  /// - Throws: `missingInput` when it is not there, `checkpoint` when a file is malformed or the adapter
  ///   changes a weight that the model does not have.
  public init(
    opening reference: ModelReference, locator: ModelLocator, stage: FilePath? = nil,
    folder: FilePath? = nil, base: ModelInput? = nil
  ) throws(TinctureError) {
    try self.init(
      opening: reference, locator: locator, stage: stage, folder: folder, base: base,
      shelf: BankShelf())
  }

  /// Opens a model; experts of the same bank share what is on the shelf.
  init(
    opening reference: ModelReference, locator: ModelLocator, stage: FilePath?,
    folder: FilePath?, base: ModelInput?, shelf: BankShelf
  ) throws(TinctureError) {
    self.reference = reference
    let name = reference.description
    do throws(TinctureError) {
      if let stage {
        location = ModelLocation(path: stage)
      } else {
        location = try Self.locate(reference.path, reference.revision, locator, folder)
      }
      if let name = reference.expert, FileKind(of: location.path) == .directory {
        expert = nil
        checkpoint = try TaskParts.checkpoint(location.path, task: name)
      } else if let name = reference.expert {
        let found = try BankExpert(location.path, name, base: base, shelf: shelf) {
          (remembered) throws(TinctureError) in
          try ModelInput(opening: remembered, locator: locator, folder: folder)
        }
        expert = found
        checkpoint = try found.checkpoint()
      } else {
        expert = nil
        checkpoint = try Checkpoint.open(location.path)
      }
      configuration =
        try checkpoint.directory.map { (directory) throws(TinctureError) in
          try ModelConfiguration.read(directory: directory)
        } ?? nil
      layout = ModelLayout(names: checkpoint.names, configuration: configuration)
      if let wanted = reference.adapter {
        let place = try Self.locate(wanted.path, wanted.revision, locator, folder)
        adapter = try LowRankAdapter(Checkpoint.open(place.path))
      } else {
        adapter = nil
      }
    } catch { throw error.located(model: name) }
    var changes: [String: LowRankAdapter.Change] = [:]
    var replacements: [String: Checkpoint.Entry] = [:]
    var lost: [String] = []
    for (weight, change) in adapter?.changes ?? [] {
      if let own = layout.counterpart(of: weight) {
        changes[own] = change
      } else {
        lost.append(weight)
      }
    }
    for (weight, entry) in adapter?.replacements ?? [] {
      if let own = layout.counterpart(of: weight) {
        replacements[own] = entry
      } else {
        lost.append(weight)
      }
    }
    guard lost.isEmpty else {
      throw TinctureError(
        .checkpoint,
        "The adapter changes \(lost.count) tensors that the model does not have: "
          + NameList.text(lost) + ".", at: .init(model: name))
    }
    self.changes = changes
    self.replacements = replacements
  }

  private static func locate(
    _ path: String, _ revision: String?, _ locator: ModelLocator, _ folder: FilePath?
  ) throws(TinctureError) -> ModelLocation {
    let relative = FilePath(path)
    if let folder, relative.isRelative, FileKind(of: relative) == .missing {
      let beside = folder.pushing(relative)
      if FileKind(of: beside) != .missing { return ModelLocation(path: beside) }
    }
    return try locator.locate(path, revision: revision)
  }

  /// The stored tensor of a name.
  func entry(_ name: String) -> Checkpoint.Entry? { replacements[name] ?? checkpoint[name] }

  /// A reader of a stored tensor, with the adapter folded in.
  public func reader(_ name: String) throws(TinctureError) -> (any TensorReader)? {
    guard let entry = entry(name) else { return nil }
    let stored: any TensorReader =
      try expert?.reader(name, model: self.name)
      ?? StoredTensorReader(entry.tensor, in: entry.file, model: self.name)
    guard let change = changes[name] else { return stored }
    func part(_ entry: Checkpoint.Entry) -> StoredTensorReader {
      StoredTensorReader(entry.tensor, in: entry.file, model: self.name)
    }
    return try LowRankReader(
      stored, down: part(change.down), up: part(change.up), magnitude: change.magnitude.map(part),
      scale: Float(change.scale), isTransposed: change.isTransposed)
  }

  /// The name under which this model stores a tensor of another model, tied tensors included.
  func source(of name: String) -> String? {
    if let own = layout.counterpart(of: name) { return own }
    return layout.tiedSource(of: name)
  }
}

/// Long lists of names in messages.
enum NameList {
  /// The names joined by commas; after the first forty, how many there are besides.
  static func text(_ names: [String], limit: Int = 40) -> String {
    let shown = names.prefix(limit).joined(separator: ", ")
    return names.count <= limit ? shown : "\(shown) and \(names.count - limit) more"
  }
}
