internal import SystemPackage
internal import TinctureCheckpoints
internal import TinctureJSON
internal import TinctureSafetensors
internal import TinctureTensors
internal import TinctureTorch

/// Everything on which the rest of a run depends, as a file.
///
/// An ordinary safetensors file, whose tensors are written one after another as they are. Numbers and texts are in its
/// metadata.
struct TrainingSnapshot {
  /// What must be equal for the snapshot to be of use.
  var identity = ""
  /// Whole numbers by name.
  var numbers: [String: Int] = [:]
  /// Fractions by name.
  var fractions: [String: Double] = [:]
  /// Texts by name.
  var texts: [String: String] = [:]
  /// Tensors by name.
  var tensors: [String: TorchTensor] = [:]

  private static let key = "tincture.training"

  init() {}

  /// Reads a snapshot.
  ///
  /// - Parameters:
  ///   - path: The file.
  ///   - device: Where the tensors shall lie.
  /// - Throws: `missingInput` when there is none, `checkpoint` when it is damaged.
  init(opening path: FilePath, on device: TorchDevice) throws(TinctureError) {
    let file = try SafetensorsFile(opening: path)
    do throws(TinctureError) {
      let text = file.header.metadata.first { $0.key == Self.key }?.value ?? ""
      let json = try JSONValue(parsing: text)
      guard let identity = json["identity"]?.stringValue else {
        throw TinctureError(.checkpoint, "The file is no state of a run.")
      }
      self.identity = identity
      for (name, value) in json["numbers"]?.objectValue?.members ?? [] {
        numbers[name] = value.intValue
      }
      for (name, value) in json["fractions"]?.objectValue?.members ?? [] {
        fractions[name] = value.doubleValue
      }
      for (name, value) in json["texts"]?.objectValue?.members ?? [] {
        texts[name] = value.stringValue
      }
      for tensor in file.header.tensors {
        let bytes = try file.file.bytes(at: tensor.byteOffset, count: tensor.byteCount)
        let read = bytes.withUnsafeBytes { memory in
          Result { () throws(TinctureError) in
            try TorchTensor(
              copying: memory, shape: tensor.shape.extents, dtype: tensor.dtype, on: device)
          }
        }
        tensors[tensor.name] = try read.get()
      }
    } catch { throw error.located(file: path.string) }
  }

  private func fault(_ name: String) -> TinctureError {
    TinctureError(.checkpoint, "The state of the run does not hold '\(name)' as it is needed.")
  }

  /// A whole number.
  func number(_ name: String) throws(TinctureError) -> Int {
    guard let found = numbers[name] else { throw fault(name) }
    return found
  }

  /// A tensor with extents that are known.
  func tensor(_ name: String, _ extents: [Int]) throws(TinctureError) -> TorchTensor {
    guard let found = tensors[name], found.shape == extents else { throw fault(name) }
    return found
  }

  /// Writes the snapshot beside the old one and then puts it in its place, so that there is a whole one at any time.
  ///
  /// - Parameter path: The file.
  /// - Throws: `io` when the disk is full or writing fails; the old snapshot is then as it was.
  func write(to path: FilePath) throws(TinctureError) {
    let sorted = tensors.sorted { $0.key < $1.key }
    var described: [(name: String, dtype: DType, shape: Shape)] = []
    for (name, tensor) in sorted {
      guard let shape = Shape(tensor.shape), let dtype = tensor.dtype else { throw fault(name) }
      described.append((name, dtype, shape))
    }
    let header = SafetensorsHeader.encode(
      tensors: described, metadata: [(Self.key, description.text(indentation: nil))])
    try FileReplacement.write(
      to: path, "The state of the run", flushes: true,
      remedy: "Free some space, and go on with --resume."
    ) { (file) throws(TinctureError) in
      try file.append(header)
      for (_, tensor) in sorted {
        var outcome: Result<Void, TinctureError> = .success(())
        try tensor.detached().withBytes { bytes in
          outcome = Result { () throws(TinctureError) in try file.append(bytes) }
        }
        try outcome.get()
      }
    }
  }

  private var description: JSONValue {
    func object<Value>(_ values: [String: Value], _ make: (Value) -> JSONValue) -> JSONValue {
      .object(JSONObject(values.sorted { $0.key < $1.key }.map { ($0.key, make($0.value)) }))
    }
    return .object(
      JSONObject([
        ("identity", .string(identity)), ("numbers", object(numbers) { .integer($0) }),
        ("fractions", object(fractions) { .number(String($0)) }),
        ("texts", object(texts) { .string($0) }),
      ]))
  }
}
