internal import Synchronization
public import TinctureTensors

/// A regular expression over tensor names, in the syntax of Swift's `Regex`.
public struct TensorPattern: Sendable {
  /// The expression as it was written.
  public let source: String
  private let compiled: Compiled

  /// A compiled expression, which may be used by one thread at a time.
  private final class Compiled: Sendable {
    private let regex: Mutex<Regex<AnyRegexOutput>>

    init(_ source: String) throws {
      regex = Mutex(try Regex(source).matchingSemantics(.unicodeScalar).wordBoundaryKind(.simple))
    }

    func isFound(in name: String) -> Bool {
      regex.withLock { regex in (try? regex.firstMatch(in: name)) != nil }
    }
  }

  /// Compiles an expression.
  ///
  /// - Parameter source: The expression, of at most 512 characters.
  /// - Throws: `recipe` when the expression is malformed or too long.
  public init(_ source: String) throws(TinctureError) {
    guard source.utf8.count <= 512 else {
      throw TinctureError(
        .recipe,
        "The regular expression has \(source.utf8.count) characters; at most 512 are accepted.")
    }
    do {
      compiled = try Compiled(source)
    } catch {
      throw TinctureError(.recipe, "The regular expression \"\(source)\" is malformed: \(error).")
    }
    self.source = source
  }

  /// Whether the expression matches some part of a name.
  ///
  /// - Complexity: That of backtracking: linear for ordinary expressions.
  public func isFound(in name: String) -> Bool { compiled.isFound(in: name) }
}

extension TensorPattern: Hashable {
  /// Compares the expressions as they were written.
  public static func == (left: TensorPattern, right: TensorPattern) -> Bool {
    left.source == right.source
  }

  /// Feeds the expression to the hasher.
  public func hash(into hasher: inout Hasher) { hasher.combine(source) }
}
