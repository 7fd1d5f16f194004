internal import TinctureSafetensors
internal import TinctureCheckpoints
internal import TinctureTensors

extension Planner {
  /// Works out the readers, types and parameters of an output tensor; nil when it is left out.
  mutating func draft(_ assignment: TensorAssignment, _ vocabulary: PlannedVocabulary?)
    throws(TinctureError) -> StepDraft?
  {
    let name = assignment.name
    guard name != "__metadata__" else {
      problems.add(
        TinctureError(
          .checkpoint, "A safetensors file cannot hold a tensor of this name.",
          at: .init(tensor: name)))
      return nil
    }
    if let kept = assignment.keptFrom {
      guard let source = models[kept].source(of: name) else {
        problems.add(
          TinctureError(
            .checkpoint, "A keep: rule takes the tensor from this model, which does not have it.",
            at: .init(model: models[kept].name, tensor: name)))
        return nil
      }
      return try copy(name, assignment, from: kept, source, vocabulary, "kept")
    }
    guard let lead = leading(assignment), let leadName = lead.name else { return nil }
    if donor.layout.isBuffer(name) {
      return try copy(name, assignment, from: lead.model, leadName, vocabulary, "a buffer")
    }
    guard let members = try present(assignment) else { return nil }
    guard let stored = models[lead.model].entry(leadName)?.tensor else { return nil }
    guard stored.dtype.isArithmetic else {
      noteDifferences(name, members)
      return try copy(
        name, assignment, from: lead.model, leadName, vocabulary,
        "\(stored.dtype.rawValue) elements are not averaged")
    }
    return try merge(assignment, members, stored.dtype, vocabulary)
  }

  /// The source that decides about type and order: the base, else the first that has the tensor.
  private func leading(_ assignment: TensorAssignment) -> TensorAssignment.Source? {
    assignment.sources.first { $0.model == assignment.base && $0.name != nil }
      ?? assignment.sources.first { $0.name != nil }
  }

  /// The sources that have the tensor; nil when it is left out.
  private mutating func present(_ assignment: TensorAssignment) throws(TinctureError)
    -> [TensorAssignment.Source]?
  {
    let lacking = assignment.sources.filter { $0.name == nil }
    guard !lacking.isEmpty else { return assignment.sources }
    let remaining = assignment.sources.filter { $0.name != nil }
    switch settings.missing {
    case .drop: return nil
    case .present:
      let needsBase = method.info.base == .required
      guard !needsBase || remaining.contains(where: { $0.model == assignment.base }) else {
        return nil
      }
      return remaining
    case .error:
      for source in lacking {
        problems.add(
          TinctureError(
            .checkpoint,
            "The model lacks the tensor. Take it from one model by a keep: rule, or choose"
              + " --missing present or --missing drop.",
            at: .init(model: models[source.model].name, tensor: assignment.name)))
      }
      return nil
    }
  }

  private mutating func merge(
    _ assignment: TensorAssignment, _ members: [TensorAssignment.Source], _ stored: DType,
    _ vocabulary: PlannedVocabulary?
  ) throws(TinctureError) -> StepDraft? {
    var readers: [(source: TensorAssignment.Source, reader: any TensorReader)] = []
    for source in members {
      guard let name = source.name, let reader = try models[source.model].reader(name) else {
        continue
      }
      readers.append((source, reader))
    }
    if let vocabulary, isVocabularyTensor(assignment.name) {
      readers = vocabulary.mapped(readers)
    } else {
      readers = aligned(readers, assignment.name)
    }
    guard let shape = readers.first?.reader.shape else { return nil }
    for (source, reader) in readers where reader.shape != shape {
      let other = readers[0]
      let advice =
        isVocabularyTensor(assignment.name)
        ? " The vocabularies differ: set tokenizer: {source: union} (or base)." : ""
      problems.add(
        TinctureError(
          .checkpoint,
          "The tensor has the shape \(reader.shape), but \(shape) in"
            + " \(models[other.source.model].name).\(advice)",
          at: .init(model: models[source.model].name, tensor: assignment.name)))
      return nil
    }
    for (source, reader) in readers where !reader.dtype.isArithmetic {
      problems.add(
        TinctureError(
          .checkpoint,
          "The elements are \(reader.dtype.rawValue), which cannot be merged; take the tensor from one model by"
            + " a keep: rule.",
          at: .init(model: models[source.model].name, tensor: assignment.name)))
      return nil
    }
    var draft = StepDraft(
      name: assignment.name, shape: shape,
      dtype: recipe.outputDtype?.value ?? recipe.dtype?.value ?? stored)
    draft.layer = assignment.layer
    draft.depth = assignment.stackDepth
    if let dtype = recipe.dtype?.value,
      readers.contains(where: { !$0.reader.dtype.isExactlyRepresentable(in: dtype) })
    {
      draft.inputRounding = dtype
    }
    let separatesBase = method.info.separatesBase
    let merged = readers.filter { !separatesBase || $0.source.model != assignment.base }
    if separatesBase {
      draft.base = readers.first { $0.source.model == assignment.base }?.reader
    }
    draft.models = merged.map(\.reader)
    draft.modelIndices = merged.map(\.source.model)
    guard checkMembers(assignment, merged.count, hasBase: draft.base != nil) else { return nil }
    guard let parameters = parameters(assignment, merged.map(\.source)) else { return nil }
    draft.parameters = parameters
    draft.statistics = statistics(merged, shape)
    return draft
  }

