import TinctureJSON
public import TinctureTensors

/// A merge of tokenizers: which vocabulary the output gets, and where its rows come from.
///
/// Models of one merge may have different vocabularies. `plan()` chooses the vocabulary of the
/// output, writes its tokenizer, and says for every model how its embedding is brought to that
/// vocabulary. Row for row, the decision is: the model's own row when it has the token and no rule
/// forces another; else what the rule for the token says; else zeros when no model has the token, the
/// only model's row when one has it, the base's row when the base has it, and the mean of the rows of
/// all models that have it otherwise.
public struct TokenizerMerge: Sendable {
  /// A model of the merge.
  public struct Model: Sendable {
    /// The name that messages use.
    public var name: String
    /// The tokenizer, or nil for the same one as the base's.
    public var tokenizer: Tokenizer?
    /// The number of rows of the embedding, which a configuration calls `vocab_size`.
    ///
    /// Nil stands for one row for each id of the tokenizer. Tokens with ids from this number on do
    /// not exist for the merge.
    public var embeddingRows: Int?

    /// Describes a model.
    public init(name: String, tokenizer: Tokenizer?, embeddingRows: Int?) {
      self.name = name
      self.tokenizer = tokenizer
      self.embeddingRows = embeddingRows
    }
  }

  /// The vocabulary of the output.
  public enum Source: Sendable, Hashable {
    /// The base's vocabulary, and after it the tokens that only other models have.
    case union
    /// The base's vocabulary.
    case base
    /// The vocabulary of the model with this index.
    case model(Int)
  }

  /// What a recipe says about a token.
  public struct Rule: Sendable, Hashable {
    /// Where the row of a token comes from.
    public enum Origin: Sendable, Hashable {
      /// Zeros.
      case zero
      /// The row of the same token in the model with this index.
      case model(Int)
      /// The row of another token in the model with this index.
      case modelToken(Int, token: String)
      /// A row in the model with this index, by its number.
      case modelRow(Int, row: Int)
    }

    /// The token; the output gets it when the chosen vocabulary does not have it.
    public var token: String
    /// Where its row comes from; nil decides as without a rule.
    public var origin: Origin?
    /// Whether models that have the token take the row from `origin`, too.
    public var isForced: Bool

    /// Creates a rule for a token.
    public init(token: String, origin: Origin?, isForced: Bool = false) {
      self.token = token
      self.origin = origin
      self.isForced = isForced
    }
  }

  /// The models in the order of the recipe, the base among them.
  public var models: [Model]
  /// The index of the base model; nil takes the first model's tokenizer as the base vocabulary but
  /// prefers no model's rows.
  public var base: Int?
  /// The vocabulary of the output.
  public var source: Source
  /// The rules for single tokens, at most one for each.
  public var rules: [Rule]
  /// The number of which the output's row count is made a multiple.
  public var rowMultiple: Int?
  /// The chat template of the output; nil keeps the one of the chosen tokenizer.
  public var chatTemplate: ChatTemplate?

  /// Describes a merge of tokenizers.
  ///
  /// - Parameters:
  ///   - models: The models in the order of the recipe, the base among them.
  ///   - base: The index of the base model, when there is one.
  ///   - source: The vocabulary of the output.
  ///   - rules: The rules for single tokens.
  ///   - rowMultiple: The recipe's `pad_to_multiple_of`.
  ///   - chatTemplate: The chat template of the output, when the recipe asks for one.
  public init(
    models: [Model], base: Int?, source: Source, rules: [Rule] = [], rowMultiple: Int? = nil,
    chatTemplate: ChatTemplate? = nil
  ) {
    self.models = models
    self.base = base
    self.source = source
    self.rules = rules
    self.rowMultiple = rowMultiple
    self.chatTemplate = chatTemplate
  }
}

