internal import TinctureCheckpoints
package import TinctureMerging
package import TinctureNetworks
package import TinctureTensors
package import TinctureTorch

/// The parameters of one model on a device, with a digest of their values.
package struct ModelParameters {
  /// The parameters under the model's names.
  package let parameters: Parameters
  /// The network with the names that the model gives to its parameters.
  package var network: any Network
  /// Equal for models whose tensors have the same names, shapes and values.
  package let digest: String
  /// What the model has for its tasks beside its tensors.
  private(set) var parts: TaskParts?
  /// Whether something in the model is mixed for every input.
  private(set) var mixes: Bool

  /// Reads what a network needs of a model.
  ///
  /// - Parameters:
  ///   - input: The model.
  ///   - network: The network, which gets the model's names and is checked against the model first.
  ///   - device: Where the parameters shall lie.
  ///   - routing: How inputs are mixed for, where the model mixes.
  /// - Throws: `checkpoint` when a tensor is missing or misshapen, `io` when reading fails.
  package init(
    reading input: ModelInput, for network: any Network, on device: TorchDevice,
    routing: MixtureRouting? = nil
  ) throws(TinctureError) {
    var readers: [String: any TensorReader] = [:]
    for name in input.checkpoint.names { readers[name] = try input.reader(name) }
    do throws(TinctureError) {
      try self.init(reading: readers, for: network, on: device, routing: routing)
    } catch { throw error.located(model: input.name) }
    guard let directory = input.checkpoint.directory else { return }
    if let path = TaskParts.path(in: directory) {
      let parts = try TaskParts(opening: path)
      // The model of one task has the parts of that task alone.
      self.parts =
        if let task = input.reference.expert { parts.only(task) } else { parts }
    }
    if input.reference.expert == nil, let path = Mixture.path(in: directory) {
      self.network = try Mixture(opening: path).network(self.network, routing, on: device)
      mixes = true
    }
  }

  /// Reads what a network needs.
  ///
  /// - Parameters:
  ///   - readers: The tensors of a model.
  ///   - unfitted: The network.
  ///   - device: Where the parameters shall lie.
  ///   - routing: How many experts behind layers a token goes to, where there are some.
  /// - Throws: `checkpoint` when a tensor is missing or misshapen, `io` when reading fails.
  init(
    reading readers: [String: any TensorReader], for unfitted: any Network, on device: TorchDevice,
    routing: MixtureRouting? = nil
  ) throws(TinctureError) {
    let shapes = readers.mapValues(\.shape.extents)
    let network = try unfitted.fitted(to: shapes)
    try network.check(shapes)
    var tensors: [String: TorchTensor] = [:]
    var digest = ContentDigest()
    let window = ReadWindow(byteCount: 1 << 20)
    func read(
      _ name: String, _ reader: any TensorReader
    ) throws(TinctureError) -> TorchTensor {
      let values = try Self.values(of: reader, window)
      digest.update("\(name)\(reader.shape.extents)")
      return try values.withUnsafeBytes { bytes in
        digest.update(bytes)
        return Result { () throws(TinctureError) in
          try TorchTensor(copying: bytes, shape: reader.shape.extents, dtype: .f32, on: device)
        }
      }.get()
    }
    for needed in network.parameterShapes {
      guard let reader = readers[needed.name] else { continue }
      tensors[needed.name] = try read(needed.name, reader)
    }
    let expansion = try ExpandedLayers(network.parameterShapes, readers, routing, read)
    if expansion != nil { digest.update("\(routing ?? .top)") }
    mixes = expansion != nil
    parameters = Parameters(tensors).expanded(by: expansion)
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