  private mutating func checkMembers(
    _ assignment: TensorAssignment, _ count: Int, hasBase: Bool
  ) -> Bool {
    let info = method.info
    let position = assignment.sources.first?.position ?? recipe.method.position
    if info.base == .required, !hasBase {
      problems.add(
        recipe.error(
          at: position,
          "\(info.name) needs the base among the sources of every slice; add it with its layer_range."
        ))
      return false
    }
    guard !info.modelCount.contains(count) else { return true }
    if settings.missing == .present, count < info.modelCount.lowerBound { return false }
    let wanted =
      info.modelCount.lowerBound == info.modelCount.upperBound
      ? "exactly \(info.modelCount.lowerBound)" : "at least \(info.modelCount.lowerBound)"
    problems.add(
      recipe.error(
        at: position,
        "\(info.name) merges \(wanted) model\(info.modelCount.lowerBound == 1 ? "" : "s")"
          + (info.base == .required ? " besides the base" : "")
          + ", but \(count) \(count == 1 ? "is" : "are") given."))
    return false
  }

  // Embeddings of different length, cut to the shortest where the user asked for it.
  private mutating func aligned(
    _ readers: [(source: TensorAssignment.Source, reader: any TensorReader)], _ name: String
  ) -> [(source: TensorAssignment.Source, reader: any TensorReader)] {
    guard settings.truncatesEmbeddings, isVocabularyTensor(name),
      let rows = readers.compactMap({ $0.reader.shape.extents.first }).min(),
      readers.contains(where: { $0.reader.shape.extents.first != rows })
    else { return readers }
    notes.append("\(name) is cut to \(rows) rows; tokens beyond are lost.")
    return readers.map { source, reader in
      (source, FirstRowsReader(reader, rows: rows) ?? reader)
    }
  }

  func isVocabularyTensor(_ name: String) -> Bool {
    donor.layout.isEmbedding(name) || donor.layout.isVocabularyBias(name)
  }

  private mutating func copy(
    _ name: String, _ assignment: TensorAssignment, from model: Int, _ source: String,
    _ vocabulary: PlannedVocabulary?, _ reason: String
  ) throws(TinctureError) -> StepDraft? {
    guard var reader = try models[model].reader(source) else { return nil }
    if let vocabulary, isVocabularyTensor(name) { reader = vocabulary.mapped(reader, model: model) }
    var dtype = reader.dtype
    if dtype.isArithmetic, dtype.bitWidth > 8, !donor.layout.isBuffer(name) {
      dtype = recipe.outputDtype?.value ?? recipe.dtype?.value ?? dtype
    }
    var draft = StepDraft(name: name, shape: reader.shape, dtype: dtype)
    draft.action = .copy(reader, reason: reason)
    draft.layer = assignment.layer
    return draft
  }

  // Small integer tensors are compared; the first model's are used.
  private mutating func noteDifferences(_ name: String, _ members: [TensorAssignment.Source]) {
    var contents: [UInt8]?
    for member in members {
      guard let source = member.name, let entry = models[member.model].entry(source),
        entry.tensor.byteCount <= 1 << 22, entry.tensor.strides == nil,
        let bytes = try? entry.file.bytes(
          at: entry.tensor.byteOffset, count: entry.tensor.byteCount)
      else { return }
      if let contents, contents != bytes {
        notes.append(
          "\(name) holds \(entry.tensor.dtype.rawValue) and differs in \(models[member.model].name);"
            + " it is copied, not averaged.")
        return
      }
      contents = contents ?? bytes
    }
  }
}
