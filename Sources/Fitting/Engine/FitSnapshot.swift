package import SystemPackage
internal import TinctureCheckpoints
internal import TinctureJSON
internal import TinctureSafetensors
package import TinctureTensors
package import TinctureTorch

/// Everything that the rest of a fit depends on, as a file: numbers by name, exactly.
///
/// An ordinary safetensors file with f32 and f64 tensors; whole numbers and texts are in its metadata.
package struct FitSnapshot {
  private enum Values {
    case floats([Float], [Int])
    case doubles([Double])
  }

  /// What must be equal for the snapshot to be of use: settings, models, data.
  package var identity = ""
  /// Whole numbers by name.
  package var numbers: [String: Int] = [:]
  private var values: [String: Values] = [:]

  private static let key = "tincture.fit"

  /// An empty snapshot.
  package init() {}

  /// The bytes of all numbers.
  var byteCount: Int {
    values.values.reduce(0) { sum, own in
      switch own {
      case .floats(let floats, _): sum + 4 * floats.count
      case .doubles(let doubles): sum + 8 * doubles.count
      }
    }
  }

  /// Puts single-precision numbers in.
  package mutating func set(_ name: String, _ floats: [Float], extents: [Int]? = nil) {
    values[name] = .floats(floats, extents ?? [floats.count])
  }

  /// Puts double-precision numbers in.
  package mutating func set(_ name: String, _ doubles: [Double]) {
    values[name] = .doubles(doubles)
  }

  /// Puts the elements of a tensor in.
  package mutating func set(_ name: String, _ tensor: TorchTensor) throws(TinctureError) {
    set(name, try tensor.detached().array(as: Float.self), extents: tensor.shape)
  }

  private func fault(_ name: String) -> TinctureError {
    TinctureError(.checkpoint, "The snapshot of the fit does not hold '\(name)' as it is needed.")
  }

  /// Single-precision numbers.
  package func floats(_ name: String, count: Int) throws(TinctureError) -> [Float] {
    guard case .floats(let found, _) = values[name], found.count == count else { throw fault(name) }
    return found
  }

  /// Double-precision numbers.
  package func doubles(_ name: String, count: Int? = nil) throws(TinctureError) -> [Double] {
    guard case .doubles(let found) = values[name], count == nil || found.count == count else {
      throw fault(name)
    }
    return found
  }

  /// A tensor.
  package func tensor(
    _ name: String, like other: TorchTensor
  ) throws(TinctureError) -> TorchTensor {
    let found = try floats(name, count: other.elementCount)
    return try TorchTensor(found, shape: other.shape, on: other.device)
  }

  /// A whole number.
  package func number(_ name: String) throws(TinctureError) -> Int {
    guard let found = numbers[name] else { throw fault(name) }
    return found
  }

  /// The snapshot of a fit at a path, if there is one of the same settings, models and data.
  ///
  /// A damaged one is no reason not to begin anew.
  package static func found(at path: FilePath?, _ identity: String) -> FitSnapshot? {
    guard let path, FileKind(of: path) == .file, let found = try? FitSnapshot(opening: path),
      found.identity == identity
    else { return nil }
    return found
  }

  /// Reads a snapshot.
  ///
  /// - Parameter path: The file.
  /// - Throws: `missingInput` when there is none, `checkpoint` when it is damaged.
  package init(opening path: FilePath) throws(TinctureError) {
    let file = try SafetensorsFile(opening: path)
    let text = file.header.metadata.first { $0.key == Self.key }?.value ?? ""
    let json = try JSONValue(parsing: text)
    guard let identity = json["identity"]?.stringValue else { throw fault("identity") }
    self.identity = identity
    for (name, value) in json["numbers"]?.objectValue?.members ?? [] {
      numbers[name] = value.intValue
    }
    for tensor in file.header.tensors {
      let bytes = try file.file.bytes(at: tensor.byteOffset, count: tensor.byteCount)
      let count = tensor.shape.elementCount
      switch tensor.dtype {
      case .f32:
        var floats = [Float](repeating: 0, count: count)
        floats.withUnsafeMutableBytes { $0.copyBytes(from: bytes) }
        values[tensor.name] = .floats(floats, tensor.shape.extents)
      case .f64:
        var doubles = [Double](repeating: 0, count: count)
        doubles.withUnsafeMutableBytes { $0.copyBytes(from: bytes) }
        values[tensor.name] = .doubles(doubles)
      default: throw fault(tensor.name)
      }
    }
  }

  /// Writes the snapshot; the file is the old or the new one at any time.
  ///
  /// - Parameter path: The file.
  /// - Throws: `io` when that fails.
  package func write(to path: FilePath) throws(TinctureError) {
    var tensors: [(name: String, dtype: DType, shape: Shape)] = []
    let sorted = values.sorted { $0.key < $1.key }
    for (name, own) in sorted {
      switch own {
      case .floats(let floats, let extents):
        tensors.append((name, .f32, Shape(extents) ?? Shape(rows: 1, columns: floats.count)))
      case .doubles(let doubles):
        tensors.append((name, .f64, Shape([doubles.count]) ?? Shape(rows: 1, columns: 0)))
      }
    }
    let members = numbers.sorted { $0.key < $1.key }.map { ($0.key, JSONValue.integer($0.value)) }
    let description = JSONValue.object(
      JSONObject([("identity", .string(identity)), ("numbers", .object(JSONObject(members)))]))
    let header = SafetensorsHeader.encode(
      tensors: tensors, metadata: [(Self.key, description.text(indentation: nil))])
    try FileReplacement.write(
      to: path, "The snapshot of the fit", flushes: true,
      remedy: "Free some space, and go on with --resume."
    ) { (file) throws(TinctureError) in
      try file.append(header)
      for (_, own) in sorted {
        switch own {
        case .floats(let floats, _): try file.append(floats)
        case .doubles(let doubles): try file.append(doubles)
        }
      }
    }
  }
}
