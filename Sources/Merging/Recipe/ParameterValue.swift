/// The value of a parameter, as it was written.
public enum ParameterValue: Sendable, Hashable {
  /// A finite number.
  case number(Double)
  /// A truth value.
  case bool(Bool)
  /// A word, such as the name of a variant.
  case text(String)

  /// The number, where a truth value counts as one or zero; nil for words.
  public var number: Double? {
    switch self {
    case .number(let value): value
    case .bool(let value): value ? 1 : 0
    case .text: nil
    }
  }

  /// The truth value, where a number is true unless it is zero; nil for words.
  public var bool: Bool? {
    switch self {
    case .number(let value): value != 0
    case .bool(let value): value
    case .text: nil
    }
  }

  /// The word; nil for numbers and truth values.
  public var text: String? { if case .text(let word) = self { word } else { nil } }
}

extension ParameterValue: CustomStringConvertible {
  /// The value as a recipe spells it; whole numbers without a point.
  public var description: String {
    switch self {
    case .number(let value): Int(exactly: value).map(String.init) ?? String(value)
    case .bool(let value): String(value)
    case .text(let word): word
    }
  }
}
