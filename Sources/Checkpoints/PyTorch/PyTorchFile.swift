public import SystemPackage
import TinctureJSON
public import TinctureSafetensors
public import TinctureTensors

/// A checkpoint that `torch.save` wrote: `.bin`, `.pt`, `.pth` or `.ckpt`.
///
/// The pickle inside is read by a machine that only makes tensors and containers. It never runs
/// code: a file that asks for anything else is refused. Tensors stay in the file and are described
/// by their place; tensors that share a storage share bytes.
///
/// The current format, an uncompressed zip archive, and the stream that PyTorch wrote before
/// version 1.6 are both read.
public struct PyTorchFile: Sendable {
  /// The open file.
  public let file: InputFile
  /// The tensors in the order of the pickle.
  ///
  /// The top of the file is a dictionary. When it holds no tensor itself but one dictionary that
  /// does, under `state_dict`, `model` or `module` or alone, that one is meant. Other nested
  /// dictionaries are flattened, their keys joined by points. What is no tensor is left out. Numbered
  /// parameters of an optimiser that names them have their names.
  public let tensors: [StoredTensor]

  /// Opens a checkpoint and reads the descriptions of its tensors.
  ///
  /// - Parameter path: The file.
  /// - Throws: `missingInput` when it cannot be opened; `checkpoint` when it is damaged, would run
  ///   code, or holds no tensors.
  /// - Complexity: O(n) for a pickle of n bytes; the data of the tensors are not read.
  public init(opening path: FilePath) throws(TinctureError) {
    let file = try InputFile(opening: path)
    self.file = file
    tensors =
      switch try PyTorchFormat(of: file) {
      case .archive: try Self.readArchive(file)
      case .stream: try PyTorchStream(reading: file).tensors
      }
  }

  private static func readArchive(_ file: InputFile) throws(TinctureError) -> [StoredTensor] {
    let archive = try ZipArchive(reading: file)
    let prefix = try archivePrefix(archive)
    if let entry = archive[prefix + "byteorder"] {
      let range = try archive.range(of: entry)
      let order = try file.bytes(at: range.lowerBound, count: min(range.count, 16))
      guard order.elementsEqual("little".utf8) else {
        throw file.failure(
          "The checkpoint has the byte order \"\(String(decoding: order, as: UTF8.self))\"; save it"
            + " again on a little-endian machine.", at: range.lowerBound)
      }
    }
    guard let entry = archive[prefix + "data.pkl"] else {
      throw file.failure("The archive holds no data.pkl.")
    }
    let range = try archive.range(of: entry)
    guard range.count <= PickleReader.sizeLimit else {
      throw file.failure(
        "The pickle has \(range.count) bytes; at most \(PickleReader.sizeLimit) are read.",
        at: range.lowerBound)
    }
    var machine = PickleMachine(PickleReader(file, in: range))
    let root = try machine.run()
    let heap = machine.heap
    let weights = try StateDictionary(
      root: root, heap: heap, pickleSize: range.count, file: file)
    let placement = TensorPlacement(file: file, heap: heap)
    var regions: [ExactString: Range<Int>] = [:]
    var tensors: [StoredTensor] = []
    tensors.reserveCapacity(weights.entries.count)
    let names = OptimizerNames(root: root, heap: heap)
    for (stored, index) in weights.entries {
      let name = names.renamed(stored)
      let tensor = heap.tensors[index]
      let storage = heap.storages[tensor.storage]
      let region: Range<Int>
      if let known = regions[ExactString(storage.key)] {
        region = known
      } else {
        guard let entry = archive[prefix + "data/" + storage.key] else {
          throw file.failure(
            "The archive holds no data for the storage \"\(storage.key)\"; it is incomplete.",
            at: storage.position, tensor: name)
        }
        do throws(TinctureError) {
          region = try archive.range(of: entry)
        } catch {
          throw error.located(tensor: name)
        }
        regions[ExactString(storage.key)] = region
      }
      tensors.append(try placement.place(tensor, named: name, in: region))
    }
    return tensors
  }

  /// What precedes `data.pkl` in the names of the archive.
  private static func archivePrefix(_ archive: ZipArchive) throws(TinctureError) -> String {
    let suffix = "data.pkl"
    let prefixes = archive.entries.map(\.name).filter { name in
      guard name.hasSuffix(suffix) else { return false }
      let prefix = name.dropLast(suffix.count)
      return prefix.isEmpty || prefix.firstIndex(of: "/") == prefix.index(before: prefix.endIndex)
    }.map { String($0.dropLast(suffix.count)) }
    guard let prefix = prefixes.first else {
      throw archive.file.failure(
        "The archive holds no data.pkl, so it is no checkpoint of torch.save.")
    }
    guard prefixes.count == 1 else {
      throw archive.file.failure(
        "The archive holds \(prefixes.count) files data.pkl; only one was expected.")
    }
    guard archive[prefix + "constants.pkl"] == nil else {
      throw archive.file.failure(
        "The file is a TorchScript program, not a checkpoint; load it with torch.jit.load and save"
          + " its state_dict() with torch.save.")
    }
    return prefix
  }
}
