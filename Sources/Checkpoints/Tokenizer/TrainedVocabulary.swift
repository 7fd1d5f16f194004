import TinctureJSON
import TinctureTensors

/// The contents of the file that holds a tokenizer's vocabulary: tokens with ids, and the tokens
/// that were added to them with the ids that the file claims.
struct TrainedVocabulary {
  private(set) var entries: ContiguousArray<Vocabulary.Entry> = []
  private(set) var added: [(token: AddedToken, id: Int)] = []

  /// Reads `vocab.json`, which maps tokens to ids.
  init(ids object: JSONObject) throws(TinctureError) {
    entries.reserveCapacity(object.count)
    for (token, value) in object.members {
      entries.append(.init(ExactString(token), id: try Vocabulary.id(value, of: token)))
    }
  }

  /// Reads `vocab.txt`, where the number of a line is the id; of equal lines the last one counts.
  init(lines text: String) {
    var lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isLineEnd)
    if lines.last?.isEmpty == true { lines.removeLast() }
    var last: [ExactString: Int] = [:]
    for (id, line) in lines.enumerated() { last[ExactString(String(line))] = id }
    for (id, line) in lines.enumerated() {
      let token = ExactString(String(line))
      if last[token] == id { entries.append(.init(token, id: id)) }
    }
  }

  /// Takes pieces whose positions are their ids.
  init(pieces: [String]) {
    for (id, piece) in pieces.enumerated() { entries.append(.init(ExactString(piece), id: id)) }
  }

  /// Reads `tokenizer.json`.
  init(document: JSONObject, model name: String) throws(TinctureError) {
    guard let vocabulary = document["model"]?["vocab"] else {
      throw TinctureError(
        .checkpoint, "The \(name) model has no \"vocab\"; the file is no complete tokenizer.")
    }
    switch (name, vocabulary) {
    case ("Unigram", .array(let items)):
      entries.reserveCapacity(items.count)
      for (id, item) in items.enumerated() {
        guard let pair = item.arrayValue, pair.count == 2, let piece = pair[0].stringValue,
          pair[1].doubleValue != nil
        else {
          throw TinctureError(
            .checkpoint, "Entry \(id) of \"vocab\" must be a token and its score.")
        }
        entries.append(.init(ExactString(piece), id: id))
      }
    case ("BPE", .object(let ids)), ("WordPiece", .object(let ids)),
      ("WordLevel", .object(let ids)):
      entries = try TrainedVocabulary(ids: ids).entries
    default:
      throw TinctureError(
        .checkpoint,
        "The \"vocab\" of a \(name) model must be "
          + (name == "Unigram" ? "a list of tokens with scores." : "an object of tokens and ids."))
    }
    try readAddedTokens(document["added_tokens"])
  }

  private mutating func readAddedTokens(_ value: JSONValue?) throws(TinctureError) {
    guard let value, value != .null else { return }
    guard let items = value.arrayValue else {
      throw TinctureError(.checkpoint, "\"added_tokens\" must be a list.")
    }
    var owners: [Int: ExactString] = [:]
    for item in items {
      let token = try AddedToken(item)
      let id = try Vocabulary.id(item["id"], of: token.content)
      if let owner = owners.updateValue(token.token, forKey: id), owner != token.token {
        throw TinctureError(
          .checkpoint,
          "The added tokens \(owner.quoted) and \(token.token.quoted) share the id \(id).")
      }
      added.append((token, id))
    }
  }

  /// The kind of model in `tokenizer.json`, told from its parts where old files do not name it.
  static func modelName(of document: JSONObject) throws(TinctureError) -> String {
    guard let model = document["model"]?.objectValue else {
      throw TinctureError(
        .checkpoint, "There is no \"model\" in the file; it is no complete tokenizer.")
    }
    if let type = model["type"], type != .null {
      guard let name = type.stringValue,
        ["BPE", "WordPiece", "Unigram", "WordLevel"].contains(name)
      else {
        throw TinctureError(
          .checkpoint,
          "The tokenizer's model is \(type.text(indentation: nil).shortened); known are BPE, "
            + "WordPiece, Unigram and WordLevel.")
      }
      return name
    }
    if model["vocab"]?.arrayValue != nil { return "Unigram" }
    if model["merges"] != nil { return "BPE" }
    return model["max_input_chars_per_word"] != nil ? "WordPiece" : "WordLevel"
  }
}
