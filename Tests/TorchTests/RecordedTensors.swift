import Foundation
import SystemPackage
import TinctureSafetensors
import TinctureTensors
import TinctureTorch

/// The tensors of a fixture, by name.
struct RecordedTensors: Sendable {
  private let file: SafetensorsFile
  private let places: [String: StoredTensor]

  init(_ name: String) throws {
    let folder = FilePath((Bundle.module.resourcePath ?? "") + "/Fixtures")
    file = try SafetensorsFile(opening: folder.appending(name + ".safetensors"))
    places = Dictionary(uniqueKeysWithValues: file.header.tensors.map { ($0.name, $0) })
  }

  var names: [String] { places.keys.sorted() }

  /// A tensor, or nil when there is none of that name.
  subscript(name: String) -> TorchTensor? {
    get throws {
      guard let place = places[name] else { return nil }
      let bytes = try file.file.bytes(at: place.byteOffset, count: place.byteCount)
      return try bytes.withUnsafeBytes {
        try TorchTensor(copying: $0, shape: place.shape.extents, dtype: place.dtype)
      }
    }
  }

  /// The tensors NAME0, NAME1 and so on.
  func list(_ name: String) throws -> [TorchTensor] {
    var tensors: [TorchTensor] = []
    while let tensor = try self["\(name)\(tensors.count)"] { tensors.append(tensor) }
    return tensors
  }
}

/// The largest difference of two tensors, relative to the magnitude of their elements or to one.
func distance(_ a: TorchTensor, _ b: TorchTensor) throws -> Double {
  let pairs = zip(try a.array(as: Double.self), try b.array(as: Double.self))
  return pairs.map { x, y in
    x == y || x.isNaN && y.isNaN ? 0 : abs(x - y) / max(1, abs(x), abs(y))
  }.max() ?? 0
}
