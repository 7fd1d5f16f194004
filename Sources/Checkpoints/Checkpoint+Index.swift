internal import SystemPackage
internal import TinctureJSON
internal import TinctureSafetensors
internal import TinctureTensors

extension Checkpoint {
  /// Opens the shards that an index names and checks that index and shards agree.
  static func openIndex(_ path: FilePath, directory: FilePath) throws(TinctureError) -> Checkpoint {
    let document: JSONValue
    do throws(TinctureError) {
      document = try JSONValue(parsing: InputFile(opening: path).contents())
    } catch {
      throw error.located(file: path.string)
    }
    func failure(_ message: String, tensor: String? = nil) -> TinctureError {
      TinctureError(.checkpoint, message, at: .init(file: path.string, tensor: tensor))
    }
    guard let map = document["weight_map"]?.objectValue else {
      throw failure("The index has no weight_map.")
    }
    var shardNames: [String] = []
    var expected: [String: Set<String>] = [:]
    for (tensor, value) in map.members {
      guard let shard = value.stringValue else {
        throw failure("The weight_map does not name a file.", tensor: tensor)
      }
      guard !shard.utf8.contains(where: { $0 == 0 || $0 == UInt8(ascii: "/") }),
        !["", ".", ".."].contains(shard)
      else {
        throw failure(
          "The weight_map names \"\(shard)\"; shards must lie beside the index.", tensor: tensor)
      }
      if expected[shard] == nil { shardNames.append(shard) }
      expected[shard, default: []].insert(tensor)
    }
    var files: [InputFile] = []
    var entries: [Entry] = []
    for name in shardNames {
      let shard: (file: InputFile, tensors: [StoredTensor])
      do throws(TinctureError) {
        shard = try openShard(directory.appending(name))
      } catch {
        guard error.code == .missingInput else { throw error }
        throw TinctureError(
          .missingInput,
          "The shard is named by \(path.lastComponent?.string ?? "the index") but cannot be opened;"
            + " the download may be incomplete.", at: error.place)
      }
      let wanted = expected[name] ?? []
      files.append(shard.file)
      for tensor in shard.tensors where wanted.contains(tensor.name) {
        entries.append(Entry(tensor: tensor, file: shard.file))
      }
      let present = Set(shard.tensors.map(\.name))
      if let lost = map.keys.first(where: { wanted.contains($0) && !present.contains($0) }) {
        throw TinctureError(
          .checkpoint, "The index places the tensor in this shard, which does not hold it.",
          at: .init(file: directory.appending(name).string, tensor: lost))
      }
    }
    return try Checkpoint(path: directory, directory: directory, files: files, entries: entries)
  }
}
