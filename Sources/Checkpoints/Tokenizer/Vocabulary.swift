public import TinctureJSON
import TinctureTensors

/// The tokens of a tokenizer and their ids.
///
/// Ids are not negative and belong to one token each, but they may have gaps. Tokens are told apart
/// by their bytes.
public struct Vocabulary: Sendable {
  /// A token and its id.
  public struct Entry: Sendable, Hashable {
    /// The token, as the tokenizer spells it.
    public let token: ExactString
    /// The row of the token in the embedding.
    public let id: Int

    init(_ token: ExactString, id: Int) {
      self.token = token
      self.id = id
    }
  }

  /// The largest id that is believed to be meant.
  static let largestID = 10_000_000

  /// The tokens in ascending order of their ids.
  public private(set) var entries: ContiguousArray<Entry>
  private var ids: [ExactString: Int32]

  /// Sorts entries into a vocabulary.
  ///
  /// - Throws: `checkpoint` when two tokens share an id or a token has two ids.
  /// - Complexity: O(n log n); O(n) when the entries are sorted.
  init(_ unsorted: ContiguousArray<Entry>) throws(TinctureError) {
    var entries = unsorted
    if !zip(entries, entries.dropFirst()).allSatisfy({ $0.id <= $1.id }) {
      entries.sort { $0.id < $1.id }
    }
    var ids: [ExactString: Int32] = [:]
    ids.reserveCapacity(entries.count)
    var previous: Entry?
    for entry in entries {
      if let previous, previous.id == entry.id {
        let pair = [previous, entry].map { $0.token.quoted }.sorted()
        throw TinctureError(
          .checkpoint, "The tokens \(pair[0]) and \(pair[1]) share the id \(entry.id).")
      }
      if let other = ids.updateValue(Int32(entry.id), forKey: entry.token) {
        throw TinctureError(
          .checkpoint,
          "The token \(entry.token.quoted) has two ids, \(other) and \(entry.id).")
      }
      previous = entry
    }
    self.entries = entries
    self.ids = ids
  }

  /// The number of tokens.
  public var count: Int { entries.count }

  /// One more than the largest id; zero without tokens.
  public var idLimit: Int { entries.last.map { $0.id + 1 } ?? 0 }

  /// Whether an id below the limit belongs to no token.
  public var hasGaps: Bool { idLimit != count }

  /// The id of a token, or nil when the vocabulary does not have it.
  public subscript(token: ExactString) -> Int? { ids[token].map { Int($0) } }

  /// The id of a token, or nil when the vocabulary does not have it.
  public func id(of token: String) -> Int? { self[ExactString(token)] }

  /// The token with an id, or nil when the id belongs to none.
  ///
  /// - Complexity: O(log n).
  public func token(at id: Int) -> String? {
    var low = 0
    var high = entries.count
    while low < high {
      let middle = (low + high) / 2
      if entries[middle].id < id { low = middle + 1 } else { high = middle }
    }
    return low < entries.count && entries[low].id == id ? entries[low].token.text : nil
  }

  /// Gives a token that is not in the vocabulary the id after the largest one.
  mutating func append(_ token: ExactString) {
    let id = idLimit
    entries.append(Entry(token, id: id))
    ids[token] = Int32(id)
  }

  /// Removes all tokens from an id on and returns them in order.
  mutating func removeTokens(from limit: Int) -> [ExactString] {
    let first = entries.firstIndex { $0.id >= limit } ?? entries.count
    let removed = entries[first...].map(\.token)
    for token in removed { ids[token] = nil }
    entries.removeSubrange(first...)
    return removed
  }

  /// The id in a JSON document, when it is one that a vocabulary can hold.
  ///
  /// - Throws: `checkpoint` when it is no whole number, negative or unbelievably large.
  static func id(_ value: JSONValue?, of token: String) throws(TinctureError) -> Int {
    guard let value else {
      throw TinctureError(.checkpoint, "The token \(ExactString(token).quoted) has no id.")
    }
    guard let id = value.intValue, id >= 0, id <= largestID else {
      throw TinctureError(
        .checkpoint,
        "The id of the token \(ExactString(token).quoted) is \(value.text(indentation: nil).shortened); "
          + "an id is a whole number from 0 to \(largestID).")
    }
    return id
  }
}

extension ExactString {
  /// The text in quotes, escaped and cut to a length that fits into a message.
  var quoted: String { JSONValue.string(text.shortened).text(indentation: nil) }
}

extension String {
  /// The text, cut when it is too long for a message.
  var shortened: String {
    unicodeScalars.count <= 80
      ? self : String(String.UnicodeScalarView(unicodeScalars.prefix(77))) + "…"
  }
}

extension Collection<ExactString> {
  /// How many tokens there are, and the first few of them, for a note.
  var summary: String {
    "\(count) (" + prefix(3).map(\.quoted).joined(separator: ", ") + (count > 3 ? ", …)" : ")")
  }
}
