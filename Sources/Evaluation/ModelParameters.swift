internal import TinctureCheckpoints
internal import TinctureMerging
internal import TinctureNetworks
internal import TinctureTensors
internal import TinctureTorch

/// The parameters of one model on a device, with a digest of their values.
struct ModelParameters {
  let parameters: Parameters
  /// The network with the names that the model gives to its parameters.
  let network: any Network
  /// Equal for models whose tensors have the same names, shapes and values.
  let digest: String

  /// Reads what a network needs of a model.
  ///
  /// - Parameters:
  ///   - input: The model.
  ///   - unfitted: The network, which gets the model's names and is checked against the model first.
  ///   - device: Where the parameters shall lie.
  /// - Throws: `checkpoint` when a tensor is missing or misshapen, `io` when reading fails.
  init(
    reading input: ModelInput, for unfitted: any Network, on device: TorchDevice
  ) throws(TinctureError) {
    var shapes: [String: [Int]] = [:]
    for name in input.checkpoint.names { shapes[name] = try input.reader(name)?.shape.extents }
    let network: any Network
    do throws(TinctureError) {
      network = try unfitted.fitted(to: shapes)
      try network.check(shapes)
    } catch {
      throw error.located(model: input.name)
    }
    var tensors: [String: TorchTensor] = [:]
    var digest = ContentDigest()
    let window = ReadWindow(byteCount: 1 << 20)
    for needed in network.parameterShapes {
      guard let reader = try input.reader(needed.name) else { continue }
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
    self.network = network
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