/// The outcome of a merge of tokenizers.
public struct MergedTokenizer: Sendable {
  /// The files to write beside the model.
  public let files: [TokenizerFile]
  /// The vocabulary of the output.
  public let vocabulary: Vocabulary
  /// The rows of the output's embedding, padding included: its `vocab_size`.
  public let rowCount: Int
  /// For each model, in order, how its embedding is brought to the output's vocabulary.
  public let rowMaps: [RowMap]
  /// What the user should know, a sentence each.
  public let notes: [String]
}

extension TokenizerMerge {
  /// Decides the vocabulary, the files and the rows.
  ///
  /// - Throws: `recipe` when a rule, the padding or the base is wrong; `checkpoint` when a tokenizer
  ///   is missing or cannot be changed as needed; `missingInput` or `io` when reading it fails.
  /// - Complexity: O(models × tokens).
  public func plan() throws(TinctureError) -> MergedTokenizer {
    try validate()
    var vocabularies = try ModelVocabularies(self)
    let output = try vocabularies.output(for: self)
    let rowCount = try paddedRowCount(output.vocabulary.idLimit)
    var rows = try RowAssignment(
      merge: self, models: vocabularies, output: output.vocabulary, rowCount: rowCount)
    try rows.applyRules()
    let maps = rows.maps()
    let files = try output.files(chatTemplate: chatTemplate)
    return MergedTokenizer(
      files: files.files, vocabulary: output.vocabulary, rowCount: rowCount, rowMaps: maps,
      notes: vocabularies.notes + rows.notes + paddingNotes(vocabularies, rowCount) + files.notes)
  }

  private func validate() throws(TinctureError) {
    func check(_ index: Int, _ role: String) throws(TinctureError) {
      guard models.indices.contains(index) else {
        throw TinctureError(
          .recipe, "\(role) is model \(index), but the merge has \(models.count) models.")
      }
    }
    try check(base ?? 0, "The base")
    if case .model(let index) = source { try check(index, "The source of the tokenizer") }
    for model in models {
      guard let rows = model.embeddingRows else { continue }
      guard rows > 0, rows <= Vocabulary.largestID else {
        throw TinctureError(
          .checkpoint,
          "The embedding is said to have \(rows) rows; \"vocab_size\" is a number from 1 to "
            + "\(Vocabulary.largestID).", at: .init(model: model.name))
      }
    }
    var seen: Set<ExactString> = []
    for rule in rules {
      guard !rule.token.isEmpty else {
        throw TinctureError(.recipe, "A rule for tokens names an empty token; give it a text.")
      }
      guard seen.insert(ExactString(rule.token)).inserted else {
        throw TinctureError(
          .recipe, "The token \(ExactString(rule.token).quoted) has two rules; keep one.")
      }
      switch rule.origin {
      case .model(let index), .modelToken(let index, _), .modelRow(let index, _):
        try check(index, "The origin of the token \(ExactString(rule.token).quoted)")
      case .zero, nil: break
      }
    }
  }

  private func paddedRowCount(_ count: Int) throws(TinctureError) -> Int {
    guard let multiple = rowMultiple else { return count }
    guard multiple > 0, multiple <= Vocabulary.largestID else {
      throw TinctureError(
        .recipe,
        "pad_to_multiple_of is \(multiple); it must be a number from 1 to "
          + "\(Vocabulary.largestID).")
    }
    return (count + multiple - 1) / multiple * multiple
  }

  /// Says which models lose rows that belong to no token.
  private func paddingNotes(_ vocabularies: ModelVocabularies, _ rowCount: Int) -> [String] {
    models.indices.compactMap { index in
      guard let rows = models[index].embeddingRows else { return nil }
      let padding = rows - max(vocabularies.vocabulary(of: index).idLimit, rowCount)
      guard padding > 0 else { return nil }
      return "\(models[index].name): rows of padding, which belong to no token, are left out: "
        + "\(padding) of \(rows). The output has \(rowCount) rows."
    }
  }
}
