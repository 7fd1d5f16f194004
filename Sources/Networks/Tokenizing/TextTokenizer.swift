public import TinctureTensors
public import TinctureTorch

/// Cuts texts into the tokens of a vocabulary.
public protocol TextTokenizer: Sendable {
  /// The id that fills up shorter texts of a batch.
  var paddingID: Int { get }
  /// How many tokens a text may have, markers of begin and end included; nil is any number.
  var lengthLimit: Int? { get }

  /// The tokens of a text, without markers of begin and end.
  func ids(of text: String) -> [Int]

  /// A text or a pair of texts between markers of begin and end.
  ///
  /// - Parameters:
  ///   - first: The tokens of the text.
  ///   - second: The tokens of the second text, where there is one.
  /// - Returns: The tokens with the markers.
  func marked(_ first: [Int], _ second: [Int]?) -> EncodedText
}

/// The tokens of a text with markers of begin and end.
public struct EncodedText: Sendable, Hashable {
  /// The ids of the tokens.
  public var ids: [Int]
  /// The number of the part of the text in which each token stands.
  public var types: [Int]

  /// Creates the tokens of a text.
  public init(ids: [Int], types: [Int]) {
    self.ids = ids
    self.types = types
  }
}

extension TextTokenizer {
  /// The tokens of a text or of a pair, cut to a length, with markers of begin and end.
  ///
  /// Of a pair the longer text is cut; when that is not enough, both are cut to equal lengths.
  ///
  /// - Parameters:
  ///   - text: The text.
  ///   - second: The second text of a pair.
  ///   - limit: How many tokens there may be, markers included; nil is the tokenizer's own limit.
  /// - Returns: The tokens.
  public func encode(_ text: String, _ second: String? = nil, limit: Int? = nil) -> EncodedText {
    var first = ids(of: text)
    var other = second.map { ids(of: $0) }
    if let limit = limit ?? lengthLimit {
      let markers = marked([], second == nil ? nil : []).ids.count
      let room = max(0, limit - markers)
      let (a, b) = Self.lengths(first.count, other?.count ?? 0, within: room)
      first = Array(first.prefix(a))
      other = other.map { Array($0.prefix(b)) }
    }
    return marked(first, other)
  }

  /// Texts as a batch, padded behind to the longest.
  ///
  /// - Parameters:
  ///   - texts: The texts.
  ///   - limit: How many tokens a text may have, markers included; nil is the tokenizer's own limit.
  ///   - device: Where the tensors shall lie.
  /// - Returns: The batch.
  /// - Throws: `engine` when memory runs out; `missingFacility` without LibTorch.
  public func batch(
    _ texts: [String], limit: Int? = nil, on device: TorchDevice = .cpu
  ) throws(TinctureError) -> TokenBatch {
    let rows = texts.map { encode($0, limit: limit).ids }
    return try TokenBatch(rows, padding: paddingID, on: device)
  }

  /// Pairs of texts as a batch, padded behind to the longest.
  ///
  /// - Parameters:
  ///   - pairs: The pairs.
  ///   - limit: How many tokens a pair may have, markers included; nil is the tokenizer's own limit.
  ///   - device: Where the tensors shall lie.
  /// - Returns: The batch, with the parts' numbers as types.
  /// - Throws: `engine` when memory runs out; `missingFacility` without LibTorch.
  public func batch(
    pairs: [(String, String)], limit: Int? = nil, on device: TorchDevice = .cpu
  ) throws(TinctureError) -> TokenBatch {
    let rows = pairs.map { encode($0.0, $0.1, limit: limit) }
    return try TokenBatch(
      rows.map(\.ids), padding: paddingID, types: rows.map(\.types), on: device)
  }

  /// The lengths to which two texts are cut.
  private static func lengths(_ first: Int, _ second: Int, within room: Int) -> (Int, Int) {
    guard first + second > room else { return (first, second) }
    let (short, _) = (min(first, second), max(first, second))
    var cut = (short, room - short)
    // Both are too long: the one that was longer keeps the odd token.
    if short > room - short { cut = (room / 2, room - room / 2) }
    return first <= second ? cut : (cut.1, cut.0)
  }
}
