internal import SystemPackage
internal import TinctureCheckpoints
internal import TinctureEvaluation
internal import TinctureMerging
internal import TinctureNetworks
internal import TinctureSafetensors
internal import TinctureTensors
internal import TinctureTorch

/// What training begins with: the network under the names of its parameters, and their values.
struct StartModel {
  /// The network.
  let network: TrainedNetwork
  /// The model that training begins with, where there is one.
  let input: ModelInput?
  private let run: TrainingRun

  /// Finds the model; no tensor is read yet.
  ///
  /// - Throws: `missingInput` when it is not there, `checkpoint` when it does not fit the network.
  init(_ run: TrainingRun) throws(TinctureError) {
    self.run = run
    guard let word = run.start.model else {
      input = nil
      network = try TrainedNetwork(run.network, of: run)
      return
    }
    let folder = run.file.removingLastComponent()
    let reference = try ModelReference(parsing: word) { path in
      FileKind(of: FilePath(path)) != .missing || FileKind(of: run.path(path)) != .missing
    }
    let input = try ModelInput(
      opening: reference, locator: ModelLocator(), folder: folder.isEmpty ? nil : folder)
    var shapes: [String: [Int]] = [:]
    for name in input.checkpoint.names {
      shapes[name] = try input.reader(name)?.shape.extents
    }
    let fitted = try run.network.fitted(to: shapes)
    // What begins at random need not be in the model, or may have another shape there.
    for parameter in fitted.parameterShapes where run.start.isRandom(parameter.name) {
      shapes[parameter.name] = parameter.extents
    }
    do throws(TinctureError) { try fitted.check(shapes) } catch {
      throw error.located(model: input.name)
    }
    self.input = input
    network = try TrainedNetwork(fitted, of: run)
    if let word = run.start.random.first(where: { word in
      !fitted.parameterShapes.contains { $0.name.hasPrefix(word) }
    }) {
      throw run.refusal("No parameter of the network begins with '\(word)', as 'random' says.")
    }
  }

  /// Whether a parameter begins at random although there may be a model to begin with.
  func isRandom(_ name: String) -> Bool { input == nil || run.start.isRandom(name) }

  /// The values of all parameters by their names.
  ///
  /// - Parameter device: Where they shall lie.
  /// - Returns: Tensors in single precision.
  /// - Throws: `io` when reading fails, `checkpoint` for an element that is not finite.
  func tensors(on device: TorchDevice) throws(TinctureError) -> [String: TorchTensor] {
    let beginsAtRandom = input == nil || !run.start.random.isEmpty
    let random =
      beginsAtRandom
      ? try InitialWeights(seed: run.seed).tensors(of: network.network, on: device) : [:]
    let window = ReadWindow(byteCount: 1 << 20)
    var tensors: [String: TorchTensor] = [:]
    for parameter in network.network.parameterShapes {
      if let input, !run.start.isRandom(parameter.name),
        let reader = try input.reader(parameter.name)
      {
        tensors[parameter.name] = try Self.tensor(reader, window).moved(to: device)
      } else {
        tensors[parameter.name] = random[parameter.name]
      }
    }
    return tensors
  }

  /// The head, from its file or at random.
  func head(on device: TorchDevice) throws(TinctureError) -> TaskHead? {
    guard let wanted = run.head, let width = network.featureWidth else { return nil }
    if let reference = wanted.reference {
      return try TaskHead(
        reading: reference, at: run.path(reference.file), width: width, on: device)
    }
    let classes = wanted.classCount ?? 2
    let (weight, bias) = try InitialWeights(seed: run.seed).head(
      classes: classes, width: width, on: device)
    return try TaskHead(
      weight: weight, bias: bias, width: width, normalizesFeatures: false, task: run.name)
  }

  private static func tensor(
    _ reader: any TensorReader, _ window: ReadWindow
  ) throws(TinctureError) -> TorchTensor {
    var values = ContiguousArray<Float>(repeating: 0, count: reader.shape.elementCount)
    var span = values.mutableSpan
    let largest = try reader.read(0..<span.count, into: &span, window: window)
    guard largest < Float.infinity.bitPattern else {
      throw TinctureError(
        .checkpoint, "The tensor has an element that is not finite.", at: reader.place)
    }
    return try values.withUnsafeBytes { bytes in
      Result { () throws(TinctureError) in
        try TorchTensor(copying: bytes, shape: reader.shape.extents, dtype: .f32)
      }
    }.get()
  }
}

extension TrainingStart {
  /// Whether a parameter begins at random although there is a model.
  func isRandom(_ name: String) -> Bool { random.contains { name.hasPrefix($0) } }
}
