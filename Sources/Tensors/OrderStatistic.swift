internal import CTinctureKernels

/// Finds exact order statistics of a stream of numbers in two passes, without sorting.
///
/// Floats order like their bit patterns once signs are accounted for. The first pass counts the upper
/// sixteen bits, which locates the bucket of each wanted rank; the second counts the lower sixteen bits
/// within those buckets. Feed the same numbers, in any order, in both passes. The first pass takes
/// 768 KiB, the second 512 KiB for every bucket it looks into.
///
/// When the wanted ranks are known beforehand as fractions, the buckets around them are guessed from the
/// first numbers and counted along in the first pass; where the guess holds, there is no second one. The
/// findings are exact either way.
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
  private var low: [Bracket] = []
  private var guesses: [Bracket] = []
  private let expected: [Double]
  private let skipsZeros: Bool
  private var head: ContiguousArray<Float> = []

  /// Neighbouring buckets and the counts of the lower halves in them.
  private struct Bracket: Sendable {
    let first: UInt32
    let count: UInt32
    var counts: [UInt64]

    init(first: UInt32, count: UInt32) {
      self.first = first
      self.count = count
      counts = [UInt64](repeating: 0, count: Int(count) << 16)
    }

    mutating func add(_ x: Span<Float>, _ flag: Int32) {
      let (first, count) = (first, count)
      counts.withUnsafeMutableBufferPointer { counts in
        x.withUnsafeBufferPointer { x in
          guard let p = x.baseAddress, let counts = counts.baseAddress else { return }
          tincture_histogram_low(p, flag, first, count, counts, x.count)
        }
      }
    }

    /// The counts of one of the buckets; nil when it is not among them.
    func counts(of bucket: UInt32) -> ArraySlice<UInt64>? {
      guard bucket >= first, bucket - first < count else { return nil }
      let start = Int(bucket - first) << 16
      return counts[start..<start + 65_536]
    }
  }

  /// How many numbers a guess is drawn from.
  private static let headLength = 65_536
  /// The most buckets of a guess.
  private static let widestGuess: UInt32 = 8

  /// The memory of a statistic that expects this many ranks, in bytes.
  public static func memory(expecting ranks: Int) -> Int {
    1_400_000 + ranks * (Int(widestGuess) << 19) + 4 * headLength
  }

  /// Prepares to count.
  ///
  /// - Parameters:
  ///   - order: What is ordered.
  ///   - fractions: Where the wanted ranks are expected, as fractions of the number of elements.
  ///   - skipsZeros: Whether these are fractions of the elements that are not zero.
  public init(_ order: Order, expecting fractions: [Double] = [], skipsZeros: Bool = false) {
    self.order = order
    expected = fractions
    self.skipsZeros = skipsZeros
    high = [UInt64](repeating: 0, count: 65_536)
    recent = [UInt32](repeating: 0, count: 65_536)
  }

  private var flag: Int32 { order == .magnitude ? 1 : 0 }

  /// Counts numbers in the first pass.
  ///
  /// - Parameter x: The numbers; none may be NaN.
  /// - Complexity: O(n).
  public mutating func count(_ x: Span<Float>) {
    if pending + x.count > Int(UInt32.max) { flush() }
    pending += x.count
    total += x.count
    let flag = flag
    recent.withUnsafeMutableBufferPointer { counts in
      x.withUnsafeBufferPointer { x in
        guard let p = x.baseAddress, let counts = counts.baseAddress else { return }
        tincture_histogram_high(p, flag, counts, x.count)
      }
    }
    if !guesses.isEmpty {
      for index in guesses.indices { guesses[index].add(x, flag) }
    } else if !expected.isEmpty, head.count < Self.headLength {
      for index in 0..<x.count { head.append(x[index]) }
      if head.count >= Self.headLength { guess() }
    }
  }

  /// Guesses the buckets of the expected ranks from the numbers so far, and counts these in them.
  private mutating func guess() {
    flush()
    for fraction in expected {
      let zeros = skipsZeros ? head.count { $0 == 0 } : 0
      let rank = min(zeros + max(0, Int(fraction * Double(head.count - zeros))), head.count - 1)
      guard let found = Self.locate(rank, in: high[...]) else { continue }
      // Wide enough for one per cent of the numbers on both sides, within the limit.
      let margin = head.count / 100
      var (lower, upper) = (found.position, found.position)
      var below = rank - found.before
      var above = found.before + Int(high[upper]) - rank
      while upper - lower + 1 < Int(Self.widestGuess), below < margin || above < margin {
        if below <= above, lower > 0 {
          lower -= 1
          below += Int(high[lower])
        } else if upper < 65_535 {
          upper += 1
          above += Int(high[upper])
        } else {
          break
        }
      }
      guesses.append(Bracket(first: UInt32(lower), count: UInt32(upper - lower + 1)))
    }
    let numbers = head
    head = []
    let flag = flag
    for index in guesses.indices { guesses[index].add(numbers.span, flag) }
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
    let buckets = Set(ranks.compactMap { Self.locate($0, in: high[...])?.position })
    low = buckets.sorted().map { UInt32($0) }
      .filter { bucket in !guesses.contains { $0.counts(of: bucket) != nil } }
      .map { Bracket(first: $0, count: 1) }
  }

  /// Whether the second pass is needed for the selected ranks.
  public var needsRefinement: Bool { !low.isEmpty }

  /// Counts the same numbers again, in the second pass.
  ///
  /// - Parameter x: The numbers.
  /// - Complexity: O(n) per bucket looked into.
  public mutating func refine(_ x: Span<Float>) {
    for index in low.indices { low[index].add(x, flag) }
  }

  /// The number that has a rank, after both passes.
  ///
  /// - Parameter rank: One of the selected ranks.
  /// - Returns: The value and how many numbers lie below and on it; nil for a rank that was not selected.
  public func finding(rank: Int) -> Finding? {
    guard let upper = Self.locate(rank, in: high[...]) else { return nil }
    let bucket = UInt32(upper.position)
    for bracket in guesses + low {
      guard let counts = bracket.counts(of: bucket) else { continue }
      guard let lower = Self.locate(rank - upper.before, in: counts) else { return nil }
      return Finding(
        value: value(order: bucket << 16 | UInt32(lower.position)),
        smaller: upper.before + lower.before, equal: Int(counts[counts.startIndex + lower.position])
      )
    }
    return nil
  }

  /// The counter that a rank falls into, and the sum of those before it.
  private static func locate(_ rank: Int, in counts: ArraySlice<UInt64>)
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

  private func value(order bits: UInt32) -> Float {
    switch order {
    case .magnitude: Float(bitPattern: bits)
    case .value: Float(bitPattern: bits & 0x8000_0000 == 0 ? ~bits : bits & 0x7fff_ffff)
    }
  }
}

