internal import CTinctureKernels

/// Finds exact order statistics of a series of numbers that can be gone through again and again.
///
/// With a sample of the series, one pass mostly suffices (`RankBracket`); without one, or where it
/// misled, two more are made (`OrderStatistic`). The findings are the same.
///
/// ```swift
/// while !search.isFinished {
///   for piece in series { search.count(piece) }
///   search.endPass(ranks: ranks)
/// }
/// ```
public struct RankSearch: Sendable {
  private enum Stage {
    case brackets([RankBracket])
    case upper(OrderStatistic)
    case lower(OrderStatistic)
    case finished
  }

  private let order: OrderStatistic.Order
  private var stage: Stage
  private var sampled: [UInt32] = []
  private var sampledZeros = 0
  private var found: [Int: OrderStatistic.Finding] = [:]
  /// Memory that is not in use: what the search was given and, when it is finished, what it used.
  public private(set) var tables: [[UInt32]]

  /// How many numbers a sample should have.
  public static let sampleCount = 65_536

  /// The memory of a search, in bytes.
  ///
  /// - Parameters:
  ///   - ranks: How many ranks are looked for.
  ///   - sampling: Whether there is a sample.
  /// - Returns: An upper bound.
  public static func memory(ranks: Int, sampling: Bool) -> Int {
    max(OrderStatistic.memory(ranks: ranks), sampling ? ranks * RankBracket.memory + 1 << 18 : 0)
  }

  /// Starts a search.
  ///
  /// - Parameters:
  ///   - order: What is ordered.
  ///   - tables: Those of earlier searches, since fresh memory costs more than clearing these.
  public init(_ order: OrderStatistic.Order, reusing tables: [[UInt32]] = []) {
    self.order = order
    self.tables = tables
    stage = .upper(OrderStatistic(order))
  }

  /// Takes numbers into the sample, before the first pass.
  public mutating func sample(_ x: Span<Float>) {
    if sampled.isEmpty { sampled = [UInt32](repeating: 0, count: 65_536) }
    sampledZeros += x.count - Kernels.countNonzero(x)
    let flag = order.flag
    sampled.withUnsafeMutableBufferPointer { counts in
      x.withUnsafeBufferPointer { x in
        guard let p = x.baseAddress, let counts = counts.baseAddress else { return }
        tincture_histogram_high(p, flag, counts, x.count)
      }
    }
  }

  /// Ends the sample.
  ///
  /// - Parameters:
  ///   - fractions: The wanted ranks as fractions of the number of elements.
  ///   - skippingZeros: Whether these are fractions of the elements that are not zero.
  public mutating func expect(_ fractions: [Double], skippingZeros: Bool = false) {
    guard !sampled.isEmpty else { return }
    let zeros = skippingZeros ? sampledZeros : 0
    var brackets: [RankBracket] = []
    for fraction in fractions {
      let bracket = RankBracket(
        around: fraction, of: sampled, besides: zeros, order, reusing: &tables)
      if let bracket { brackets.append(bracket) }
    }
    sampled = []
    if brackets.count == fractions.count { stage = .brackets(brackets) }
  }

  /// Counts numbers.
  ///
  /// - Parameter x: The numbers.
  /// - Complexity: O(n) for each rank.
  public mutating func count(_ x: Span<Float>) {
    // Taken out of the stage, so that no table is copied.
    let current = stage
    stage = .finished
    switch consume current {
    case .brackets(var brackets):
      for index in brackets.indices { brackets[index].count(x) }
      stage = .brackets(brackets)
    case .upper(var statistic):
      statistic.count(x)
      stage = .upper(statistic)
    case .lower(var statistic):
      statistic.refine(x)
      stage = .lower(statistic)
    case .finished: break
    }
  }

  /// Ends a pass over all numbers.
  ///
  /// - Parameter ranks: The wanted ranks, counted from zero; the same after every pass.
  public mutating func endPass(ranks: [Int]) {
    switch stage {
    case .brackets(let brackets):
      for rank in ranks {
        for bracket in brackets { found[rank] = found[rank] ?? bracket.finding(rank: rank) }
      }
      if found.count == Set(ranks).count {
        tables += brackets.map(\.table)
        stage = .finished
      } else {
        tables = []
        stage = .upper(OrderStatistic(order))
      }
    case .upper(var statistic):
      statistic.select(ranks)
      stage = .lower(statistic)
    case .lower(let statistic):
      for rank in ranks { found[rank] = statistic.finding(rank: rank) }
      stage = .finished
    case .finished: break
    }
  }

  /// Whether no further pass is needed.
  public var isFinished: Bool {
    if case .finished = stage { true } else { false }
  }

  /// The number that has one of the wanted ranks.
  public func finding(rank: Int) -> OrderStatistic.Finding? { found[rank] }
}
