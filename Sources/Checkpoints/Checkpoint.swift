public import SystemPackage
public import TinctureSafetensors
public import TinctureTensors

/// A model on disk seen as named tensors: one file, or a directory of shards.
///
/// Opening reads headers only. Tensors are then read by position, from any number of workers.
public final class Checkpoint: Sendable {
  /// A tensor and the file that holds it.
  public struct Entry: Sendable {
    /// The tensor and its place in the file.
    public let tensor: StoredTensor
    /// The file.
    public let file: InputFile

    /// Names a tensor of a file.
    public init(tensor: StoredTensor, file: InputFile) {
      self.tensor = tensor
      self.file = file
    }
  }

  /// The file or directory, as it was given.
  public let path: FilePath
  /// The directory beside the weights, for configuration and tokenizer; nil for a lone file.
  public let directory: FilePath?
  /// The names of the tensors, in the order of the files.
  public let names: [String]
  /// The files that hold the weights.
  public let files: [InputFile]
  private let entries: [String: Entry]

  init(path: FilePath, directory: FilePath?, files: [InputFile], entries: [Entry])
    throws(TinctureError)
  {
    var table: [String: Entry] = [:]
    table.reserveCapacity(entries.count)
    for entry in entries where table.updateValue(entry, forKey: entry.tensor.name) != nil {
      throw TinctureError(
        .checkpoint, "Two tensors have this name, or differ from it only in Unicode composition.",
        at: .init(file: entry.file.path.string, tensor: entry.tensor.name))
    }
    self.path = path
    self.directory = directory
    self.files = files
    names = entries.map(\.tensor.name)
    self.entries = table
  }

  /// Creates a model of which some tensors lie elsewhere, such as an expert of a bank.
  ///
  /// - Parameters:
  ///   - path: The file or directory that stands for the model.
  ///   - base: The model that has the other tensors and the files beside them.
  ///   - removed: The names of tensors of the base that this model does not have.
  ///   - replaced: The tensors that it has instead of the base's, or besides.
  /// - Throws: `checkpoint` when two tensors have the same name.
  public convenience init(
    path: FilePath, base: Checkpoint, removing removed: Set<String>, replacing replaced: [Entry]
  ) throws(TinctureError) {
    let own = Set(replaced.map(\.tensor.name))
    let kept = base.names.filter { !removed.contains($0) && !own.contains($0) }
    var files = base.files
    for entry in replaced where !files.contains(where: { $0 === entry.file }) {
      files.append(entry.file)
    }
    try self.init(
      path: path, directory: base.directory, files: files,
      entries: kept.compactMap { base[$0] } + replaced)
  }

  /// The tensor of a name.
  public subscript(name: String) -> Entry? { entries[name] }

  /// The number of bytes of all tensors.
  public var byteCount: Int { names.reduce(0) { $0 + (entries[$1]?.tensor.byteCount ?? 0) } }
}

extension Checkpoint {
  /// Opens a model.
  ///
  /// Accepted are a `.safetensors` file, a PyTorch file (`.bin`, `.pt`, `.pth`, `.ckpt`), an index
  /// (`.index.json`), and a directory with one of these; safetensors win over PyTorch files.
  ///
  /// - Parameter path: The file or directory.
  /// - Returns: The model.
  /// - Throws: `missingInput` when there is no model, `checkpoint` when a file is malformed or an index
  ///   does not fit its shards.
  public static func open(_ path: FilePath) throws(TinctureError) -> Checkpoint {
    switch FileKind(of: path) {
    case .missing:
      throw TinctureError(
        .missingInput, "There is no such file or directory.", at: .init(file: path.string))
    case .directory: return try openDirectory(path)
    case .file: return try openFile(path, directory: nil)
    }
  }

  /// Opens an adapter.
  ///
  /// Accepted is what ``open(_:)`` accepts; in a directory that also holds a model the adapter is meant.
  ///
  /// - Parameter path: The file or directory.
  /// - Returns: The adapter's tensors.
  /// - Throws: What ``open(_:)`` throws.
  public static func openAdapter(_ path: FilePath) throws(TinctureError) -> Checkpoint {
    for name in ["adapter_model.safetensors", "adapter_model.bin"] {
      let file = path.appending(name)
      if FileKind(of: file) == .file { return try openFile(file, directory: path) }
    }
    return try open(path)
  }

  private static func openDirectory(_ directory: FilePath) throws(TinctureError) -> Checkpoint {
    let candidates = [
      "model.safetensors.index.json", "model.safetensors", "adapter_model.safetensors",
      "diffusion_pytorch_model.safetensors.index.json", "diffusion_pytorch_model.safetensors",
      "pytorch_model.bin.index.json", "pytorch_model.bin", "adapter_model.bin",
    ]
    for name in candidates {
      let path = directory.appending(name)
      if FileKind(of: path) == .file { return try openFile(path, directory: directory) }
    }
    let listed = try DirectoryListing.names(in: directory)
    let single = listed.filter { $0.hasSuffix(".safetensors") }
    if single.count == 1 {
      return try openFile(directory.appending(single[0]), directory: directory)
    }
    if single.isEmpty, let archive = onlyArchive(listed) {
      return try openFile(directory.appending(archive), directory: directory)
    }
    let found = single.isEmpty ? "" : " It holds \(single.count) .safetensors files and no index."
    throw TinctureError(
      .missingInput,
      "The directory holds no model: looked for \(candidates[0]), \(candidates[1]),"
        + " \(candidates[5]), \(candidates[6]) and a single .safetensors file.\(found)",
      at: .init(file: directory.string))
  }

  private static func onlyArchive(_ names: [String]) -> String? {
    let archives = names.filter { name in archiveSuffixes.contains { name.hasSuffix($0) } }
    return archives.count == 1 ? archives[0] : nil
  }

  static let archiveSuffixes = [".bin", ".pt", ".pth", ".ckpt"]

  private static func openFile(_ path: FilePath, directory: FilePath?) throws(TinctureError)
    -> Checkpoint
  {
    let name = path.lastComponent?.string ?? ""
    if name.hasSuffix(".index.json") {
      return try openIndex(path, directory: directory ?? path.removingLastComponent())
    }
    let shard = try openShard(path)
    return try Checkpoint(
      path: directory ?? path, directory: directory, files: [shard.file],
      entries: shard.tensors.map { Entry(tensor: $0, file: shard.file) })
  }

  static func openShard(_ path: FilePath) throws(TinctureError)
    -> (file: InputFile, tensors: [StoredTensor])
  {
    let name = path.lastComponent?.string ?? ""
    if archiveSuffixes.contains(where: { name.hasSuffix($0) }) {
      let archive = try PyTorchFile(opening: path)
      return (archive.file, archive.tensors)
    }
    let file = try SafetensorsFile(opening: path)
    return (file.file, file.header.tensors)
  }
}
