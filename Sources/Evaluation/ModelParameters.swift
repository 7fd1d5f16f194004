internal import TinctureCheckpoints
internal import TinctureMerging
internal import TinctureNetworks
internal import TinctureTensors
internal import TinctureTorch

/// The parameters of one model on a device, with a digest of their values.
struct ModelParameters {
  let parameters: Parameters
  /// Equal for models whose tensors have the same names, shapes and values.
  let digest: String

  /// Reads what a network needs of a model.
  ///
  /// - Parameters:
  ///   - input: The model.
  ///   - network: The network, which is checked against the model first.
  ///   - device: Where the parameters shall lie.
  /// - Throws: `checkpoint` when a tensor is missing or misshapen, `io` when reading fails.
  init(
    reading input: ModelInput, for network: any Network, on device: TorchDevice
  ) throws(TinctureError) {
    var readers: [String: any TensorReader] = [:]
    var shapes: [String: [Int]] = [:]
    for needed in network.parameterShapes {
      let own = input.layout.counterpart(of: needed.name) ?? needed.name
      guard let reader = try input.reader(own) else { continue }
      readers[needed.name] = reader
      shapes[needed.name] = reader.shape.extents
    }
    do throws(TinctureError) { try network.check(shapes) } catch {
      throw error.located(model: input.name)
    }
    var tensors: [String: TorchTensor] = [:]
    var digest = ContentDigest()
    let window = ReadWindow(byteCount: 1 << 20)
    for needed in network.parameterShapes {
      guard let reader = readers[needed.name] else { continue }
      let values = try Self.values(of: reader, window)
      digest.update("\(needed.name)\(reader.shape.extents)")
      let tensor = values.withUnsafeBytes { bytes in
        digest.update(bytes)
        return Result { () throws(TinctureError) in
          try TorchTensor(copying: bytes, shape: reader.shape.extents, dtype: .f32, on: device)
        }
      }
      tensors[needed.name] = try tensor.get()
    }
    parameters = Parameters(tensors)
    self.digest = digest.finish()
  }

  private static func values(
    of reader: any TensorReader, _ window: ReadWindow
  ) throws(TinctureError) -> ContiguousArray<Float> {
    var values = ContiguousArray<Float>(repeating: 0, count: reader.shape.elementCount)
    var span = values.mutableSpan
    let largest = try reader.read(0..<span.count, into: &span, window: window)
    guard largest < Float.infinity.bitPattern else {
      throw TinctureError(
        .checkpoint, "The tensor has an element that is not finite.", at: reader.place)
    }
    return values
  }
}
