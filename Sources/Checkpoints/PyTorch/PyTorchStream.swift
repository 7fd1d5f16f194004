import SystemPackage
import TinctureJSON
import TinctureSafetensors
import TinctureTensors

/// The format that PyTorch wrote before version 1.6.
///
/// Five pickles follow each other: a magic number, the protocol, facts about the machine, the
/// object, and the keys of the storages. Then comes each storage in that order: its number of
/// elements in eight bytes, and the elements.
struct PyTorchStream {
  /// The tensors in the order of the pickle.
  let tensors: [StoredTensor]

  private static let magic: [UInt8] = [
    0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19,
  ]

  /// Reads the descriptions of the tensors.
  ///
  /// - Parameter file: The checkpoint.
  /// - Throws: `checkpoint` when it is damaged, would run code or holds no tensors.
  init(reading file: InputFile) throws(TinctureError) {
    var reader = PickleReader(file, in: 0..<file.size)
    try Self.readPreamble(&reader)
    let start = reader.position
    let (root, heap) = try Self.readPickle(&reader)
    let pickleSize = reader.position - start
    let keyPosition = reader.position
    let (keys, keyHeap) = try Self.readPickle(&reader)
    guard case .list = keys, let keyValues = keyHeap.items(of: keys) else {
      throw reader.failure("The list of storages is \(keys.kind).", at: keyPosition)
    }
    let regions = try Self.locateStorages(
      keyValues, heap, from: reader.position, listedAt: keyPosition, in: file)
    let weights = try StateDictionary(
      root: root, heap: heap, pickleSize: pickleSize, file: file)
    let placement = TensorPlacement(file: file, heap: heap)
    var tensors: [StoredTensor] = []
    for (name, index) in weights.entries {
      let tensor = heap.tensors[index]
      let storage = heap.storages[tensor.storage]
      guard let region = regions[ExactString(storage.key)] else {
        throw file.failure(
          "The file holds no data for the storage \"\(storage.key)\"; it is incomplete.",
          at: storage.position, tensor: name)
      }
      tensors.append(try placement.place(tensor, named: name, in: region))
    }
    self.tensors = tensors
  }

  private static func readPickle(_ reader: inout PickleReader) throws(TinctureError)
    -> (PickleValue, PickleHeap)
  {
    var machine = PickleMachine(reader)
    let value = try machine.run()
    reader = machine.reader
    return (value, machine.heap)
  }

  /// Reads the magic number, the protocol and the facts about the machine.
  private static func readPreamble(_ reader: inout PickleReader) throws(TinctureError) {
    guard case (.longInteger(magic), _) = try readPickle(&reader) else {
      throw reader.failure(
        "The file is a pickle, but none of torch.save; load it with what wrote it and save a"
          + " state_dict() with torch.save.", at: 0)
    }
    let position = reader.position
    guard case (.integer(1001), _) = try readPickle(&reader) else {
      throw reader.failure(
        "The file has an unknown version of the old PyTorch format; save it again with PyTorch 1.6"
          + " or later.", at: position)
    }
    guard case (.dictionary(let index), let heap) = try readPickle(&reader) else {
      throw reader.failure("The file does not say which machine wrote it.", at: position)
    }
    for (key, value) in heap.dictionaries[index].entries {
      if case .text("little_endian") = key, case .bool(false) = value {
        throw reader.failure(
          "The checkpoint has the byte order \"big\"; save it again on a little-endian machine.",
          at: position)
      }
    }
  }

  /// Finds the bytes of each storage.
  private static func locateStorages(
    _ keys: [PickleValue], _ heap: PickleHeap, from start: Int, listedAt keyPosition: Int,
    in file: InputFile
  ) throws(TinctureError) -> [ExactString: Range<Int>] {
    var types: [ExactString: Int] = [:]
    for (index, storage) in heap.storages.enumerated() where types[ExactString(storage.key)] == nil
    {
      types[ExactString(storage.key)] = index
    }
    var regions: [ExactString: Range<Int>] = [:]
    var position = start
    for value in keys {
      guard case .text(let key) = value, let index = types[ExactString(key)] else {
        throw file.failure(
          "The list of storages names one that no tensor uses; the file is damaged.",
          at: keyPosition)
      }
      guard file.size - position >= 8 else { throw incomplete(key, in: file, at: position) }
      let count = ZipRecord(try file.bytes(at: position, count: 8)).u64(at: 0)
      let storage = heap.storages[index]
      guard count == storage.count else {
        throw file.failure(
          "The storage \"\(key)\" has \(count.map(String.init) ?? "too many") elements in the file,"
            + " but the pickle says \(storage.count).", at: position)
      }
      position += 8
      let (size, overflow) = storage.count.multipliedReportingOverflow(
        by: try elementWidth(of: storage, in: file))
      guard !overflow, size <= file.size - position else {
        throw incomplete(key, in: file, at: position)
      }
      guard regions.updateValue(position..<position + size, forKey: ExactString(key)) == nil else {
        throw file.failure("The storage \"\(key)\" is listed twice.", at: keyPosition)
      }
      position += size
    }
    return regions
  }

  private static func elementWidth(of storage: PickleStorage, in file: InputFile)
    throws(TinctureError) -> Int
  {
    switch storage.type {
    case .known(let dtype): return dtype.bitWidth / 8
    case .untyped: return 1
    case .unsupported("torch.complex128"): return 16
    case .unsupported("torch.qint32"): return 4
    case .unsupported("torch.qint8"), .unsupported("torch.quint8"): return 1
    case .unsupported(let type):
      throw file.failure(
        "The storage \"\(storage.key)\" has the type \(type), which is not supported.",
        at: storage.position)
    }
  }

  private static func incomplete(_ key: String, in file: InputFile, at position: Int)
    -> TinctureError
  {
    file.failure(
      "The data of the storage \"\(key)\" reach beyond the end of the file; download or copy it"
        + " again.", at: position)
  }
}
