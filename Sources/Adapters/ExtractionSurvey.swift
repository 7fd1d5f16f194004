internal import TinctureCheckpoints
internal import TinctureMerging
internal import TinctureTensors

/// The tensors of two models, sorted by what an adapter can do about them.
struct ExtractionSurvey {
  /// Weights that can be factored.
  private(set) var candidates: [ExtractionCandidate] = []
  /// Everything else that both models have.
  private(set) var others: [TensorDifference] = []
  /// Tensors that only the model has.
  private(set) var added: [(name: String, reader: any TensorReader)] = []
  /// How many tensors the patterns leave out.
  private(set) var excluded = 0
  /// Whether layers store their weights as `in × out`.
  let isTransposed: Bool

  private let base: ModelInput
  private let model: ModelInput

  /// Compares two models by their headers.
  ///
  /// - Throws: `checkpoint` with all tensors that the model lacks or that have other shapes.
  init(base: ModelInput, model: ModelInput, _ filter: TensorFilter, factorsVocabulary: Bool)
    throws(TinctureError)
  {
    self.base = base
    self.model = model
    isTransposed =
      base.configuration?.modelType.map { Self.transposedTypes.contains($0) } ?? false
    var faults: [TinctureError] = []
    var used: Set<String> = []
    for name in base.checkpoint.names {
      let own = model.source(of: name)
      if let own { used.insert(own) }
      guard !base.layout.isBuffer(name) else { continue }
      guard filter.takes(name) else {
        excluded += 1
        continue
      }
      guard let own, let first = try base.reader(name), let second = try model.reader(own) else {
        faults.append(
          TinctureError(
            .checkpoint, "The model lacks the tensor; leave it out with --exclude.",
            at: .init(model: model.name, tensor: name)))
        continue
      }
      guard first.shape == second.shape else {
        faults.append(
          TinctureError(
            .checkpoint,
            "The tensor has the shape \(second.shape), but \(first.shape) in \(base.name); leave it out "
              + "with --exclude.", at: .init(model: model.name, tensor: name)))
        continue
      }
      guard first.dtype.isArithmetic, second.dtype.isArithmetic else { continue }
      add(TensorDifference(name: name, base: first, model: second), factorsVocabulary)
    }
    for name in model.checkpoint.names where !used.contains(name) {
      guard !model.layout.isOptional(name), base.source(of: name) == nil else { continue }
      guard filter.takes(name), let reader = try model.reader(name), reader.dtype.isArithmetic
      else { continue }
      added.append((name, reader))
    }
    guard faults.isEmpty else {
      if faults.count == 1 { throw faults[0] }
      throw TinctureError(
        .checkpoint, "\(faults.count) tensors do not fit the base:", causes: faults)
    }
  }

  /// Gives tables up as candidates when the bias of another candidate differs.
  ///
  /// - Returns: Whether there was a table.
  mutating func storeTablesBesideBiases() throws(TinctureError) -> Bool {
    let tables = candidates.filter(\.layer.isEmbedding)
    guard !tables.isEmpty else { return false }
    let biases = Set(candidates.map { $0.layer.module + ".bias" })
    for other in others where biases.contains(other.name) {
      guard try other.norm() > 0 else { continue }
      candidates.removeAll(where: \.layer.isEmbedding)
      others = tables.map(\.weight) + others
      return true
    }
    return false
  }

  private mutating func add(_ tensor: TensorDifference, _ factorsVocabulary: Bool) {
    let extents = tensor.base.shape.extents
    guard let parts = ModuleParts(tensor.name), parts.parameter == "weight",
      (2...5).contains(extents.count), extents.allSatisfy({ $0 > 0 }),
      tensor.base.shape.elementCount > extents[0]
    else {
      others.append(tensor)
      return
    }
    let isTable = extents.count == 2 && Self.isTable(parts.module)
    let isVocabulary = isTable || base.layout.isEmbedding(tensor.name)
    guard !isVocabulary || factorsVocabulary else {
      others.append(tensor)
      return
    }
    let turns = isTable || (isTransposed && extents.count == 2 && !isVocabulary)
    let layer =
      turns
      ? AdapterLayer(
        parts.module, isEmbedding: isTable, inputs: [extents[0]], outputs: extents[1])
      : AdapterLayer(parts.module, inputs: Array(extents.dropFirst()), outputs: extents[0])
    candidates.append(ExtractionCandidate(layer: layer, weight: tensor, isTransposed: turns))
  }

  /// Whether a module is a table of vectors by its name.
  private static func isTable(_ module: String) -> Bool {
    let last = module.split(separator: ".").last?.lowercased() ?? ""
    return last.contains("embed") || ["wte", "wpe", "shared", "embd"].contains(last)
  }

  /// Kinds of models whose layers store weights as `in × out`.
  private static let transposedTypes: Set<String> = [
    "gpt2", "openai-gpt", "imagegpt", "decision_transformer", "clvp",
  ]
}

/// Which tensors take part, by their names.
struct TensorFilter: Sendable {
  var included: [TensorPattern] = []
  var excluded: [TensorPattern] = []

  func takes(_ name: String) -> Bool {
    (included.isEmpty || included.contains { $0.isFound(in: name) })
      && !excluded.contains { $0.isFound(in: name) }
  }
}
