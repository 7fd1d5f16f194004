import TinctureJSON
import TinctureTensors

/// A token that a tokenizer finds in the text before it segments the rest.
///
/// Special tokens and tokens that were added after training are of this kind.
public struct AddedToken: Sendable, Hashable {
  /// The text of the token.
  public var content: String
  /// Whether decoding may leave the token out, as it does with markers of begin and end.
  public var isSpecial: Bool
  /// Whether the token is found only as a whole word.
  public var matchesWholeWord: Bool
  /// Whether the token swallows white space to its left.
  public var stripsLeft: Bool
  /// Whether the token swallows white space to its right.
  public var stripsRight: Bool
  /// Whether the token is looked for in normalised text.
  public var matchesNormalized: Bool

  /// Creates an added token; without `matchesNormalized`, all but special tokens match normalised
  /// text, as in the tokenizers library.
  public init(
    _ content: String, isSpecial: Bool = false, matchesWholeWord: Bool = false,
    stripsLeft: Bool = false, stripsRight: Bool = false, matchesNormalized: Bool? = nil
  ) {
    self.content = content
    self.isSpecial = isSpecial
    self.matchesWholeWord = matchesWholeWord
    self.stripsLeft = stripsLeft
    self.stripsRight = stripsRight
    self.matchesNormalized = matchesNormalized ?? !isSpecial
  }

  /// The text as a key.
  var token: ExactString { ExactString(content) }

  /// Reads an entry of `added_tokens`, of `added_tokens_decoder` or of the special tokens.
  ///
  /// A plain text stands for a token without settings.
  ///
  /// - Throws: `checkpoint` when the text is missing or a setting is no truth value.
  init(_ value: JSONValue, isSpecial: Bool = false) throws(TinctureError) {
    if let content = value.stringValue {
      self.init(content, isSpecial: isSpecial)
      return
    }
    guard let content = value["content"]?.stringValue else {
      throw TinctureError(
        .checkpoint, "An added token has no text under \"content\"; the file is damaged.")
    }
    func setting(_ key: String) throws(TinctureError) -> Bool? {
      guard let found = value[key], found != .null else { return nil }
      guard let setting = found.boolValue else {
        throw TinctureError(
          .checkpoint,
          "\"\(key)\" of the added token \(ExactString(content).quoted) must be true or false.")
      }
      return setting
    }
    self.init(
      content, isSpecial: try setting("special") ?? isSpecial,
      matchesWholeWord: try setting("single_word") ?? false,
      stripsLeft: try setting("lstrip") ?? false, stripsRight: try setting("rstrip") ?? false,
      matchesNormalized: try setting("normalized"))
  }

  /// The entry of `added_tokens` in `tokenizer.json`.
  func entry(id: Int) -> JSONValue {
    .object(JSONObject([("id", .integer(id)), ("content", .string(content))] + settings))
  }

  /// The entry of `added_tokens_decoder` in `tokenizer_config.json`.
  var decoderEntry: JSONValue {
    .object(JSONObject([("content", .string(content))] + settings))
  }

  private var settings: [(String, JSONValue)] {
    [
      ("single_word", .bool(matchesWholeWord)), ("lstrip", .bool(stripsLeft)),
      ("rstrip", .bool(stripsRight)), ("normalized", .bool(matchesNormalized)),
      ("special", .bool(isSpecial)),
    ]
  }
}
