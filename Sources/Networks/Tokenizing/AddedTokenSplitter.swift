import TinctureCheckpoints
import TinctureJSON

/// Finds added tokens in a text before the rest is cut into words.
///
/// The earliest token wins, of several at one place the longest. Tokens that are looked for in normalised
/// text are found in a second pass.
struct AddedTokenSplitter: Sendable {
  /// A part of a text.
  enum Piece: Hashable {
    case text(String)
    case token(Int)
  }

  private struct Candidate: Sendable {
    let token: AddedToken
    let scalars: [Unicode.Scalar]
    let id: Int
  }

  private let candidates: [Unicode.Scalar: [Candidate]]

  /// Keeps tokens of one of the two passes.
  ///
  /// - Parameters:
  ///   - tokens: Added tokens with their ids.
  ///   - normalize: What normalises texts, for the second pass; nil for the first pass.
  init(_ tokens: [(AddedToken, Int)], normalize: ((String) -> String)? = nil) {
    var candidates: [Unicode.Scalar: [Candidate]] = [:]
    for (token, id) in tokens where token.matchesNormalized == (normalize != nil) {
      let scalars = Array((normalize?(token.content) ?? token.content).unicodeScalars)
      guard let first = scalars.first else { continue }
      candidates[first, default: []].append(Candidate(token: token, scalars: scalars, id: id))
    }
    self.candidates = candidates.mapValues { list in
      list.sorted { $0.scalars.count > $1.scalars.count }
    }
  }

  /// The parts of a text in order; texts without characters are left out.
  func pieces(of text: String) -> [Piece] {
    guard !candidates.isEmpty else { return text.isEmpty ? [] : [.text(text)] }
    let scalars = Array(text.unicodeScalars)
    var pieces: [Piece] = []
    var begin = 0
    var position = 0
    func append(upTo end: Int) {
      guard begin < end else { return }
      var view = String.UnicodeScalarView()
      view.append(contentsOf: scalars[begin..<end])
      pieces.append(.text(String(view)))
    }
    while position < scalars.count {
      guard let found = match(scalars, at: position) else {
        position += 1
        continue
      }
      var end = position
      if found.token.stripsLeft {
        while end > begin, scalars[end - 1].properties.isWhitespace { end -= 1 }
      }
      append(upTo: end)
      pieces.append(.token(found.id))
      position += found.scalars.count
      if found.token.stripsRight {
        while position < scalars.count, scalars[position].properties.isWhitespace { position += 1 }
      }
      begin = position
    }
    append(upTo: scalars.count)
    return pieces
  }

  private func match(_ scalars: [Unicode.Scalar], at position: Int) -> Candidate? {
    candidates[scalars[position]]?.first { candidate in
      let end = position + candidate.scalars.count
      guard end <= scalars.count, scalars[position..<end].elementsEqual(candidate.scalars) else {
        return false
      }
      guard candidate.token.matchesWholeWord else { return true }
      return !(position > 0 && scalars[position - 1].isWordPart)
        && !(end < scalars.count && scalars[end].isWordPart)
    }
  }
}

extension Unicode.Scalar {
  /// Whether the character belongs to words: a letter, a digit, a mark or a connector.
  fileprivate var isWordPart: Bool {
    properties.isAlphabetic || properties.numericType != nil
      || [.nonspacingMark, .spacingMark, .enclosingMark, .connectorPunctuation]
        .contains(properties.generalCategory)
  }
}
