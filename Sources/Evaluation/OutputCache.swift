internal import Foundation
public import SystemPackage
internal import TinctureCheckpoints
internal import TinctureSafetensors
internal import TinctureTensors

/// Outputs of networks on disk, by what they depend on.
///
/// An entry's name is a digest of everything that has an influence on it: parameters, head, examples, the
/// network and the precision. So entries are never out of date, and a damaged one is computed anew. When
/// the folder outgrows its limit the entries that were used longest ago are removed.
public struct OutputCache: Sendable {
  /// The folder, which is made when something is first kept.
  public let folder: FilePath
  /// How many bytes all entries together may have.
  public let limit: Int

  /// Names a folder.
  public init(folder: FilePath, limit: Int = 1 << 30) {
    self.folder = folder
    self.limit = limit
  }

  /// The folder of this user: `tincture/outputs` in `XDG_CACHE_HOME` or `~/.cache`; nil without a home.
  public static var userFolder: FilePath? {
    let environment = HubEnvironment.current
    if let cache = environment["XDG_CACHE_HOME"], cache.hasPrefix("/") {
      return FilePath(cache).appending("tincture").appending("outputs")
    }
    guard let home = environment["HOME"], !home.isEmpty else { return nil }
    return FilePath(home).appending(".cache").appending("tincture").appending("outputs")
  }

  private func path(_ digest: String) -> FilePath { folder.appending(digest + ".safetensors") }

  /// The outputs that were kept, or nil when there are none or they cannot be read.
  func outputs(_ digest: String) -> TaskOutputs? {
    let path = path(digest)
    guard let file = try? SafetensorsFile(opening: path),
      let tensor = file.header.tensors.first, file.header.tensors.count == 1,
      tensor.name == "outputs", tensor.dtype == .f32, tensor.shape.rank == 2,
      let bytes = try? file.file.bytes(at: tensor.byteOffset, count: tensor.byteCount)
    else { return nil }
    var values = [Float](repeating: 0, count: tensor.shape.elementCount)
    values.withUnsafeMutableBytes { $0.copyBytes(from: bytes) }
    // The date of the last use decides what is removed first.
    try? FileManager.default.setAttributes([.modificationDate: Date()], ofItemAtPath: path.string)
    return TaskOutputs(values: values, rowLength: tensor.shape.extents[1])
  }

  /// Keeps outputs.
  ///
  /// A cache that cannot be written to is no failure: nothing is kept then.
  func keep(_ outputs: TaskOutputs, _ digest: String) {
    let count = outputs.values.count
    guard outputs.rowLength > 0, count * 4 <= limit else { return }
    let shape = Shape(rows: count / outputs.rowLength, columns: outputs.rowLength)
    let header = SafetensorsHeader.encode(tensors: [("outputs", .f32, shape)], metadata: [])
    try? FileReplacement.write(to: path(digest), "What a network put out", isShared: true) {
      (file) throws(TinctureError) in
      try file.append(header)
      try file.append(outputs.values)
    }
    prune()
  }

  private func prune() {
    let keys: Set<URLResourceKey> = [.fileSizeKey, .contentModificationDateKey]
    let files =
      (try? FileManager.default.contentsOfDirectory(
        at: URL(filePath: folder.string), includingPropertiesForKeys: Array(keys))) ?? []
    var entries: [(url: URL, size: Int, date: Date)] = []
    // Also what a process that was killed left unfinished.
    for url in files where ["safetensors", FileReplacement.unfinished].contains(url.pathExtension) {
      guard let values = try? url.resourceValues(forKeys: keys), let size = values.fileSize,
        let date = values.contentModificationDate
      else { continue }
      entries.append((url, size, date))
    }
    var total = entries.reduce(0) { $0 + $1.size }
    for entry in entries.sorted(by: { $0.date < $1.date }) where total > limit {
      try? FileManager.default.removeItem(at: entry.url)
      total -= entry.size
    }
  }
}

/// What a network put out for all examples of a task: rows of numbers.
struct TaskOutputs: Sendable, Hashable {
  /// Row after row.
  var values: [Float]
  /// The numbers in a row.
  var rowLength: Int

  /// The number of examples.
  var rowCount: Int { rowLength > 0 ? values.count / rowLength : 0 }
}
