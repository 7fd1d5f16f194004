import TinctureTensors

/// The regular expressions by which byte-pair tokenizers cut texts into words.
///
/// They are four, so they are written as scanners rather than read by an engine for expressions.
enum WordPattern: Sendable, Hashable {
  /// GPT-2's and RoBERTa's: contractions, then words, numbers and marks with a space before them.
  case gpt2
  /// CLIP's: contractions, words, single digits and marks; white space is dropped.
  case clip
  /// Llama 3's and Qwen's: words with any one character before them, numbers of a few digits, marks with the line
  /// ends after them.
  case llama3(digits: Int)

  /// The expression of a tokenizer's file; nil when it is none of the known ones.
  init?(expression: String) {
    let clip = #"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"#
    let head = #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"#
    let tail = #"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
    switch expression {
    case #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#:
      self = .gpt2
    case clip, #"<\|startoftext\|>|<\|endoftext\|>|"# + clip: self = .clip
    case head + #"\p{N}{1,3}"# + tail: self = .llama3(digits: 3)
    case head + #"\p{N}"# + tail: self = .llama3(digits: 1)
    default: return nil
    }
  }

  /// Whether what matches nothing is dropped: white space in CLIP's.
  var dropsRest: Bool { self == .clip }

  /// The words of a text in order.
  func words(of text: String) -> [[Unicode.Scalar]] {
    let scalars = Array(text.unicodeScalars)
    var words: [[Unicode.Scalar]] = []
    var position = 0
    while position < scalars.count {
      let end = self.end(scalars, from: position)
      if !(dropsRest && scalars[position].isSpace) { words.append(Array(scalars[position..<end])) }
      position = end
    }
    return words
  }

  private func end(_ text: [Unicode.Scalar], from start: Int) -> Int {
    if let end = contraction(text, start) { return end }
    switch self {
    case .clip: return clipEnd(text, start)
    case .gpt2: return gpt2End(text, start)
    case .llama3(let digits): return llama3End(text, start, digits)
    }
  }

  private func clipEnd(_ text: [Unicode.Scalar], _ start: Int) -> Int {
    let first = text[start]
    if first.isLetter { return run(text, start) { $0.isLetter } }
    if first.isNumber || first.isSpace { return start + 1 }
    return run(text, start) { $0.isMark }
  }

  private func gpt2End(_ text: [Unicode.Scalar], _ start: Int) -> Int {
    let begin = text[start] == " " && start + 1 < text.count ? start + 1 : start
    let first = text[begin]
    if first.isLetter { return run(text, begin) { $0.isLetter } }
    if first.isNumber { return run(text, begin) { $0.isNumber } }
    if first.isMark { return run(text, begin) { $0.isMark } }
    return spaceEnd(text, start)
  }

  private func llama3End(_ text: [Unicode.Scalar], _ start: Int, _ digits: Int) -> Int {
    let first = text[start]
    if first.isLetter { return run(text, start) { $0.isLetter } }
    if !first.isNumber, first != "\r", first != "\n", start + 1 < text.count,
      text[start + 1].isLetter
    {
      return run(text, start + 1) { $0.isLetter }
    }
    if first.isNumber { return min(run(text, start) { $0.isNumber }, start + digits) }
    let begin = first == " " && start + 1 < text.count ? start + 1 : start
    if text[begin].isMark {
      return run(text, run(text, begin) { $0.isMark }) { $0 == "\r" || $0 == "\n" }
    }
    // White space up to its last line end, where it has one.
    let end = run(text, start) { $0.isSpace }
    if let line = text[start..<end].lastIndex(where: { $0 == "\r" || $0 == "\n" }) {
      return line + 1
    }
    return spaceEnd(text, start)
  }

  /// White space, of which the last character is left for the word that follows.
  private func spaceEnd(_ text: [Unicode.Scalar], _ start: Int) -> Int {
    let end = run(text, start) { $0.isSpace }
    return end < text.count && end > start + 1 ? end - 1 : max(end, start + 1)
  }

  private func run(
    _ text: [Unicode.Scalar], _ start: Int, while belongs: (Unicode.Scalar) -> Bool
  ) -> Int {
    var end = start
    while end < text.count, belongs(text[end]) { end += 1 }
    return end
  }

  private func contraction(_ text: [Unicode.Scalar], _ start: Int) -> Int? {
    guard text[start] == "'" else { return nil }
    for ending in ["s", "t", "re", "ve", "m", "ll", "d"] {
      let end = start + 1 + ending.unicodeScalars.count
      guard end <= text.count else { continue }
      let matches = zip(text[(start + 1)..<end], ending.unicodeScalars).allSatisfy {
        found, letter in
        if case .llama3 = self { return found.properties.lowercaseMapping == String(letter) }
        return found == letter
      }
      if matches { return end }
    }
    return nil
  }
}

extension Unicode.Scalar {
  /// A letter: `\p{L}`.
  fileprivate var isLetter: Bool {
    switch properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: true
    default: false
    }
  }

  /// A digit or another number: `\p{N}`.
  fileprivate var isNumber: Bool {
    switch properties.generalCategory {
    case .decimalNumber, .letterNumber, .otherNumber: true
    default: false
    }
  }

  /// White space: `\s`.
  fileprivate var isSpace: Bool { properties.isWhitespace }

  /// What is neither a letter, a number nor white space.
  fileprivate var isMark: Bool { !isLetter && !isNumber && !isSpace }
}
