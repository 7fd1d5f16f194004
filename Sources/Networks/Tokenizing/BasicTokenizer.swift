/// BERT's first step: a text becomes words and punctuation marks.
///
/// Control characters are dropped, white space is a separator, ideographs and punctuation marks stand
/// alone; accents are taken off and letters made small where the model was trained so. What a character is
/// is looked up in Unicode 8, as transformers does; younger characters are none of these.
struct BasicTokenizer: Sendable, Hashable {
  /// Whether control characters are dropped.
  var cleans = true
  /// Whether Chinese characters stand alone.
  var separatesIdeographs = true
  /// Whether letters are made small.
  var lowercases = true
  /// Whether accents are taken off; nil when letters are made small.
  var stripsAccents: Bool?

  /// The text in the spelling of the vocabulary, words still together.
  func normalized(_ text: String) -> String {
    var view = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      if cleans {
        if scalar.isDropped { continue }
        if scalar.properties.isWhitespace {
          view.append(" ")
          continue
        }
      }
      if separatesIdeographs, scalar.isIdeograph {
        view.append(" ")
        view.append(scalar)
        view.append(" ")
      } else {
        view.append(scalar)
      }
    }
    if stripsAccents ?? lowercases {
      view = String(view).canonicallyDecomposed.unicodeScalars
      view.removeAll { $0.settledCategory == .nonspacingMark }
    }
    if lowercases {
      var small = String.UnicodeScalarView()
      for scalar in view {
        small.append(contentsOf: scalar.properties.lowercaseMapping.unicodeScalars)
      }
      view = small
    }
    return String(view)
  }

  /// The words and the punctuation marks of a normalised text.
  func words(of text: String) -> [[Unicode.Scalar]] {
    var words: [[Unicode.Scalar]] = []
    var word: [Unicode.Scalar] = []
    func finish() {
      if !word.isEmpty { words.append(word) }
      word = []
    }
    for scalar in text.unicodeScalars {
      if scalar.properties.isWhitespace {
        finish()
      } else if scalar.isBertPunctuation {
        finish()
        words.append([scalar])
      } else {
        word.append(scalar)
      }
    }
    finish()
    return words
  }
}

extension Unicode.Scalar {
  /// Control characters other than white space, and what stands for broken text.
  fileprivate var isDropped: Bool {
    switch self {
    case "\t", "\n", "\r": false
    case "\0", "\u{FFFD}": true
    default:
      switch settledCategory {
      case .control, .format, .surrogate, .privateUse: true
      default: false
      }
    }
  }

  /// Chinese characters, but no kana and no hangul.
  fileprivate var isIdeograph: Bool {
    switch value {
    case 0x4E00...0x9FFF, 0x3400...0x4DBF, 0x20000...0x2A6DF, 0x2A700...0x2B73F, 0x2B740...0x2B81F,
      0x2B820...0x2CEAF, 0xF900...0xFAFF, 0x2F800...0x2FA1F:
      true
    default: false
    }
  }

  /// Punctuation marks and all symbols of ASCII.
  fileprivate var isBertPunctuation: Bool {
    switch value {
    case 33...47, 58...64, 91...96, 123...126: return true
    case 0..<128: return false
    default: break
    }
    return switch settledCategory {
    case .connectorPunctuation, .dashPunctuation, .closePunctuation, .finalPunctuation,
      .initialPunctuation, .otherPunctuation, .openPunctuation:
      true
    default: false
    }
  }

  /// The category, unassigned for characters younger than Unicode 8.
  fileprivate var settledCategory: Unicode.GeneralCategory {
    guard let age = properties.age, age.major <= 8 else { return .unassigned }
    return properties.generalCategory
  }
}
