import Foundation

/// A checkpoint as PyTorch writes it: an uncompressed zip with a pickle and one member per tensor.
struct PyTorchArchive {
  private(set) var bytes = Data()
  private var directory = Data()
  private var count = 0

  /// The checkpoint of some tensors of a model, all of them by default.
  init(_ model: TinyModel, _ chosen: [String]? = nil) {
    var pickle = Data([0x80, 2]) + Data("}(".utf8)
    var storages: [Data] = []
    for name in chosen ?? model.names {
      guard let tensor = model[name] else { continue }
      var strides = tensor.shape
      for axis in strides.indices { strides[axis] = tensor.shape[(axis + 1)...].reduce(1, *) }
      pickle += Self.text(name) + Data("ctorch._utils\n_rebuild_tensor_v2\n((".utf8)
      pickle += Self.text("storage") + Data("ctorch\n\(Self.storage(tensor.element))\n".utf8)
      pickle += Self.text(String(storages.count)) + Self.text("cpu")
      pickle += Self.number(tensor.values.count) + Data("tQ".utf8) + Self.number(0)
      for list in [tensor.shape, strides] {
        pickle += Data("(".utf8) + list.map(Self.number).reduce(Data(), +) + Data("t".utf8)
      }
      pickle += Data([0x89]) + Data("ccollections\nOrderedDict\n)RtR".utf8)
      storages.append(tensor.bytes)
    }
    self.init(pickle: pickle + Data("u.".utf8), storages: storages)
  }

  /// The checkpoint of a pickle.
  init(pickle: Data, storages: [Data] = []) {
    add("archive/data.pkl", pickle)
    add("archive/byteorder", Data("little".utf8))
    for (position, storage) in storages.enumerated() { add("archive/data/\(position)", storage) }
    add("archive/version", Data("3\n".utf8))
    let start = bytes.count
    bytes += directory
    bytes += Self.little(0x0605_4b50, 4) + Self.little(0, 4) + Self.little(count, 2)
    bytes += Self.little(count, 2) + Self.little(directory.count, 4) + Self.little(start, 4)
    bytes += Self.little(0, 2)
  }

  private mutating func add(_ name: String, _ contents: Data) {
    let sizes = Self.little(contents.count, 4) + Self.little(contents.count, 4)
    let length = Self.little(name.utf8.count, 2)
    let common = Self.little(0, 12) + sizes + length
    directory += Self.little(0x0201_4b50, 4) + Self.little(0, 2) + Self.little(0, 2)
    directory += common + Self.little(0, 12) + Self.little(bytes.count, 4) + Data(name.utf8)
    bytes += Self.little(0x0403_4b50, 4) + Self.little(0, 2)
    bytes += common + Self.little(0, 2) + Data(name.utf8) + contents
    count += 1
  }

  private static func storage(_ element: TinyTensor.Element) -> String {
    switch element {
    case .f32: "FloatStorage"
    case .f16: "HalfStorage"
    case .bf16: "BFloat16Storage"
    case .i64: "LongStorage"
    }
  }

  static func text(_ text: String) -> Data {
    Data("X".utf8) + little(text.utf8.count, 4) + Data(text.utf8)
  }

  private static func number(_ value: Int) -> Data { Data([0x8a, 8]) + little(value, 8) }

  private static func little(_ value: Int, _ count: Int) -> Data {
    Data((0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) })
  }
}
