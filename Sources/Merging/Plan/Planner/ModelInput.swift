public import SystemPackage
internal import TinctureBanks
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
  /// The adapters that are folded into it, in order.
  public let adapters: [LowRankAdapter]
  /// What the user should know about them.
  public let notes: [String]
  private let targets: [(weight: Double, targets: AdapterTargets)]
  private let replacements: [String: Checkpoint.Entry]
  private let expert: BankExpert?
  private let mixed: MixtureExpert?

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
      if let name = reference.expert, let bank = TaskMasks.path(in: location.path) {
        let found = try BankExpert(bank, name, base: nil, shelf: BankShelf()) {
          (beside) throws(TinctureError) in
          try ModelInput(opening: beside, locator: locator)
        }
        expert = found
        mixed = nil
        checkpoint = try found.checkpoint()
      } else if let name = reference.expert, FileKind(of: location.path) == .directory {
        expert = nil
        if let path = Mixture.path(in: location.path) {
          let found = try MixtureExpert(path, task: name)
          checkpoint = try Checkpoint.open(location.path)
          try found.check(checkpoint)
          mixed = found
        } else {
          mixed = nil
          checkpoint = try TaskParts.checkpoint(location.path, task: name)
        }
      } else if let name = reference.expert {
        let found = try BankExpert(location.path, name, base: base, shelf: shelf) {
          (remembered) throws(TinctureError) in
          try ModelInput(opening: remembered, locator: locator, folder: folder)
        }
        expert = found
        mixed = nil
        checkpoint = try found.checkpoint()
      } else {
        expert = nil
        mixed = nil
        checkpoint = try Checkpoint.open(location.path)
      }
      configuration =
        try checkpoint.directory.map { (directory) throws(TinctureError) in
          try ModelConfiguration.read(directory: directory)
        } ?? nil
      layout = ModelLayout(names: checkpoint.names, configuration: configuration)
      (adapters, targets, notes) = try Self.adapters(
        of: reference, layout, checkpoint, locator, folder)
      replacements = try Self.replacements(targets.map(\.targets))
    } catch { throw error.located(model: name) }
  }

  private static func adapters(
    of reference: ModelReference, _ layout: ModelLayout, _ checkpoint: Checkpoint,
    _ locator: ModelLocator, _ folder: FilePath?
  ) throws(TinctureError) -> (
    adapters: [LowRankAdapter], targets: [(weight: Double, targets: AdapterTargets)],
    notes: [String]
  ) {
    var adapters: [LowRankAdapter] = []
    var targets: [(weight: Double, targets: AdapterTargets)] = []
    var notes: [String] = []
    for wanted in reference.adapters {
      let place = try locate(wanted.path, wanted.revision, locator, folder)
      let adapter = try LowRankAdapter(Checkpoint.openAdapter(place.path))
      let found = try AdapterTargets(adapter, layout, checkpoint)
      if wanted.weight != 1 {
        try checkWeight(wanted, adapter)
      }
      for (component, layers) in found.leftOut {
        notes.append(
          "\(wanted.path) also changes \(layers) layers of \(component), which this model is not.")
      }
      adapters.append(adapter)
      targets.append((wanted.weight, found))
    }
    return (adapters, targets, notes)
  }

  private static func checkWeight(_ wanted: ModelReference.Adapter, _ adapter: LowRankAdapter)
    throws(TinctureError)
  {
    guard wanted.weight.isFinite else {
      throw TinctureError(.usage, "The weight of \(wanted.path) is \(wanted.weight).")
    }
    if let name = adapter.replacements.first?.name
      ?? adapter.changes.first(where: { $0.change.magnitude != nil })?.weight
    {
      throw TinctureError(
        .checkpoint,
        "The adapter replaces tensors or their lengths, so it can be folded with the weight 1 only,"
          + " not \(wanted.weight).", at: .init(file: adapter.path, tensor: name))
    }
  }

  private static func replacements(_ targets: [AdapterTargets]) throws(TinctureError)
    -> [String: Checkpoint.Entry]
  {
    var result: [String: Checkpoint.Entry] = [:]
    for replaced in targets.map(\.replacements) {
      for (name, entry) in replaced.sorted(by: { $0.key < $1.key })
      where result.updateValue(entry, forKey: name) != nil {
        throw TinctureError(
          .checkpoint, "Two of the adapters replace the tensor \(name); only one can.",
          at: .init(file: entry.file.path.string, tensor: entry.tensor.name))
      }
    }
    return result
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
    func part(_ entry: Checkpoint.Entry) -> StoredTensorReader {
      StoredTensorReader(entry.tensor, in: entry.file, model: self.name)
    }
    var reader: any TensorReader = part(entry)
    if replacements[name] == nil, let own = try expert?.reader(name, model: self.name) {
      reader = own
    }
    if let mixed { reader = try mixed.reader(name, reader, model: self.name) }
    for (weight, targets) in targets {
      if let change = targets.changes[name] {
        reader = try LowRankReader(
          reader, down: part(change.down), up: part(change.up),
          magnitude: change.magnitude.map(part), scale: Float(weight * change.scale),
          isTransposed: change.isTransposed)
      }
      if let change = targets.biases[name], let bias = change.bias {
        reader = try AddedReader(reader, part(bias), times: Float(weight * change.scale))
      }
    }
    return reader
  }

  /// The file of the mixture from which the model takes an expert.
  var mixtureFile: InputFile? { mixed?.mixture.file.file }

  /// The name under which this model stores a tensor of another model, tied tensors included.
  package func source(of name: String) -> String? {
    if let own = layout.counterpart(of: name) { return own }
    return layout.tiedSource(of: name)
  }
}
