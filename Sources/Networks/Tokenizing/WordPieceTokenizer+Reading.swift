public import SystemPackage
import TinctureCheckpoints
import TinctureJSON
public import TinctureTensors

extension WordPieceTokenizer {
  /// Reads the tokenizer of a model from `tokenizer.json`, or from `vocab.txt` with
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
        .missingInput, "The directory holds no tokenizer: no tokenizer.json and no vocab.txt.",
        at: .init(file: directory.string))
    }
    do throws(TinctureError) {
      let document = try TokenizerFile.readObject("tokenizer.json", in: directory)
      try self.init(tokenizer, document: document.map { .object($0) })
    } catch {
      throw error.located(file: directory.string)
    }
    if let lengthLimit { self.lengthLimit = lengthLimit }
  }

  private init(_ tokenizer: Tokenizer, document: JSONValue?) throws(TinctureError) {
    guard tokenizer.format == .wordPieces || tokenizer.format == .document(model: "WordPiece")
    else {
      throw TinctureError(
        .checkpoint, "The tokenizer is none of word pieces; its vocabulary is \(tokenizer.format).")
    }
    let settings = try ConfigurationReader(.object(tokenizer.configuration ?? JSONObject()))
    let model = try document.map { (document) throws(TinctureError) in
      try ConfigurationReader(document).section("model")
    }
    vocabulary = tokenizer.vocabulary
    let roles = TokenRoles(tokenizer)
    unknownID = try roles.id("unk_token", or: "[UNK]")
    beginID = try roles.id("cls_token", or: "[CLS]")
    separatorID = try roles.id("sep_token", or: "[SEP]")
    paddingID = try roles.id("pad_token", or: "[PAD]")
    continuation = try model??.text("continuing_subword_prefix", or: "##") ?? "##"
    longestWord = try model??.count("max_input_chars_per_word", or: 100) ?? 100
    lengthLimit = roles.lengthLimit
    var basic = BasicTokenizer()
    if let document {
      basic = try BasicTokenizer(document: ConfigurationReader(document))
    } else {
      basic.lowercases = try settings.flag("do_lower_case", or: true)
      basic.separatesIdeographs = try settings.flag("tokenize_chinese_chars", or: true)
      if settings.value("strip_accents") != nil {
        basic.stripsAccents = try settings.flag("strip_accents")
      }
      try settings.expect("do_basic_tokenize", .bool(true))
    }
    self.basic = basic
    var added: [(AddedToken, Int)] = []
    for token in tokenizer.addedTokens {
      if let id = vocabulary.id(of: token.content) { added.append((token, id)) }
    }
    rawSplitter = AddedTokenSplitter(added)
    normalizedSplitter = AddedTokenSplitter(added, normalize: { [basic] in basic.normalized($0) })
  }
}

extension BasicTokenizer {
  /// Reads `normalizer` and `pre_tokenizer` of `tokenizer.json`.
  fileprivate init(document: ConfigurationReader) throws(TinctureError) {
    self.init()
    guard let normalizer = try document.section("normalizer"),
      let splitter = try document.section("pre_tokenizer")
    else {
      throw TinctureError(
        .checkpoint, "tokenizer.json has no normalizer or no pre_tokenizer; BERT's has both.")
    }
    guard try normalizer.text("type") == "BertNormalizer" else {
      throw normalizer.refusal("type", "is supported only as BertNormalizer")
    }
    guard try splitter.text("type") == "BertPreTokenizer" else {
      throw splitter.refusal("type", "is supported only as BertPreTokenizer")
    }
    cleans = try normalizer.flag("clean_text", or: true)
    separatesIdeographs = try normalizer.flag("handle_chinese_chars", or: true)
    lowercases = try normalizer.flag("lowercase", or: true)
    if normalizer.value("strip_accents") != nil {
      stripsAccents = try normalizer.flag("strip_accents")
    }
  }
}
