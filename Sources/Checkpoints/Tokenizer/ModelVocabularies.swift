import TinctureJSON
import TinctureTensors

/// The vocabularies of the models of a merge, without tokens that have no row.
///
/// The base's vocabulary stands in for models without a tokenizer.
struct ModelVocabularies {
  /// The tokenizers as read, the base's for models that have none.
  let tokenizers: [Tokenizer]
  /// The rows of each model's embedding.
  let rowCounts: [Int]
  let names: [String]
  let baseIndex: Int
  private(set) var notes: [String] = []

  init(_ merge: TokenizerMerge) throws(TinctureError) {
    baseIndex = merge.base ?? 0
    let base = merge.models[baseIndex]
    guard let baseTokenizer = base.tokenizer else {
      throw TinctureError(
        .checkpoint,
        "The model has no tokenizer, but the merge starts from its vocabulary; add its "
          + "tokenizer.json or leave tokenizer_source out.", at: .init(model: base.name))
    }
    // A model without a tokenizer shares the base's as far as the base has rows for it.
    var strippedBase = baseTokenizer
    if let rows = base.embeddingRows { _ = strippedBase.removeTokens(from: rows) }
    names = merge.models.map(\.name)
    tokenizers = merge.models.map { $0.tokenizer ?? strippedBase }
    rowCounts = zip(merge.models, tokenizers).map { model, tokenizer in
      model.embeddingRows ?? tokenizer.vocabulary.idLimit
    }
    for (index, model) in merge.models.enumerated() {
      guard let tokenizer = model.tokenizer else {
        notes.append(
          "\(model.name): there is no tokenizer; it is taken to be that of \(base.name).")
        continue
      }
      notes += tokenizer.notes.map { "\(model.name): \($0)" }
      let entries = tokenizer.vocabulary.entries
      let limit = rowCounts[index]
      let excess = entries[(entries.firstIndex { $0.id >= limit } ?? entries.count)...]
      if !excess.isEmpty {
        notes.append(
          "\(model.name): tokens with ids beyond the \(limit) rows of the embedding are left out: "
            + "\(excess.map(\.token).summary).")
      }
    }
  }

  func vocabulary(of model: Int) -> Vocabulary { tokenizers[model].vocabulary }

  /// The row of a token in a model's embedding, or nil when it has none.
  func row(of token: ExactString, in model: Int) -> Int? {
    tokenizers[model].vocabulary[token].flatMap { $0 < rowCounts[model] ? $0 : nil }
  }

  /// The tokenizer of the output, with the tokens that the rules add.
  mutating func output(for merge: TokenizerMerge) throws(TinctureError) -> TokenizerEdit {
    var edit: TokenizerEdit
    switch merge.source {
    case .base: edit = self.edit(of: baseIndex)
    case .model(let index):
      guard merge.models[index].tokenizer != nil else {
        throw TinctureError(
          .checkpoint,
          "The recipe takes the tokenizer of this model, but it has none; add its tokenizer.json.",
          at: .init(model: names[index]))
      }
      edit = self.edit(of: index)
    case .union:
      edit = self.edit(of: baseIndex)
      unite(into: &edit)
    }
    for rule in merge.rules where edit.vocabulary[ExactString(rule.token)] == nil {
      edit.append(AddedToken(rule.token))
    }
    noteAbsentTokens(edit.vocabulary)
    return edit
  }

  /// Says which models have tokens that the output does not have.
  private mutating func noteAbsentTokens(_ output: Vocabulary) {
    for (index, tokenizer) in tokenizers.enumerated() {
      let absent = tokenizer.vocabulary.entries.prefix { $0.id < rowCounts[index] }
        .filter { output[$0.token] == nil }
      guard !absent.isEmpty else { continue }
      notes.append(
        "\(names[index]): tokens that the output vocabulary does not have are dropped: "
          + "\(absent.map(\.token).summary).")
    }
  }

  private func edit(of model: Int) -> TokenizerEdit {
    TokenizerEdit(of: tokenizers[model], rows: rowCounts[model], model: names[model])
  }

  /// Appends what the other models have: trained tokens first, then added ones, each in the order
  /// of the models and of their ids.
  private mutating func unite(into edit: inout TokenizerEdit) {
    let order = [baseIndex] + tokenizers.indices.filter { $0 != baseIndex }
    var added: [AddedToken] = []
    var positions: [ExactString: Int] = [:]
    var differing: [ExactString] = []
    var reported: Set<ExactString> = []
    for model in order {
      for token in tokenizers[model].addedTokens where row(of: token.token, in: model) != nil {
        if let position = positions[token.token] {
          if added[position] != token, reported.insert(token.token).inserted {
            differing.append(token.token)
          }
        } else {
          positions[token.token] = added.count
          added.append(token)
        }
      }
    }
    var trained: [ExactString] = []
    for model in order.dropFirst() {
      for entry in tokenizers[model].vocabulary.entries {
        guard entry.id < rowCounts[model] else { break }
        if positions[entry.token] == nil, edit.vocabulary[entry.token] == nil {
          edit.append(AddedToken(entry.token.text))
          trained.append(entry.token)
        }
      }
    }
    for token in added { edit.append(token) }
    if !differing.isEmpty {
      notes.append(
        "Added tokens with different settings in different models keep those of the first: "
          + "\(differing.summary).")
    }
    if !trained.isEmpty {
      notes.append(
        "Tokens from the trained vocabularies of other models are appended as added tokens, found "
          + "in the text as they are spelled: \(trained.summary).")
    }
  }
}
