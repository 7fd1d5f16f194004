internal import TinctureSafetensors
internal import TinctureCheckpoints
internal import TinctureTensors

/// The merged tokenizer and how each model's rows fit it.
struct PlannedVocabulary {
  let merged: MergedTokenizer
  /// The map of each opened model; nil for models without a part in the vocabulary.
  let maps: [Int: RowMap]
  /// The opened models in the numbering of the maps.
  let order: [Int]

  /// Brings the rows of all models into the order of the merged vocabulary.
  func mapped(_ readers: [(source: TensorAssignment.Source, reader: any TensorReader)])
    -> [(source: TensorAssignment.Source, reader: any TensorReader)]
  {
    let donors = order.map { model in readers.first { $0.source.model == model }?.reader }
    return readers.map { source, reader in
      (source, mapped(reader, model: source.model, donors: donors))
    }
  }

  /// Brings the rows of one model into the order of the merged vocabulary, without help of others.
  func mapped(_ reader: any TensorReader, model: Int) -> any TensorReader {
    mapped(reader, model: model, donors: order.map { $0 == model ? reader : nil })
  }

  private func mapped(
    _ reader: any TensorReader, model: Int, donors: [(any TensorReader)?]
  ) -> any TensorReader {
    guard let map = maps[model] else { return reader }
    if map.isIdentity(rows: reader.shape.extents.first ?? 0) { return reader }
    return RowMappedReader(reader, map: map, donors: donors) ?? reader
  }
}

extension Planner {
  /// Merges the tokenizers, where the recipe asks for it.
  mutating func mergedVocabulary() throws(TinctureError) -> PlannedVocabulary? {
    guard let wanted = recipe.tokenizer else { return nil }
    var order: [Int] = []
    var inputs: [TokenizerMerge.Model] = []
    for reference in recipe.referencedModels {
      guard let position = positions[reference] else { continue }
      let model = models[position]
      order.append(position)
      let tokenizer =
        try model.checkpoint.directory.map { (directory) throws(TinctureError) in
          try Tokenizer.read(directory: directory)
        } ?? nil
      inputs.append(
        .init(name: model.name, tokenizer: tokenizer, embeddingRows: embeddingRows(of: model)))
    }
    func index(_ reference: ModelReference, _ position: SourcePosition) throws(TinctureError) -> Int
    {
      guard let model = positions[reference], let index = order.firstIndex(of: model) else {
        throw recipe.error(at: position, "The model \(reference) is no part of the merge.")
      }
      return index
    }
    let source: TokenizerMerge.Source
    switch wanted.source {
    case .union: source = .union
    case .base: source = .base
    case .model(let reference): source = .model(try index(reference, wanted.position))
    }
    var rules: [TokenizerMerge.Rule] = []
    for rule in wanted.rules {
      let origin: TokenizerMerge.Rule.Origin?
      switch rule.source {
      case nil: origin = nil
      case .zero: origin = .zero
      case .model(let model): origin = .model(try index(model, rule.position))
      case .token(let token, let model):
        origin = .modelToken(try index(model, rule.position), token: token)
      case .tokenID(let row, let model):
        origin = .modelRow(try index(model, rule.position), row: row)
      }
      rules.append(.init(token: rule.token, origin: origin, isForced: rule.isForced))
    }
    let base = try recipe.base.map { (base) throws(TinctureError) in
      try index(base.reference, base.position)
    }
    let merge = TokenizerMerge(
      models: inputs, base: base, source: source, rules: rules,
      rowMultiple: wanted.padToMultipleOf,
      chatTemplate: try recipe.chatTemplate.map { (template) throws(TinctureError) in
        try ChatTemplate.resolve(template.value, among: inputs.map(\.tokenizer))
      } ?? nil)
    let merged = try merge.plan()
    notes += merged.notes
    return PlannedVocabulary(
      merged: merged, maps: Dictionary(uniqueKeysWithValues: zip(order, merged.rowMaps)),
      order: order)
  }

  /// The number of rows of a model's token embedding.
  private func embeddingRows(of model: ModelInput) -> Int? {
    let name = model.checkpoint.names.first { model.layout.isEmbedding($0) }
    return name.flatMap { model.entry($0)?.tensor.shape.extents.first }
      ?? model.configuration?.vocabularySize
  }
}
