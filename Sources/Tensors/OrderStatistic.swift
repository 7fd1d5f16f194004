internal import CTinctureKernels

/// Finds exact order statistics of a stream of numbers in two passes, without sorting.
///
/// Floats order like their bit patterns once signs are accounted for. The first pass counts the upper
/// sixteen bits, which locates the bucket of each wanted rank; the second counts the lower sixteen bits
/// within those buckets. Feed the same numbers, in any order, in both passes. The first pass takes
/// 768 KiB, the second 512 KiB for every bucket it looks into.
public struct OrderStatistic: Sendable {
  /// What is ordered.
  public enum Order: Sendable {
    /// The absolute values.
    case magnitude
    /// The values themselves.
    case value
  }

  /// Where a rank was found.
  public struct Finding: Sendable, Hashable {
    /// The value that has the wanted rank.
    public let value: Float
    /// How many numbers are smaller in the chosen order.
    public let smaller: Int
    /// How many numbers equal it.
    public let equal: Int
  }

  private let order: Order
  private var high: [UInt64]
  private var recent: [UInt32]
  private var pending = 0
  /// The number of numbers counted in the first pass.
  public private(set) var total = 0
  private var low: [(bucket: UInt32, counts: [UInt64])] = []

  /// The memory of the first pass and of a second one for this many ranks, in bytes.
  public static func memory(ranks: Int) -> Int { 800_000 + ranks << 19 }

  /// Prepares to count.
  public init(_ order: Order) {
    self.order = order
    high = [UInt64](repeating: 0, count: 65_536)
    recent = [UInt32](repeating: 0, count: 65_536)
  }

  /// Counts numbers in the first pass.
  ///
  /// - Parameter x: The numbers; none may be NaN.
  /// - Complexity: O(n).
  public mutating func count(_ x: Span<Float>) {
    if pending + x.count > Int(UInt32.max) { flush() }
    pending += x.count
    total += x.count
    let flag = order.flag
    recent.withUnsafeMutableBufferPointer { counts in
      x.withUnsafeBufferPointer { x in
        guard let p = x.baseAddress, let counts = counts.baseAddress else { return }
        tincture_histogram_high(p, flag, counts, x.count)
      }
    }
  }

  private mutating func flush() {
    guard pending > 0 else { return }
    high.withUnsafeMutableBufferPointer { high in
      recent.withUnsafeBufferPointer { recent in
        for index in high.indices { high[index] += UInt64(recent[index]) }
      }
    }
    recent = [UInt32](repeating: 0, count: 65_536)
    pending = 0
  }

  /// Adds what another counted in its first pass.
  public mutating func add(counts other: OrderStatistic) {
    total += other.total
    for bucket in 0..<65_536 {
      high[bucket] += other.high[bucket] + UInt64(other.recent[bucket])
    }
  }

  /// Adds what another, with the same selection, counted in its second pass.
  public mutating func add(refinements other: OrderStatistic) {
    for (index, item) in other.low.enumerated() where index < low.count {
      for (position, count) in item.counts.enumerated() where count > 0 {
        low[index].counts[position] += count
      }
    }
  }

  /// Ends the first pass: the second will look for these ranks.
  ///
  /// - Parameter ranks: Ranks counted from zero, each below the number of elements.
  /// - Complexity: O(1) per rank.
  public mutating func select(_ ranks: [Int]) {
    flush()
    let buckets = Set(ranks.compactMap { Self.locate($0, in: high)?.position })
    low = buckets.sorted().map { (UInt32($0), [UInt64](repeating: 0, count: 65_536)) }
  }

  /// Counts the same numbers again, in the second pass.
  ///
  /// - Parameter x: The numbers.
  /// - Complexity: O(n) per bucket looked into.
  public mutating func refine(_ x: Span<Float>) {
    let flag = order.flag
    for index in low.indices {
      let bucket = low[index].bucket
      low[index].counts.withUnsafeMutableBufferPointer { counts in
        x.withUnsafeBufferPointer { x in
          guard let p = x.baseAddress, let counts = counts.baseAddress else { return }
          tincture_histogram_low(p, flag, bucket, counts, x.count)
        }
      }
    }
  }

  /// The number that has a rank, after both passes.
  ///
  /// - Parameter rank: One of the selected ranks.
  /// - Returns: The value and how many numbers lie below and on it; nil for a rank that was not selected.
  public func finding(rank: Int) -> Finding? {
    guard let upper = Self.locate(rank, in: high),
      let counts = low.first(where: { $0.bucket == UInt32(upper.position) })?.counts,
      let lower = Self.locate(rank - upper.before, in: counts)
    else { return nil }
    let bits = UInt32(upper.position) << 16 | UInt32(lower.position)
    return Finding(
      value: order.value(bits), smaller: upper.before + lower.before,
      equal: Int(counts[lower.position]))
  }

  /// The counter that a rank falls into, and the sum of those before it.
  static func locate<Count: BinaryInteger>(_ rank: Int, in counts: [Count])
    -> (position: Int, before: Int)?
  {
    counts.withUnsafeBufferPointer { counts in
      var before = 0
      var position = 0
      while position < counts.count {
        let next = before + Int(counts[position])
        if next > rank { return (position, before) }
        before = next
        position += 1
      }
      return nil
    }
  }
}

extension OrderStatistic.Order {
  /// What the kernels take.
  var flag: Int32 { self == .magnitude ? 1 : 0 }

  /// The number, or the magnitude, with these bits in an order of unsigned integers.
  func value(_ bits: UInt32) -> Float {
    switch self {
    case .magnitude: Float(bitPattern: bits)
    case .value: Float(bitPattern: bits & 0x8000_0000 == 0 ? ~bits : bits & 0x7fff_ffff)
    }
  }
}
