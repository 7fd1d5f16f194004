public import TinctureCheckpoints
import TinctureJSON
import TinctureTensors

/// Byte-pair tokenizers of CLIP, GPT-2, RoBERTa, Llama 3 and Qwen.
///
/// A text is cut into words by a pattern, a word into its bytes, written as printable characters. Of all
/// neighbours the pair that was merged first in training is merged first, until no pair is known. In CLIP the last
/// character of a word carries `</w>`.
///
/// Source: Sennrich et al., arXiv:1508.07909; Radford et al., Language Models are Unsupervised Multitask
/// Learners, 2019.
public struct BytePairTokenizer: TextTokenizer {
  /// The tokens.
  public let vocabulary: Vocabulary
  /// The id that fills up shorter texts.
  public let paddingID: Int
  /// How many tokens a text may have.
  public var lengthLimit: Int?

  /// What is done to a text before it is cut.
  struct Spelling: Sendable, Hashable {
    /// Whether letters and accents become one.
    var composes = false
    /// Whether white space becomes a single space.
    var joinsSpaces = false
    /// Whether letters are made small.
    var lowercases = false

    func callAsFunction(_ text: String) -> String {
      guard composes || joinsSpaces || lowercases else { return text }
      var view = String.UnicodeScalarView()
      for scalar in (composes ? text.canonicallyComposed : text).unicodeScalars {
        if joinsSpaces, scalar.properties.isWhitespace {
          if view.last != " " { view.append(" ") }
        } else if lowercases {
          view.append(contentsOf: scalar.properties.lowercaseMapping.unicodeScalars)
        } else {
          view.append(scalar)
        }
      }
      return String(view)
    }
  }

  /// A pair of neighbours.
  struct Pair: Sendable, Hashable {
    let first: Int32
    let second: Int32
  }

  /// What a pair becomes, and how early it was merged in training.
  struct Merge: Sendable {
    let rank: Int32
    let token: Int32
  }

  let spelling: Spelling
  let pattern: WordPattern
  let addsSpace: Bool
  let endOfWord: String
  let takesWholeWords: Bool
  let unknownID: Int?
  let merges: [Pair: Merge]
  let markers: MarkerTemplate
  let rawSplitter: AddedTokenSplitter
  let normalizedSplitter: AddedTokenSplitter

  /// The tokens of a text, without markers of begin and end.
  ///
  /// - Complexity: O(n) in the length of the text, O(n²) in that of its longest word.
  public func ids(of text: String) -> [Int] {
    var ids: [Int] = []
    for piece in rawSplitter.pieces(of: text) {
      switch piece {
      case .token(let id): ids.append(id)
      case .text(let text):
        for piece in normalizedSplitter.pieces(of: spelling(text)) {
          switch piece {
          case .token(let id): ids.append(id)
          case .text(let text): append(text, to: &ids)
          }
        }
      }
    }
    return ids
  }

  /// A text or a pair of texts with the markers of the model.
  public func marked(_ first: [Int], _ second: [Int]?) -> EncodedText {
    markers.apply(first, second)
  }

  private func append(_ text: String, to ids: inout [Int]) {
    let text = addsSpace && text.unicodeScalars.first != " " ? " " + text : text
    for word in pattern.words(of: text) {
      var view = String.UnicodeScalarView()
      view.append(contentsOf: word)
      ids += tokens(of: String(view).utf8.map { ByteAlphabet.characters[Int($0)] })
    }
  }

  /// The tokens of a word, which is given as printable bytes.
  private func tokens(of word: [Unicode.Scalar]) -> [Int] {
    if takesWholeWords, let id = id(word[...], isLast: true) { return [id] }
    var symbols: [Int32] = []
    for index in word.indices {
      if let id = id(word[index...index], isLast: index == word.count - 1) ?? unknownID {
        symbols.append(Int32(id))
      }
    }
    while symbols.count > 1 {
      var best: (merge: Merge, index: Int)?
      for index in 0..<symbols.count - 1 {
        guard let merge = merges[Pair(first: symbols[index], second: symbols[index + 1])],
          merge.rank < best?.merge.rank ?? .max
        else { continue }
        best = (merge, index)
      }
      guard let best else { break }
      symbols[best.index] = best.merge.token
      symbols.remove(at: best.index + 1)
    }
    return symbols.map(Int.init)
  }

  private func id(_ characters: ArraySlice<Unicode.Scalar>, isLast: Bool) -> Int? {
    var view = String.UnicodeScalarView()
    view.append(contentsOf: characters)
    return vocabulary[ExactString(String(view) + (isLast ? endOfWord : ""))]
  }
}

/// Bytes as printable characters.
enum ByteAlphabet {
  /// The character of each byte: itself where it is printable, else the next one from 256 on.
  static let characters: [Unicode.Scalar] = {
    var next: UInt32 = 256
    return (0..<256).map { byte in
      let isPrintable = (33...126).contains(byte) || (161...172).contains(byte) || byte >= 174
      defer { if !isPrintable { next += 1 } }
      return Unicode.Scalar(isPrintable ? UInt32(byte) : next) ?? " "
    }
  }()
}
