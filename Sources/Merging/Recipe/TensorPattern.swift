public import TinctureTensors

/// A regular expression over tensor names.
///
/// All ways to match are followed at once, so that the time is bounded by the product of the
/// lengths whatever the expression, and the value can be shared between threads. There are
/// literals, `.`, classes, `\d \w \s \b`, `^ $`, groups, alternatives and repetition; there are
/// no back references and no looking ahead or behind.
public struct TensorPattern: Sendable {
  /// The expression as it was written.
  public let source: String
  private let program: [Instruction]

  /// One step of a compiled expression.
  enum Instruction: Sendable {
    /// Takes one character out of a set.
    case consume(CharacterChoice)
    /// Goes on only where an assertion holds.
    case require(Assertion)
    /// Goes on at two places.
    case split(Int, Int)
    /// Goes on elsewhere.
    case jump(Int)
    /// Reports success.
    case accept
  }

  /// A condition on the place between two characters.
  enum Assertion: Sendable {
    case start
    case end
    case wordBoundary
    case noWordBoundary
  }

  /// A set of characters.
  struct CharacterChoice: Sendable {
    var ranges: [ClosedRange<UInt32>]
    var isNegated = false

    func contains(_ scalar: Unicode.Scalar) -> Bool {
      ranges.contains { $0.contains(scalar.value) } != isNegated
    }
  }

  /// Compiles an expression.
  ///
  /// - Parameter source: The expression.
  /// - Throws: `recipe` when the expression is malformed, too large or uses what is not available.
  /// - Complexity: O(n) in the length of the expression with its repetitions written out.
  public init(_ source: String) throws(TinctureError) {
    self.source = source
    var parser = TensorPatternParser(source)
    var compiler = TensorPatternCompiler(source: source)
    program = try compiler.compile(try parser.parse())
  }

  /// Whether the expression matches some part of a name.
  ///
  /// - Complexity: O(n · m) in the lengths of the name and of the expression.
  public func isFound(in name: String) -> Bool {
    let scalars = Array(name.unicodeScalars)
    var waiting: [Int] = []
    var lastVisit = [Int](repeating: -1, count: program.count)
    for position in 0...scalars.count {
      var pending = Array((waiting + [0]).reversed())
      waiting.removeAll(keepingCapacity: true)
      while let index = pending.popLast() {
        guard lastVisit[index] != position else { continue }
        lastVisit[index] = position
        switch program[index] {
        case .accept: return true
        case .jump(let target): pending.append(target)
        case .split(let first, let second): pending += [second, first]
        case .require(let assertion):
          if Self.holds(assertion, at: position, in: scalars) { pending.append(index + 1) }
        case .consume(let choice):
          if position < scalars.count, choice.contains(scalars[position]) {
            waiting.append(index + 1)
          }
        }
      }
    }
    return false
  }

  private static func holds(
    _ assertion: Assertion, at position: Int, in scalars: [Unicode.Scalar]
  ) -> Bool {
    func isWord(_ index: Int) -> Bool {
      scalars.indices.contains(index) && CharacterChoice.word.contains(scalars[index])
    }
    return switch assertion {
    case .start: position == 0
    case .end: position == scalars.count
    case .wordBoundary: isWord(position - 1) != isWord(position)
    case .noWordBoundary: isWord(position - 1) == isWord(position)
    }
  }
}

extension TensorPattern: Hashable {
  /// Compares the expressions as they were written.
  public static func == (left: TensorPattern, right: TensorPattern) -> Bool {
    left.source == right.source
  }

  /// Feeds the expression to the hasher.
  public func hash(into hasher: inout Hasher) { hasher.combine(source) }
}

extension TensorPattern.CharacterChoice {
  static let any = Self(ranges: [], isNegated: true)
  static let digit = Self(ranges: [0x30...0x39])
  static let word = Self(ranges: [0x30...0x39, 0x41...0x5A, 0x5F...0x5F, 0x61...0x7A])
  static let space = Self(ranges: [0x09...0x0D, 0x20...0x20])

  var inverted: Self { Self(ranges: ranges, isNegated: !isNegated) }

  /// The same set without negation.
  var positiveRanges: [ClosedRange<UInt32>] {
    guard isNegated else { return ranges }
    var result: [ClosedRange<UInt32>] = []
    var next: UInt32 = 0
    for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
      if range.lowerBound > next { result.append(next...range.lowerBound - 1) }
      next = max(next, range.upperBound + 1)
    }
    return result + [next...0x10_FFFF]
  }
}
