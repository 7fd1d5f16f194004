public import SystemPackage
public import TinctureJSON
public import TinctureTensors

/// The tokenizer of a model, as far as a merge needs it: its vocabulary and its files.
///
/// A `Tokenizer` never segments text. It knows which token has which row in the embedding, which
/// tokens were added to the trained vocabulary and with which settings, and it can be written again.
public struct Tokenizer: Sendable {
  /// The file that holds the trained vocabulary, and with it how the tokenizer can be changed.
  public enum Format: Sendable, Hashable {
    /// `tokenizer.json` with the name of its model: `BPE`, `WordPiece`, `Unigram` or `WordLevel`.
    case document(model: String)
    /// `vocab.json` with `merges.txt`.
    case bytePairs
    /// `vocab.txt`, a token on each line.
    case wordPieces
    /// A SentencePiece model, by the name of its file.
    case sentencePiece(fileName: String)
  }

  /// The directory from which the tokenizer was read.
  public let directory: FilePath
  /// How the trained vocabulary is stored.
  public let format: Format
  /// All tokens, the added ones included, with the ids that they get when the files are loaded.
  public internal(set) var vocabulary: Vocabulary
  /// The added tokens in ascending order of their ids.
  public internal(set) var addedTokens: [AddedToken]
  /// `tokenizer_config.json`, when there is one.
  public let configuration: JSONObject?
  /// `special_tokens_map.json`, when there is one.
  public let specialTokensMap: JSONObject?
  /// The chat template, when the model has one: from `chat_template.jinja`, else
  /// `tokenizer_config.json`, else `chat_template.json`.
  public let chatTemplate: String?
  /// What is odd about the files, a sentence each.
  public let notes: [String]
  /// The names of the files of the tokenizer that the directory holds, in the order of writing.
  let fileNames: [String]
  /// One more than the largest id of the trained vocabulary.
  let trainedIDLimit: Int

  /// The files of the tokenizer as they are, or with another chat template.
  ///
  /// A template goes to `tokenizer_config.json`, and to `chat_template.jinja` and
  /// `chat_template.json` where the model has these.
  ///
  /// - Parameter chatTemplate: The template to put in; nil leaves all files byte for byte.
  /// - Returns: The files, in a fixed order.
  /// - Throws: `missingInput` or `io` when a file cannot be read again.
  /// - Complexity: O(n) in the size of the files.
  public func files(chatTemplate: ChatTemplate? = nil) throws(TinctureError) -> [TokenizerFile] {
    let whole = TokenizerEdit(of: self, rows: vocabulary.idLimit, model: directory.string)
    return try whole.files(chatTemplate: chatTemplate).files
  }

  /// Takes away the tokens that have no row in an embedding of `rows` rows, in order of their ids.
  mutating func removeTokens(from rows: Int) -> [ExactString] {
    guard vocabulary.idLimit > rows else { return [] }
    let removed = vocabulary.removeTokens(from: rows)
    addedTokens.removeAll { vocabulary[$0.token] == nil }
    return removed
  }
}
