import SystemPackage
import TinctureJSON
import TinctureTensors

/// Gives added tokens their ids, by the rule of the programs that load tokenizers.
///
/// A token of the trained vocabulary keeps its id. Any other gets the id after the largest added
/// token's, or the size of the trained vocabulary when that is more. An id that a file claims does
/// not matter to loaders; where it differs, there is a note.
struct AddedTokenPlacement {
  private var vocabulary: Vocabulary
  private let trainedCount: Int
  let trainedIDLimit: Int
  private let trainedHasGaps: Bool
  /// Tokens with ids that may lie in the gaps of the trained vocabulary.
  private var late: ContiguousArray<Vocabulary.Entry> = []
  private var lateIDs: [ExactString: Int] = [:]
  private var added: [AddedToken] = []
  private var positions: [ExactString: Int] = [:]
  private var nextAddedID = 0
  private(set) var notes: [String] = []

  init(after vocabulary: Vocabulary) {
    self.vocabulary = vocabulary
    trainedCount = vocabulary.count
    trainedIDLimit = vocabulary.idLimit
    trainedHasGaps = vocabulary.hasGaps
  }

  private func id(of token: ExactString) -> Int? { vocabulary[token] ?? lateIDs[token] }

  /// Adds a token, or gives one that is there its settings; returns its id.
  private mutating func place(_ token: AddedToken) -> Int? {
    let key = token.token
    guard !token.content.isEmpty else { return nil }
    let id: Int
    if let known = self.id(of: key) {
      id = known
    } else {
      id = max(trainedCount, nextAddedID)
      if trainedHasGaps {
        late.append(.init(key, id: id))
        lateIDs[key] = id
      } else {
        vocabulary.append(key)
      }
    }
    nextAddedID = max(nextAddedID, id + 1)
    if let position = positions[key] {
      added[position] = token
    } else {
      positions[key] = added.count
      added.append(token)
    }
    return id
  }

  /// Adds tokens in their order and notes those that claim another id.
  mutating func place(_ tokens: [(token: AddedToken, id: Int)], from file: String)
    throws(TinctureError)
  {
    var moved: [(token: ExactString, claimed: Int, id: Int)] = []
    for (token, claimed) in tokens {
      if let id = place(token), id != claimed { moved.append((token.token, claimed, id)) }
    }
    guard let first = moved.first else { return }
    notes.append(
      "\(file) claims ids that added tokens do not get when it is loaded: "
        + "\(moved.map(\.token).summary). The first is said to be \(first.claimed) but becomes "
        + "\(first.id).")
  }

  /// Adds the tokens that the files beside the vocabulary name.
  mutating func placeSideTokens(
    configuration: JSONObject?, specialTokensMap: JSONObject?, in directory: FilePath
  ) throws(TinctureError) {
    let special = try SpecialTokens.named(
      in: configuration, and: specialTokensMap, directory: directory)
    if let decoder = configuration?["added_tokens_decoder"], decoder != .null {
      do {
        try place(Self.decoded(decoder), from: "tokenizer_config.json")
      } catch {
        throw error.located(file: directory.appending("tokenizer_config.json").string)
      }
    }
    if let object = try TokenizerFile.readObject("added_tokens.json", in: directory) {
      let specialNames = Set(special.map(\.token))
      var missing: [(token: AddedToken, id: Int)] = []
      do {
        for (token, value) in object.members {
          let claimed = try Vocabulary.id(value, of: token)
          let key = ExactString(token)
          guard positions[key] == nil else { continue }
          missing.append(
            (AddedToken(token, isSpecial: specialNames.contains(key)), claimed))
        }
      } catch {
        throw error.located(file: directory.appending("added_tokens.json").string)
      }
      try place(missing.sorted { $0.id < $1.id }, from: "added_tokens.json")
    }
    let unknown = special.filter { id(of: $0.token) == nil && !$0.content.isEmpty }
    for token in special where positions[token.token] == nil { _ = place(token) }
    if !unknown.isEmpty {
      notes.append(
        "Special tokens that are named but in no vocabulary count as added: "
          + "\(unknown.map(\.token).summary).")
    }
  }

  /// The tokens of `added_tokens_decoder`, which maps ids to tokens, in order of the ids.
  private static func decoded(_ value: JSONValue) throws(TinctureError)
    -> [(token: AddedToken, id: Int)]
  {
    guard let object = value.objectValue else {
      throw TinctureError(.checkpoint, "\"added_tokens_decoder\" must be an object.")
    }
    var tokens: [(token: AddedToken, id: Int)] = []
    for (key, entry) in object.members {
      let token = try AddedToken(entry)
      tokens.append((token, try Vocabulary.id(.number(key), of: token.content)))
    }
    return tokens.sorted { $0.id < $1.id }
  }

  /// The whole vocabulary and the added tokens in order of their ids.
  ///
  /// - Throws: `checkpoint` when an added token fell on the id of another token.
  func finish(_ file: String) throws(TinctureError) -> (Vocabulary, [AddedToken]) {
    var whole = vocabulary
    if !late.isEmpty {
      do {
        whole = try Vocabulary(vocabulary.entries + late)
      } catch {
        throw error.located(file: file)
      }
    }
    let sorted = added.map { (id: whole[$0.token] ?? 0, token: $0) }.sorted { $0.id < $1.id }
    return (whole, sorted.map(\.token))
  }
}
