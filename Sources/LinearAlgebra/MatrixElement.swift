/// A type of number that matrices are made of: `Float` or `Double`.
///
/// The linear algebra libraries know these two; conforming other types has no use.
public protocol MatrixElement: BinaryFloatingPoint, BitwiseCopyable, Sendable {
  /// Which of the two it is.
  static var precision: Precision { get }
}

/// How wide a matrix's numbers are.
public enum Precision: String, Sendable, Hashable, CaseIterable {
  /// 32 bits, 24 of them significant.
  case single
  /// 64 bits, 53 of them significant.
  case double
}

extension Float: MatrixElement {
  /// Single precision.
  public static var precision: Precision { .single }
}

extension Double: MatrixElement {
  /// Double precision.
  public static var precision: Precision { .double }
}
