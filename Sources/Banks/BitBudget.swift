/// How many bytes a bank may take, and how its bits are spread.
///
/// Bits go where they lower the sum of the squared errors of all experts most.
public struct BitBudget: Sendable, Hashable {
  /// What has a width of its own.
  public enum Scope: String, Sendable, Hashable, CaseIterable {
    /// Every tensor, and every expert's code of it.
    case tensor
    /// The bank: one width, or one pair of them for shared vector and offsets.
    case bank
  }

  /// The widths that are chosen from.
  public static let widths = 2...8

  /// The most bytes that the file may have.
  public var bytes: Int
  /// What has a width of its own.
  public var scope: Scope

  /// Creates a budget.
  public init(bytes: Int, scope: Scope = .tensor) {
    self.bytes = bytes
    self.scope = scope
  }
}
