internal import CTinctureKernels

/// Finds an exact order statistic in one pass over the numbers, given a sample of them.
///
/// The sample tells between which two values the wanted rank probably lies. The numbers below are
/// counted, those between are counted value by value; when the rank turns out to lie between, so does the
/// number that has it. Else there is no finding, and `OrderStatistic` finds it in two passes. Takes up to
/// 2 MiB.
public struct RankBracket: Sendable {
  private let order: OrderStatistic.Order
  private let first: UInt32
  // May be longer than the bracket is wide.
  private var counts: [UInt32]
  private let width: Int
  private var below = 0
  /// How many numbers were counted.
  public private(set) var total = 0

  /// The widest bracket, in steps of the upper sixteen bits.
  private static let widest = 8
  /// The memory of a bracket, in bytes.
  public static let memory = widest << 18

  /// Guesses a bracket.
  ///
  /// - Parameters:
  ///   - fraction: The wanted rank as a fraction of the number of elements.
  ///   - sample: How many numbers of a sample have each value of the upper sixteen bits.
  ///   - zeros: How many of the sample's smallest numbers the fraction does not count.
  ///   - order: What is ordered.
  ///   - tables: Memory of earlier brackets; one table is taken, if there are any.
  init?(
    around fraction: Double, of sample: [UInt32], besides zeros: Int,
    _ order: OrderStatistic.Order, reusing tables: inout [[UInt32]]
  ) {
    let count = sample.reduce(0) { $0 + Int($1) } - zeros
    guard count > 0 else { return nil }
    // Five standard errors of a sample of 65,536, since neighbours in a tensor resemble each other.
    let margin = max(16, 0.02 * (fraction * (1 - fraction)).squareRoot() * Double(count))
    let rank = Double(zeros) + fraction * Double(count)
    let last = zeros + count - 1
    let bounds = [rank - margin, rank, rank + margin].map { max(0, min(last, Int($0))) }
      .compactMap { OrderStatistic.locate($0, in: sample)?.position }
    guard bounds.count == 3 else { return nil }
    let lower = max(bounds[0], bounds[1] - Self.widest / 2)
    let upper = min(bounds[2], lower + Self.widest - 1)
    self.order = order
    first = UInt32(lower) << 16
    width = (upper - lower + 1) << 16
    counts = tables.popLast() ?? []
    if counts.count < width {
      counts = [UInt32](repeating: 0, count: width)
    } else {
      counts.withUnsafeMutableBufferPointer { $0[..<width].update(repeating: 0) }
    }
  }

  /// The memory of the bracket, for another one.
  var table: [UInt32] { counts }

  /// Counts numbers, fewer than 2³² in all.
  ///
  /// - Parameter x: The numbers.
  /// - Complexity: O(n).
  public mutating func count(_ x: Span<Float>) {
    total += x.count
    let (first, flag, width) = (first, order.flag, UInt32(width))
    below += counts.withUnsafeMutableBufferPointer { counts in
      x.withUnsafeBufferPointer { x in
        guard let p = x.baseAddress, let q = counts.baseAddress else { return 0 }
        return tincture_count_range(p, flag, first, width, q, x.count)
      }
    }
  }

  /// The number that has a rank, when it lies in the bracket.
  ///
  /// - Parameter rank: The rank, counted from zero.
  /// - Returns: The value and how many numbers lie below and on it; nil when the bracket misses it.
  /// - Complexity: O(1).
  public func finding(rank: Int) -> OrderStatistic.Finding? {
    guard rank >= below, let found = OrderStatistic.locate(rank - below, in: counts),
      found.position < width
    else { return nil }
    return OrderStatistic.Finding(
      value: order.value(first + UInt32(found.position)), smaller: below + found.before,
      equal: Int(counts[found.position]))
  }
}
