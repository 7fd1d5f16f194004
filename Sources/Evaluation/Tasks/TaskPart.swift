internal import TinctureCheckpoints
internal import TinctureNetworks
internal import TinctureSafetensors
internal import TinctureTensors
internal import TinctureTorch

/// What a model has for one task beside the tensors that all tasks share, on a device.
struct TaskPart {
  let name: String
  private let tensors: [String: TorchTensor]
  private let normalizesFeatures: Bool
  private let bytes: [(role: String, bytes: [UInt8])]

  /// Reads the part of a task.
  ///
  /// - Parameters:
  ///   - task: The part.
  ///   - file: Its file.
  ///   - device: Where tensors shall lie.
  ///   - withHead: Whether the part's head is used.
  /// - Throws: `io` when reading fails.
  init(
    _ task: TaskParts.Task, of file: SafetensorsFile, on device: TorchDevice, withHead: Bool
  ) throws(TinctureError) {
    name = task.name
    var tensors: [String: TorchTensor] = [:]
    var bytes: [(role: String, bytes: [UInt8])] = []
    for (role, stored) in task.tensors.sorted(by: { $0.key < $1.key }) {
      if !withHead, role.hasPrefix("head.") { continue }
      let own = try file.file.bytes(at: stored.byteOffset, count: stored.byteCount)
      let tensor = own.withUnsafeBytes { memory in
        Result { () throws(TinctureError) in
          try TorchTensor(copying: memory, shape: stored.shape.extents, dtype: stored.dtype)
        }
      }
      tensors[role] = try tensor.get().converted(to: .f32).moved(to: device)
      bytes.append((role, own))
    }
    self.tensors = tensors
    self.bytes = bytes
    normalizesFeatures = task.tensors["head.normalizes"] != nil
  }

  /// Mixes the part into a digest.
  func update(_ digest: inout ContentDigest) {
    for (role, own) in bytes {
      digest.update("part \(role) \(own.count)")
      own.withUnsafeBytes { digest.update($0) }
    }
  }

  /// A tensor of a role.
  func tensor(_ role: String) -> TorchTensor? { tensors[role] }

  /// The blocks whose tokens the part corrects.
  var correctedBlocks: Set<Int> {
    Set(
      tensors.keys.compactMap { role in
        let parts = role.split(separator: ".")
        return parts.count == 4 && role.hasPrefix("surgery.blocks.") ? Int(parts[2]) : nil
      })
  }

  /// The part's head, if it has one.
  func head(width: Int) throws(TinctureError) -> TaskHead? {
    guard let weight = tensors["head.weight"] else { return nil }
    return try TaskHead(
      weight: weight, bias: tensors["head.bias"], width: width,
      normalizesFeatures: normalizesFeatures, task: name)
  }

  /// The parameters of a model with the task's own in place of those that it has of its own.
  func parameters(_ shared: Parameters) -> Parameters {
    var own: [String: TorchTensor] = [:]
    for (role, tensor) in tensors where role.hasPrefix(TaskParts.parameterPrefix) {
      own[String(role.dropFirst(TaskParts.parameterPrefix.count))] = tensor
    }
    return own.isEmpty ? shared : shared.replacing(own)
  }
}
