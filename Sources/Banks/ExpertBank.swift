public import SystemPackage
internal import TinctureJSON
public import TinctureSafetensors
public import TinctureTensors

/// An opened bank: many experts of one base, each stored as what it differs by.
///
/// Opening reads and checks the header only. Vectors are then decoded range by range, from any number of
/// workers. The format is described in `Documentation/ExpertBank.md`.
public final class ExpertBank: Sendable {
  /// The container.
  public let file: InputFile
  /// What the bank says about itself.
  public let manifest: BankManifest
  /// What identifies the contents: SHA-256 of the manifest, which has the digests of all parts.
  public let contentDigest: String
  let parts: [String: StoredTensor]

  /// Opens a bank.
  ///
  /// - Parameter path: The file.
  /// - Throws: `missingInput` when it cannot be opened, `checkpoint` when it is no bank, is truncated, or
  ///   its parts are not those that its records ask for.
  public init(opening path: FilePath) throws(TinctureError) {
    let container = try SafetensorsFile(opening: path)
    file = container.file
    do throws(TinctureError) {
      let metadata = container.header.metadata
      let key = BankManifest.metadataKey
      guard let text = metadata.first(where: { $0.key == key })?.value else {
        throw TinctureError(
          .checkpoint, "This is no expert bank: its metadata has no \"\(key)\".")
      }
      contentDigest = BankManifest.digest(of: text)
      guard metadata.first(where: { $0.key == BankManifest.digestKey })?.value == contentDigest
      else {
        throw TinctureError(
          .checkpoint,
          "The bank's description is not the one that was stored; restore the file from a copy.")
      }
      manifest = try BankManifest(JSONValue(parsing: text))
      var parts: [String: StoredTensor] = [:]
      for tensor in container.header.tensors { parts[tensor.name] = tensor }
      self.parts = parts
      try Self.check(manifest, parts)
    } catch { throw error.located(file: path.string) }
  }

  /// Checks that exactly the parts are there that the records ask for.
  private static func check(_ manifest: BankManifest, _ parts: [String: StoredTensor])
    throws(TinctureError)
  {
    var wanted: Set<String> = []
    for (tensor, owners) in manifest.records {
      for (owner, record) in owners {
        for part in record.parts {
          let name = owner.partName(tensor, part.suffix)
          wanted.insert(name)
          guard let stored = parts[name] else {
            throw TinctureError(
              .checkpoint, "The bank lacks this part; the file is damaged.", at: .init(tensor: name)
            )
          }
          guard part.dtypes.contains(stored.dtype), stored.shape == part.shape else {
            throw TinctureError(
              .checkpoint,
              "The part is \(stored.dtype.rawValue) \(stored.shape), but its record asks for"
                + " \(part.dtypes[0].rawValue) \(part.shape); the file is damaged.",
              at: .init(byteOffset: stored.byteOffset, tensor: name))
          }
          guard manifest.digests[name] != nil else {
            throw TinctureError(
              .checkpoint, "The bank has no digest of this part.", at: .init(tensor: name))
          }
        }
      }
    }
    if let stray = parts.keys.filter({ !wanted.contains($0) }).min() {
      throw TinctureError(
        .checkpoint, "No record of the bank mentions this part; the file is damaged.",
        at: .init(tensor: stray))
    }
  }

  /// The record of an expert's tensor; nil when it equals the base's.
  ///
  /// - Throws: `missingInput` when there is no such expert.
  public func record(_ tensor: String, of expert: String) throws(TinctureError) -> VectorRecord? {
    try require(expert)
    return manifest.records[tensor]?[.expert(expert)]
  }

  /// Checks that an expert is there.
  ///
  /// - Throws: `missingInput` that names those that are.
  public func require(_ expert: String) throws(TinctureError) {
    guard manifest[expert: expert] == nil else { return }
    let names = manifest.experts.map(\.name).joined(separator: ", ")
    throw TinctureError(
      .missingInput,
      "The bank has no expert \"\(expert)\"; it has \(names.isEmpty ? "none" : names).",
      at: .init(file: file.path.string))
  }

  /// The tensors for which an expert has a record, sorted by name.
  public func tensors(of expert: String) -> [String] {
    manifest.records.filter { $0.value[.expert(expert)] != nil }.keys.sorted()
  }

  /// The vector of an owner, ready to be decoded; nil when there is no record or it has no elements.
  public func vector(_ tensor: String, of owner: VectorOwner) -> BankVector? {
    guard let record = manifest.records[tensor]?[owner], record.content != .absent else {
      return nil
    }
    return BankVector(record, tensor: tensor, owner: owner, bank: self)
  }

  /// The bytes of the parts of an owner's vector.
  public func byteCount(_ tensor: String, of owner: VectorOwner) -> Int {
    guard let record = manifest.records[tensor]?[owner] else { return 0 }
    return record.parts.reduce(0) { sum, part in
      sum + (parts[owner.partName(tensor, part.suffix)]?.byteCount ?? 0)
    }
  }
}
