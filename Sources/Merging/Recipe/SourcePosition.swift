/// A place in a recipe, counted from one in lines and characters.
public struct SourcePosition: Sendable, Hashable, Comparable {
  /// The line, counted from one.
  public var line: Int
  /// The character of the line, counted from one.
  public var column: Int

  /// Names a place.
  public init(line: Int, column: Int) {
    self.line = line
    self.column = column
  }

  /// Whether one place stands before another.
  public static func < (left: SourcePosition, right: SourcePosition) -> Bool {
    (left.line, left.column) < (right.line, right.column)
  }
}

extension SourcePosition: CustomStringConvertible {
  /// The line and the column, such as `3:12`.
  public var description: String { "\(line):\(column)" }
}

/// A value together with the place where it was written.
public struct Located<Value: Sendable>: Sendable {
  /// The value.
  public var value: Value
  /// Where it stands.
  public var position: SourcePosition

  /// Puts a value at a place.
  public init(_ value: Value, at position: SourcePosition) {
    self.value = value
    self.position = position
  }
}

extension Located: Equatable where Value: Equatable {}
extension Located: Hashable where Value: Hashable {}
