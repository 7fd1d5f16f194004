internal import SystemPackage
internal import TinctureAdapters
internal import TinctureCheckpoints
internal import TinctureJSON
internal import TinctureEvaluation
internal import TinctureMerging
internal import TinctureNetworks
internal import TinctureSafetensors
internal import TinctureTensors
internal import TinctureTorch

/// The model that a run makes, as a directory.
struct TrainingOutput: Sendable {
  /// The directory.
  let path: FilePath
  /// The version of the program.
  let toolVersion: String

  /// The name of the file with the head.
  static let headName = "head.safetensors"
  /// The name of the folder with an adapter of PEFT.
  static let adapterName = "adapter"

  /// Writes a model with everything beside it.
  ///
  /// - Parameters:
  ///   - learner: What was learned.
  ///   - history: What happened.
  ///   - setup: The run.
  ///   - output: The directory to be made.
  ///   - replaces: Whether one that is there is replaced.
  /// - Throws: `cannotCreate` or `io`; the output is then not there.
  func write(
    _ learner: Learner, _ history: TrainingHistory, _ setup: TrainingSetup, to output: FilePath,
    replaces: Bool
  ) async throws(TinctureError) {
    let dtype = setup.run.outputType
    let dense = try learner.model.folded()
    var tensors: [OutputLayout.Tensor] = []
    for parameter in setup.network.network.parameterShapes {
      guard let shape = Shape(parameter.extents) else { continue }
      tensors.append(OutputLayout.Tensor(name: parameter.name, dtype: dtype, shape: shape))
    }
    let layout = OutputLayout(tensors: tensors, shardSize: 5_000_000_000)
    let writer = try CheckpointWriter.create(
      output, layout: layout, fingerprint: "training", policy: .init(replace: replaces))
    let ranges = writer.ranges
    for (tensor, place) in zip(tensors, layout.places) {
      guard let values = dense[tensor.name] else {
        throw TinctureError(
          .internalError, "The trained model lacks this tensor.", at: .init(tensor: tensor.name))
      }
      let outcome = try Self.bytes(values, as: dtype) { bytes in
        Result { () throws(TinctureError) in
          try ranges.write(bytes, file: place.file, offset: place.offset)
        }
      }
      try outcome.get()
    }
    var sidecars: [(path: String, contents: [UInt8])] = [
      ("config.json", Array((setup.run.configuration.text() + "\n").utf8))
    ]
    if let head = learner.head { sidecars.append((Self.headName, try Self.headFile(head))) }
    if let folder = setup.run.tokenizer.map({ setup.run.path($0) }) {
      for file in try SidecarFiles.list(in: folder) where file.category == .tokenizer {
        sidecars.append((file.path, try InputFile(opening: folder.appending(file.path)).contents()))
      }
    }
    let log = try TrainingLog(setup, history)
    sidecars += log.sidecars
    let card = TrainingCard(setup, history, toolVersion: toolVersion)
    sidecars.append(("README.md", Array(card.text.utf8)))
    sidecars.append(("training_run.yaml", Array(setup.run.source.text.utf8)))
    if setup.run.exportsAdapter {
      let folder = writer.directory.appending(Self.adapterName)
      Directories.remove(folder)
      try await Self.adapter(learner, setup).write(AdapterJob(output: folder))
    }
    try writer.finish(sidecars: sidecars)
  }

  /// The changes of layers with adaptors; what else was trained is stored whole.
  private static func adapter(
    _ learner: Learner, _ setup: TrainingSetup
  ) throws(TinctureError) -> LearnedAdapter {
    let model = learner.model
    let own = Set(model.layers.values.flatMap { $0.trainedShapes.map(\.name) })
    let counted = model.fixed.keys.filter {
      $0.hasSuffix("running_mean") || $0.hasSuffix("running_var")
    }
    let whole = Set(model.trained.keys).subtracting(own).union(counted)
    return try model.learnedAdapter(
      storing: whole, baseModel: setup.run.start.model, dtype: setup.run.outputType)
  }

  /// Lends the elements of a tensor, which must be finite in the type in which they are written.
  private static func bytes(
    _ tensor: TorchTensor, as dtype: DType,
    _ body: (UnsafeRawBufferPointer) -> Result<Void, TinctureError>
  ) throws(TinctureError) -> Result<Void, TinctureError> {
    var outcome: Result<Void, TinctureError> = .success(())
    try tensor.detached().withBytes(as: dtype) { outcome = body($0) }
    return outcome
  }

  /// A file with the head's `weight` and `bias`.
  private static func headFile(_ head: TaskHead) throws(TinctureError) -> [UInt8] {
    var tensors: [(name: String, dtype: DType, shape: Shape)] = []
    var data: [UInt8] = []
    for (name, tensor) in [("weight", head.weight), ("bias", head.bias)] {
      guard let tensor, let shape = Shape(tensor.shape) else { continue }
      tensors.append((name, .f32, shape))
      try tensor.detached().withBytes(as: .f32) { data += $0 }
    }
    return SafetensorsHeader.encode(tensors: tensors, metadata: [("format", "pt")]) + data
  }
}
