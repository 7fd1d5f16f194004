/// A value that a recipe gives to a parameter.
public enum ParameterValue: Sendable, Hashable {
  /// A number.
  case number(Double)
  /// A truth value.
  case bool(Bool)
  /// A word.
  case text(String)
}
