package import SystemPackage
internal import TinctureSafetensors
package import TinctureTensors
package import TinctureTorch

/// A linear layer from features to scores, which belongs to a task and not to the models.
package struct TaskHead: Sendable {
  /// The weight, [classes, features].
  package var weight: TorchTensor
  /// The bias, [classes].
  package var bias: TorchTensor?
  /// Whether features are scaled to length one first.
  package let normalizesFeatures: Bool
  private let bytes: [[UInt8]]

  /// Reads a head.
  ///
  /// - Throws: `missingInput` when the file is not there, `checkpoint` when a tensor is missing or
  ///   misshapen.
  init(
    reading reference: TaskHeadReference, width: Int, in suite: EvaluationSuite,
    on device: TorchDevice
  ) throws(TinctureError) {
    try self.init(
      reading: reference, at: suite.path(reference.file), width: width, on: device)
  }

  /// Reads a head from a file.
  ///
  /// - Throws: `missingInput` when the file is not there, `checkpoint` when a tensor is missing or
  ///   misshapen.
  package init(
    reading reference: TaskHeadReference, at path: FilePath, width: Int, on device: TorchDevice
  ) throws(TinctureError) {
    let file = try SafetensorsFile(opening: path)
    let (weight, weightBytes) = try Self.tensor(reference.weight, of: file, on: device)
    guard weight.rank == 2, weight.shape[1] == width else {
      throw TinctureError(
        .checkpoint,
        "The head's shape is \(weight.shape); it must be [classes, \(width)] for the features of the"
          + " network.", at: .init(file: file.file.path.string, tensor: reference.weight))
    }
    var bytes = [weightBytes]
    var bias: TorchTensor?
    if let name = reference.bias {
      let (tensor, biasBytes) = try Self.tensor(name, of: file, on: device)
      guard tensor.shape == [weight.shape[0]] else {
        throw TinctureError(
          .checkpoint,
          "The bias has the shape \(tensor.shape); it must be [\(weight.shape[0])], one number for"
            + " each class.", at: .init(file: file.file.path.string, tensor: name))
      }
      bias = tensor
      bytes.append(biasBytes)
    }
    self.weight = weight
    self.bias = bias
    self.bytes = bytes
    normalizesFeatures = reference.normalizesFeatures
  }

  /// Takes a head's tensors.
  ///
  /// - Throws: `checkpoint` when they do not fit each other or the features.
  package init(
    weight: TorchTensor, bias: TorchTensor?, width: Int, normalizesFeatures: Bool, task: String
  ) throws(TinctureError) {
    guard weight.rank == 2, weight.shape[1] == width,
      bias.map({ $0.shape == [weight.shape[0]] }) ?? true
    else {
      throw TinctureError(
        .checkpoint,
        "The head of the task '\(task)' has a weight \(weight.shape)"
          + (bias.map { " and a bias \($0.shape)" } ?? "")
          + "; the features of the network have \(width) numbers.")
    }
    self.weight = weight
    self.bias = bias
    self.normalizesFeatures = normalizesFeatures
    // What a part of a model holds is in the digest of the part.
    bytes = []
  }

  private static func tensor(
    _ name: String, of file: SafetensorsFile, on device: TorchDevice
  ) throws(TinctureError) -> (TorchTensor, [UInt8]) {
    guard let stored = file.header.tensors.first(where: { $0.name == name }) else {
      throw TinctureError(
        .checkpoint, "The file of heads has no such tensor.",
        at: .init(file: file.file.path.string, tensor: name))
    }
    let bytes = try file.file.bytes(at: stored.byteOffset, count: stored.byteCount)
    let tensor = bytes.withUnsafeBytes { memory in
      Result { () throws(TinctureError) in
        try TorchTensor(copying: memory, shape: stored.shape.extents, dtype: stored.dtype)
      }
    }
    return (try tensor.get().converted(to: .f32).moved(to: device), bytes)
  }

  /// Mixes the layer into a digest.
  func update(_ digest: inout ContentDigest) {
    digest.update("head \(weight.shape) \(bias != nil) \(normalizesFeatures)")
    for part in bytes { part.withUnsafeBytes { digest.update($0) } }
  }

  /// The scores [N, classes] of features [N, width].
  package func callAsFunction(_ features: TorchTensor) throws(TinctureError) -> TorchTensor {
    let features = normalizesFeatures ? try features.normalized() : features
    return try features.linear(weight: weight, bias: bias)
  }
}
