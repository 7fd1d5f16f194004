internal import SystemPackage
internal import TinctureCheckpoints
internal import TinctureSafetensors
public import TinctureMerging
public import TinctureTensors

/// A merge of tiny models by one method, from files to a file.
public struct MergeTrial: Sendable {
  /// What a trial produced.
  public struct Outcome: Sendable {
    /// The output file.
    public let bytes: [UInt8]
    /// The output's tensors.
    public let model: TinyModel
    /// What the engine did.
    public let report: MergeReport
  }

  /// The method.
  public var method: any MergeMethod
  /// The base, where the method uses one.
  public var base: TinyModel?
  /// The models.
  public var models: [TinyModel]
  /// The statistics of each model under the names of its tensors, where the method needs them.
  public var statistics: [TinyModel] = []
  /// The values of the method's parameters, the same for every tensor.
  public var parameters: ResolvedParameters
  /// The type that is written; nil for that of the inputs.
  public var outputType: DType?
  /// The type that inputs are rounded to first; nil to leave them.
  public var inputRounding: DType?
  /// What applies to the whole merge.
  public var options = MergeOptions()
  /// Workers, memory and sizes.
  public var engine = MergeEngine(workers: 1, memoryLimit: 1 << 30)
  /// Whether methods can keep on the disk what they find before they merge.
  public var keepsFindings = true
  /// Elements after which every step is cut; only for element-wise methods.
  public var cutLength: Int?

  /// Prepares a trial.
  ///
  /// - Parameters:
  ///   - method: The method.
  ///   - base: The base, where the method uses one.
  ///   - models: The models; all have the same tensors.
  ///   - parameters: The values of the method's parameters.
  public init(
    _ method: any MergeMethod, base: TinyModel?, models: [TinyModel],
    parameters: ResolvedParameters
  ) {
    self.method = method
    self.base = base
    self.models = models
    self.parameters = parameters
  }

  /// Carries the merge out.
  ///
  /// - Returns: The output.
  /// - Throws: What the engine throws.
  public func run() async throws(TinctureError) -> Outcome {
    let scratch = try ScratchDirectory()
    let baseFile: Checkpoint? =
      if let base { try Self.store(base, "base.safetensors", scratch) } else { nil }
    var modelFiles: [Checkpoint] = []
    for (index, model) in models.enumerated() {
      modelFiles.append(try Self.store(model, "model\(index).safetensors", scratch))
    }
    var statisticsFiles: [Checkpoint] = []
    for (index, model) in statistics.enumerated() {
      statisticsFiles.append(try Self.store(model, "statistics\(index).safetensors", scratch))
    }
    let plan = try plan(baseFile, modelFiles, statisticsFiles)
    let output = scratch.path.appending("output.safetensors")
    let writer = try CheckpointWriter.create(output, layout: plan.layout, fingerprint: "trial")
    if !keepsFindings {
      // A file in the place of the folder, so that nothing can be written into it.
      try ScratchDirectory.write([], to: writer.scratch)
    }
    let report = try await engine.run(plan, into: writer)
    try writer.finish()
    return Outcome(
      bytes: try InputFile(opening: output).contents(), model: try TinyModel(reading: output),
      report: report)
  }

  private static func store(_ model: TinyModel, _ name: String, _ scratch: ScratchDirectory)
    throws(TinctureError) -> Checkpoint
  {
    try Checkpoint.open(scratch.write(name, model.safetensors))
  }

  private func plan(
    _ base: Checkpoint?, _ models: [Checkpoint], _ statistics: [Checkpoint]
  ) throws(TinctureError) -> MergePlan {
    let template = self.base ?? self.models.first ?? TinyModel([])
    let shapes = Dictionary(
      template.tensors.map { ($0.name, $0.shape) }, uniquingKeysWith: { first, _ in first })
    let outputs = template.tensors.map { tensor in
      let own = OutputLayout.Tensor(
        name: tensor.name, dtype: outputType ?? tensor.dtype, shape: tensor.shape)
      return [own]
        + method.extraOutputs(
          OutputScope(
            tensor: own, modelCount: models.count, parameters: parameters, isVocabulary: false,
            shapes: shapes))
    }
    let layout = OutputLayout(
      tensors: outputs.flatMap(\.self), shardSize: .max, stem: "output")
    var places = layout.places[...]
    var steps: [MergeStep] = []
    for (position, tensor) in template.tensors.enumerated() {
      var readers: [any TensorReader] = []
      for (index, model) in models.enumerated() {
        readers.append(try Self.reader(of: tensor.name, in: model, name: "model\(index)"))
      }
      let baseReader: (any TensorReader)? =
        if let base { try Self.reader(of: tensor.name, in: base, name: "base") } else { nil }
      let own = Array(places.prefix(outputs[position].count))
      places = places.dropFirst(own.count)
      let extras = zip(outputs[position], own).dropFirst().map {
        ExtraOutput(tensor: $0, place: $1)
      }
      let step = MergeStep(
        index: position, name: tensor.name, shape: tensor.shape,
        dtype: outputType ?? tensor.dtype, base: baseReader, models: readers,
        modelIndices: Array(readers.indices), statistics: Self.inputs(of: tensor, statistics),
        parameters: parameters, inputRounding: inputRounding, output: own[0], extras: extras)
      guard let cutLength, cutLength > 0, extras.isEmpty else {
        steps.append(step)
        continue
      }
      for start in stride(from: 0, to: tensor.shape.elementCount, by: cutLength) {
        let end = min(start + cutLength, tensor.shape.elementCount)
        steps.append(step.with(index: steps.count, elements: start..<end))
      }
    }
    return MergePlan(method: method, steps: steps, layout: layout, options: options)
  }

