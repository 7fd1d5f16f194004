public import SystemPackage
import TinctureCheckpoints
import TinctureJSON
public import TinctureTensors

extension BytePairTokenizer {
  /// Reads the tokenizer of a model from `tokenizer.json`, or from `vocab.json` and `merges.txt` with
  /// `tokenizer_config.json`.
  ///
  /// - Parameters:
  ///   - directory: The directory of the model.
  ///   - lengthLimit: How many tokens a text may have; nil takes `model_max_length` where it is set.
  /// - Throws: `missingInput` when there is no vocabulary, `checkpoint` when it is malformed or belongs to
  ///   a tokenizer of another kind.
  public init(reading directory: FilePath, lengthLimit: Int? = nil) throws(TinctureError) {
    guard let tokenizer = try Tokenizer.read(directory: directory) else {
      throw TinctureError(
        .missingInput, "The directory holds no tokenizer: no tokenizer.json and no vocab.json.",
        at: .init(file: directory.string))
    }
    let document = try TokenizerFile.readObject("tokenizer.json", in: directory)
    let text = try TokenizerFile.readText("merges.txt", in: directory)
    do throws(TinctureError) {
      switch tokenizer.format {
      case .document(model: "BPE"):
        let settings = try ConfigurationReader(.object(document ?? JSONObject()))
        try self.init(tokenizer, BytePairSettings(document: settings))
      case .bytePairs:
        guard let text else {
          throw TinctureError(.missingInput, "There is no merges.txt beside vocab.json.")
        }
        try self.init(tokenizer, BytePairSettings(tokenizer, merges: text))
      default:
        throw TinctureError(
          .checkpoint, "The tokenizer is none of byte pairs; its vocabulary is \(tokenizer.format)."
        )
      }
    } catch {
      throw error.located(file: directory.string)
    }
    if let lengthLimit { self.lengthLimit = lengthLimit }
  }

  private init(_ tokenizer: Tokenizer, _ settings: BytePairSettings) throws(TinctureError) {
    vocabulary = tokenizer.vocabulary
    let roles = TokenRoles(tokenizer)
    let spelling = settings.spelling
    (self.spelling, pattern, addsSpace) = (spelling, settings.pattern, settings.addsSpace)
    (endOfWord, takesWholeWords) = (settings.endOfWord, settings.takesWholeWords)
    markers = settings.markers
    unknownID = settings.unknown.flatMap { [vocabulary] in vocabulary.id(of: $0) }
    // Without a token for padding any will do, because masks hide it.
    paddingID = roles.token("pad_token") == nil ? 0 : try roles.id("pad_token", or: "")
    lengthLimit = roles.lengthLimit
    var merges: [Pair: Merge] = [:]
    merges.reserveCapacity(settings.merges.count)
    for (rank, (first, second)) in settings.merges.enumerated() {
      guard let a = vocabulary.id(of: first), let b = vocabulary.id(of: second),
        let token = vocabulary.id(of: first + second)
      else {
        throw TinctureError(
          .checkpoint,
          "Merge \(rank) makes \(first + second) of \(first) and \(second), of which the vocabulary lacks one."
        )
      }
      merges[Pair(first: Int32(a), second: Int32(b))] = Merge(
        rank: Int32(rank), token: Int32(token))
    }
    self.merges = merges
    var added: [(AddedToken, Int)] = []
    for token in tokenizer.addedTokens {
      if let id = vocabulary.id(of: token.content) { added.append((token, id)) }
    }
    rawSplitter = AddedTokenSplitter(added)
    normalizedSplitter = AddedTokenSplitter(added, normalize: { spelling($0) })
  }
}
