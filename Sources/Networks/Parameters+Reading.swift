import SystemPackage
public import TinctureCheckpoints
import TinctureSafetensors
public import TinctureTensors
public import TinctureTorch

extension Parameters {
  /// Reads what a network needs from a model.
  ///
  /// - Parameters:
  ///   - checkpoint: The model.
  ///   - network: The network, whose ``Network/parameterShapes`` are looked for.
  ///   - dtype: The type of the parameters; nil keeps each tensor's own.
  ///   - device: Where they shall lie.
  /// - Throws: `checkpoint` when a tensor is missing, misshapen or of a type that LibTorch does not know,
  ///   `io` when reading fails, `engine` when memory runs out.
  public init(
    reading checkpoint: Checkpoint, for network: some Network, dtype: DType? = .f32,
    on device: TorchDevice = .cpu
  ) throws(TinctureError) {
    try network.check(checkpoint.shapes)
    var tensors: [String: TorchTensor] = [:]
    for shape in network.parameterShapes {
      let tensor = try TorchTensor(reading: shape.name, of: checkpoint)
      let converted = if let dtype { try tensor.converted(to: dtype) } else { tensor }
      tensors[shape.name] = try converted.moved(to: device)
    }
    self.init(tensors)
  }
}

extension Checkpoint {
  /// The extents of all tensors by name.
  public var shapes: [String: [Int]] {
    var shapes: [String: [Int]] = [:]
    for name in names { shapes[name] = self[name]?.tensor.shape.extents }
    return shapes
  }
}

extension TorchTensor {
  /// Reads a tensor of a model.
  ///
  /// - Parameters:
  ///   - name: The tensor's name.
  ///   - checkpoint: The model.
  /// - Throws: `checkpoint` when there is no such tensor, its type is not known to LibTorch or its elements
  ///   are not stored in the order of its axes; `io` when reading fails.
  public init(reading name: String, of checkpoint: Checkpoint) throws(TinctureError) {
    do throws(TinctureError) {
      guard let entry = checkpoint[name] else {
        throw TinctureError(.checkpoint, "The model has no such tensor.")
      }
      guard entry.tensor.strides == nil else {
        throw TinctureError(
          .checkpoint,
          "The elements are not stored in the order of the axes; convert the model to safetensors.")
      }
      let bytes = try entry.file.bytes(at: entry.tensor.byteOffset, count: entry.tensor.byteCount)
      var result: Result<TorchTensor, TinctureError>?
      bytes.withUnsafeBytes { bytes in
        result = Result { () throws(TinctureError) in
          try TorchTensor(
            copying: bytes, shape: entry.tensor.shape.extents, dtype: entry.tensor.dtype)
        }
      }
      guard let result else { throw TinctureError(.internalError, "An array gave no bytes.") }
      self = try result.get()
    } catch {
      throw error.located(file: checkpoint.path.string, tensor: name)
    }
  }
}