  private static func inputs(
    of tensor: TinyModel.Tensor, _ statistics: [Checkpoint]
  ) -> [StatisticsInput] {
    let found = statistics.enumerated().compactMap { index, file in
      file[tensor.name].map { entry in
        let shape = entry.tensor.shape
        return StatisticsInput(
          StoredTensorReader(entry.tensor, in: entry.file, model: "model\(index)"),
          isInputMajor: shape.rank == 2 && tensor.shape.rank == 2
            && shape.extents[0] != tensor.shape.extents[1] && shape != tensor.shape,
          mean: file[tensor.name + StatisticsKind.meanEnd].map {
            StoredTensorReader($0.tensor, in: $0.file, model: "model\(index)")
          })
      }
    }
    return found.count == statistics.count ? found : []
  }

  private static func reader(of tensor: String, in checkpoint: Checkpoint, name: String)
    throws(TinctureError) -> any TensorReader
  {
    guard let entry = checkpoint[tensor] else {
      throw TinctureError(
        .checkpoint, "The model lacks the tensor.", at: .init(model: name, tensor: tensor))
    }
    return StoredTensorReader(entry.tensor, in: entry.file, model: name)
  }
}

extension ResolvedParameters {
  /// Fills in the values of a method's parameters as the planner would.
  ///
  /// - Parameters:
  ///   - info: The method.
  ///   - values: Values by name; the same for all models where a parameter has one for each.
  ///   - perModel: Values for each model, by name.
  ///   - modelCount: How many models there are.
  /// - Throws: `recipe` when a value is missing, unknown or out of bounds.
  /// - Complexity: O(n).
  public init(
    for info: MethodInfo, _ values: [String: ParameterValue] = [:],
    perModel: [String: [ParameterValue]] = [:], modelCount: Int
  ) throws(TinctureError) {
    try self.init(info.name, info.parameters, values, perModel: perModel, modelCount: modelCount)
  }

  /// Fills in the values of a filter's parameters as the planner would.
  ///
  /// - Parameters:
  ///   - info: The filter.
  ///   - values: Values by name; the same for all models where a parameter has one for each.
  ///   - modelCount: How many models there are.
  /// - Throws: `recipe` when a value is missing, unknown or out of bounds.
  /// - Complexity: O(n).
  public init(
    for info: FilterInfo, _ values: [String: ParameterValue] = [:], modelCount: Int
  ) throws(TinctureError) {
    try self.init(info.name, info.parameters, values, perModel: [:], modelCount: modelCount)
  }

  private init(
    _ owner: String, _ declarations: [ParameterDeclaration], _ values: [String: ParameterValue],
    perModel: [String: [ParameterValue]], modelCount: Int
  ) throws(TinctureError) {
    self.init()
    for name in (Array(values.keys) + Array(perModel.keys)).sorted()
    where !declarations.contains(where: { $0.name == name }) {
      throw TinctureError(.recipe, "\(owner) has no parameter \(name).")
    }
    for declaration in declarations {
      let name = declaration.name
      let single = values[name] ?? declaration.defaultValue
      let list =
        perModel[name] ?? single.map { [ParameterValue](repeating: $0, count: modelCount) }
      guard let list, list.count == modelCount else {
        throw TinctureError(.recipe, "\(owner) needs \(modelCount) values for \(name).")
      }
      for value in list where value != declaration.defaultValue {
        if let objection = declaration.objection(to: value) {
          throw TinctureError(.recipe, objection + ".")
        }
      }
      switch declaration.scope {
      case .merge: merge[name] = single
      case .model: models[name] = list
      }
    }
  }
}
