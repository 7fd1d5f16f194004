import TinctureJSON
import TinctureTensors

/// A tokenizer with tokens taken away from its end, and added tokens after it.
struct TokenizerEdit {
  let original: Tokenizer
  /// The model that the tokenizer comes from, for messages.
  let model: String
  /// The number of rows below which tokens were kept.
  let rows: Int
  let removed: [ExactString]
  private(set) var vocabulary: Vocabulary
  private(set) var appended: [AddedToken] = []
  private(set) var addedTokens: [AddedToken]
  private var isAdded: Set<ExactString>
  private var hasNewSettings = false

  /// Keeps the tokens that have a row in an embedding of `rows` rows.
  init(of tokenizer: Tokenizer, rows: Int, model: String) {
    original = tokenizer
    self.model = model
    self.rows = rows
    var kept = tokenizer
    removed = kept.removeTokens(from: rows)
    vocabulary = kept.vocabulary
    addedTokens = kept.addedTokens
    isAdded = Set(kept.addedTokens.lazy.map(\.token))
  }

  /// Appends a token.
  ///
  /// A trained token of the same text becomes an added one and keeps its id; an
  /// added token of the same text stays as it is.
  mutating func append(_ token: AddedToken) {
    guard !token.content.isEmpty, isAdded.insert(token.token).inserted else { return }
    if vocabulary[token.token] == nil {
      vocabulary.append(token.token)
      appended.append(token)
    } else {
      hasNewSettings = true
    }
    addedTokens.append(token)
  }

  /// Whether the files must differ from those that were read.
  var isChanged: Bool { !removed.isEmpty || !appended.isEmpty || hasNewSettings }

  /// Whether a token that was taken away stands in the trained vocabulary.
  var cutsTrained: Bool {
    !removed.isEmpty && rows < original.trainedIDLimit
  }

  /// The tokens that were taken away and did not come back from another model.
  var missing: Set<ExactString> { Set(removed.lazy.filter { vocabulary[$0] == nil }) }

  /// The added tokens and their ids, in order of the ids.
  var placedTokens: [(id: Int, token: AddedToken)] {
    addedTokens.compactMap { token in vocabulary[token.token].map { ($0, token) } }
      .sorted { $0.id < $1.id }
  }
}
