import Foundation
import Testing

/// What the program wrote, read by other means than its own.
struct SavedModel {
  /// The tensors by name.
  private(set) var tensors: [String: TinyTensor] = [:]
  /// The file of each tensor.
  private(set) var files: [String: String] = [:]
  /// The metadata of the last file that was read.
  private(set) var metadata: [String: String] = [:]

  /// Reads a file, or all safetensors files of a directory.
  init(_ path: String, in workshop: Workshop) throws {
    if path.hasSuffix(".safetensors") {
      try read(path, workshop)
    } else {
      for name in try workshop.names(path) where name.hasSuffix(".safetensors") {
        try read("\(path)/\(name)", workshop)
      }
    }
  }

  subscript(name: String) -> TinyTensor? { tensors[name] }

  /// The names in alphabetical order.
  var names: [String] { tensors.keys.sorted() }

  private mutating func read(_ path: String, _ workshop: Workshop) throws {
    let file = try Data(contentsOf: workshop.url(path))
    let length = file.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
    let header = try #require(
      JSONSerialization.jsonObject(with: file[8..<8 + length]) as? [String: Any])
    for (name, value) in header {
      if name == "__metadata__" {
        metadata = try #require(value as? [String: String])
        continue
      }
      let entry = try #require(value as? [String: Any])
      let dtype = try #require(entry["dtype"] as? String)
      let element = try #require(TinyTensor.Element(rawValue: dtype))
      let shape = try #require(entry["shape"] as? [Int])
      let offsets = try #require(entry["data_offsets"] as? [Int])
      let bytes = file[8 + length + offsets[0]..<8 + length + offsets[1]]
      try #require(tensors[name] == nil, "\(name) is written twice")
      tensors[name] = TinyTensor(element, shape, bytes: Data(bytes))
      files[name] = String(path.split(separator: "/").last ?? "")
    }
  }
}
