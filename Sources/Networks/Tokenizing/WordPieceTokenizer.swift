public import TinctureCheckpoints
import TinctureJSON
import TinctureTensors

/// BERT's tokenizer: words are cut into the longest pieces of a vocabulary, from left to right.
///
/// A piece that continues a word is written with `##` before it. A word with a part that the vocabulary
/// lacks, or of more than 100 characters, becomes the unknown token as a whole. A text stands between
/// `[CLS]` and `[SEP]`, the second of a pair is followed by another `[SEP]`.
///
/// Source: Wu et al., arXiv:1609.08144; Devlin et al., arXiv:1810.04805.
public struct WordPieceTokenizer: TextTokenizer {
  /// The tokens.
  public let vocabulary: Vocabulary
  /// The id that fills up shorter texts.
  public let paddingID: Int
  /// How many tokens a text may have.
  public var lengthLimit: Int?

  let basic: BasicTokenizer
  let unknownID: Int
  let beginID: Int
  let separatorID: Int
  let continuation: String
  let longestWord: Int
  let rawSplitter: AddedTokenSplitter
  let normalizedSplitter: AddedTokenSplitter

  /// The tokens of a text, without `[CLS]` and `[SEP]`.
  public func ids(of text: String) -> [Int] {
    var ids: [Int] = []
    for piece in rawSplitter.pieces(of: text) {
      switch piece {
      case .token(let id): ids.append(id)
      case .text(let text):
        for piece in normalizedSplitter.pieces(of: basic.normalized(text)) {
          switch piece {
          case .token(let id): ids.append(id)
          case .text(let text): for word in basic.words(of: text) { append(word, to: &ids) }
          }
        }
      }
    }
    return ids
  }

  /// A text or a pair of texts with `[CLS]` and `[SEP]`.
  public func marked(_ first: [Int], _ second: [Int]?) -> EncodedText {
    var ids = [beginID] + first + [separatorID]
    var types = [Int](repeating: 0, count: ids.count)
    if let second {
      ids += second + [separatorID]
      types += Array(repeating: 1, count: second.count + 1)
    }
    return EncodedText(ids: ids, types: types)
  }

  private func append(_ word: [Unicode.Scalar], to ids: inout [Int]) {
    guard word.count <= longestWord else {
      ids.append(unknownID)
      return
    }
    var found: [Int] = []
    var begin = 0
    while begin < word.count {
      guard let (id, end) = longestPiece(of: word, from: begin) else {
        ids.append(unknownID)
        return
      }
      found.append(id)
      begin = end
    }
    ids += found
  }

  private func longestPiece(of word: [Unicode.Scalar], from begin: Int) -> (id: Int, end: Int)? {
    var text = begin == 0 ? "" : continuation
    // The pieces from the shortest to the longest, of which the last in the vocabulary counts.
    var longest: (Int, Int)?
    for end in begin..<word.count {
      text.unicodeScalars.append(word[end])
      if let id = vocabulary[ExactString(text)] { longest = (id, end + 1) }
    }
    return longest
  }
}
