internal import SystemPackage
internal import TinctureBanks
internal import TinctureCheckpoints
internal import TinctureSafetensors
internal import TinctureTensors

/// An expert of a bank as a model: its tensors are put together from those of the base.
final class BankExpert: Sendable {
  let bank: ExpertBank
  let expert: String
  let base: ModelInput

  /// Opens an expert.
  ///
  /// - Parameters:
  ///   - path: The bank.
  ///   - expert: The name.
  ///   - base: The base of the recipe, where it has one.
  ///   - shelf: The banks that are open already.
  ///   - open: Opens the base that the bank remembers.
  /// - Throws: `missingInput` when the expert or the base is not there, `checkpoint` when the base is
  ///   another one.
  init(
    _ path: FilePath, _ expert: String, base: ModelInput?, shelf: BankShelf,
    open: (ModelReference) throws(TinctureError) -> ModelInput
  ) throws(TinctureError) {
    let bank = try shelf.bank(path)
    self.bank = bank
    self.expert = expert
    try bank.require(expert)
    self.base = try shelf.base(path) { () throws(TinctureError) in
      guard let required = shelf.requiredBase else {
        return try Self.base(of: bank, given: base, expert, open)
      }
      try bank.requireBase(ModelSource(required))
      return required
    }
  }

  /// The base that is given, when it is the right one, else the one that the bank remembers.
  private static func base(
    of bank: ExpertBank, given: ModelInput?, _ expert: String,
    _ open: (ModelReference) throws(TinctureError) -> ModelInput
  ) throws(TinctureError) -> ModelInput {
    var mismatch: TinctureError?
    if let given {
      do throws(TinctureError) {
        try bank.requireBase(ModelSource(given))
        return given
      } catch { mismatch = error }
    }
    let location = bank.manifest.base.location
    do throws(TinctureError) {
      let folder = bank.file.path.removingLastComponent()
      let remembered = try open(
        location == BankManifest.Base.beside
          ? ModelReference(path: folder.isEmpty ? "." : folder.string)
          : ModelReference(parsing: location))
      try bank.requireBase(ModelSource(remembered))
      return remembered
    } catch {
      if let mismatch { throw mismatch }
      throw TinctureError(
        error.code,
        "The base of the bank is needed to put \(expert) together. It was \(location) when the bank was"
          + " made; name it as base_model if it is elsewhere now.",
        at: .init(file: bank.file.path.string), causes: [error])
    }
  }

  /// The tensors of the expert, those of the base included that it did not change.
  func checkpoint() throws(TinctureError) -> Checkpoint {
    var removed: Set<String> = []
    var replaced: [Checkpoint.Entry] = []
    for name in bank.tensors(of: expert) {
      guard let record = try bank.record(name, of: expert) else { continue }
      if record.content == .absent {
        removed.insert(name)
        continue
      }
      let place = bank.vector(name, of: .expert(expert))?.elements
      replaced.append(
        .init(
          tensor: StoredTensor(
            name: name, dtype: record.dtype, shape: record.shape,
            byteOffset: place?.byteOffset ?? 0),
          file: bank.file))
    }
    return try Checkpoint(
      path: bank.file.path, base: base.checkpoint, removing: removed, replacing: replaced)
  }

  /// A reader of a tensor that differs from the base's; nil for the others.
  func reader(_ name: String, model: String) throws(TinctureError) -> BankReader? {
    guard let vector = bank.vector(name, of: .expert(expert)) else { return nil }
    return BankReader(
      vector, shared: bank.vector(name, of: .shared), base: try base.reader(name),
      digest: bank.contentDigest, model: model, tensor: name)
  }
}