/// Which of the elements that equal a threshold still count, while a tensor is read in order.
public struct MagnitudeCut: Sendable, Hashable {
  /// The bit pattern of the threshold's magnitude.
  public let threshold: UInt32
  /// How many elements of exactly this magnitude are still to be treated like larger ones.
  public var ties: UInt64

  /// Creates a cut.
  ///
  /// - Parameters:
  ///   - value: The threshold.
  ///   - ties: How many elements of exactly this magnitude count as larger.
  public init(at value: Float, ties: Int) {
    threshold = value.magnitude.bitPattern
    self.ties = UInt64(max(0, ties))
  }

  /// Sets elements below the threshold to zero; of those on it, the first ones stay while ties last.
  public mutating func keepLargest(_ x: inout MutableSpan<Float>) {
    x.withUnsafeMutableBufferPointer { x in
      guard let p = x.baseAddress else { return }
      tincture_keep_from(threshold, &ties, p, x.count)
    }
  }

  /// Sets elements above the threshold to zero; of those on it, the first ones go while ties last.
  public mutating func dropLargest(_ x: inout MutableSpan<Float>) {
    x.withUnsafeMutableBufferPointer { x in
      guard let p = x.baseAddress else { return }
      tincture_drop_from(threshold, &ties, p, x.count)
    }
  }

  /// Sets elements to zero whose score lies below the threshold; of those on it, the first ones stay
  /// while ties last.
  public mutating func keep(_ x: inout MutableSpan<Float>, whereLargest score: Span<Float>) {
    let threshold = threshold
    var ties = ties
    Kernels.call(score, &x) { s, x, n in tincture_keep_where(s, threshold, &ties, x, n) }
    self.ties = ties
  }
}
