import Testing
import TinctureTensors

@Suite("Order statistics found with the help of a sample")
struct RankSearchTests {
  private static let count = 200_000

  private func numbers(_ shape: (Float, Int) -> Float) -> ContiguousArray<Float> {
    let random = CounterRandom(seed: 5, tensor: "numbers", purpose: "test")
    return ContiguousArray(
      (0..<Self.count).map { shape(Float(random.uniform(at: $0)) - 0.5, $0) })
  }

  /// Searches with the first 65,536 numbers as the sample.
  private func search(
    _ values: ContiguousArray<Float>, ranks: [Int], expecting: [Double], skipsZeros: Bool = false,
    order: OrderStatistic.Order = .magnitude
  ) -> (findings: [OrderStatistic.Finding?], passes: Int) {
    var search = RankSearch(order)
    search.sample(values.span.extracting(0..<min(65_536, values.count)))
    search.expect(expecting, skippingZeros: skipsZeros)
    var passes = 0
    while !search.isFinished {
      for start in stride(from: 0, to: values.count, by: 4099) {
        search.count(values.span.extracting(start..<min(start + 4099, values.count)))
      }
      search.endPass(ranks: ranks)
      passes += 1
    }
    return (ranks.map { search.finding(rank: $0) }, passes)
  }

  private func check(
    _ found: OrderStatistic.Finding?, _ values: ContiguousArray<Float>, rank: Int,
    order: OrderStatistic.Order = .magnitude
  ) {
    let sorted = values.map { order == .magnitude ? $0.magnitude : $0 }.sorted()
    #expect(found?.value == sorted[rank])
    #expect(found?.smaller == sorted.firstIndex(of: sorted[rank]))
    #expect(found?.equal == sorted.count { $0 == sorted[rank] })
  }

  @Test(
    "A sample like all others makes one pass enough", arguments: [0.1, 0.5, 0.7, 0.95, 0.999])
  func holds(fraction: Double) {
    let values = numbers { value, _ in value * value * value }
    let rank = Int(fraction * Double(Self.count))
    let result = search(values, ranks: [rank], expecting: [fraction])
    #expect(result.passes == 1)
    check(result.findings[0], values, rank: rank)
  }

  @Test("Signed numbers are searched, too", arguments: [0.25, 0.75])
  func signed(fraction: Double) {
    let values = numbers { value, _ in value * value * value }
    let rank = Int(fraction * Double(Self.count))
    let result = search(values, ranks: [rank], expecting: [fraction], order: .value)
    #expect(result.passes == 1)
    check(result.findings[0], values, rank: rank, order: .value)
  }

  @Test("Several ranks are found together, and two more passes help where one bracket misses")
  func several() {
    let values = numbers { value, _ in value }
    let ranks = [Self.count / 5, Self.count * 4 / 5]
    for (expecting, passes) in [([0.2, 0.8], 1), ([0.2, 0.5], 3)] {
      let result = search(values, ranks: ranks, expecting: expecting)
      #expect(result.passes == passes)
      for (rank, finding) in zip(ranks, result.findings) { check(finding, values, rank: rank) }
    }
  }

  @Test("A sample unlike all others costs passes, not exactness")
  func fails() {
    let values = numbers { value, index in index < 80_000 ? value * 1e-6 : value }
    let rank = Self.count * 9 / 10
    let result = search(values, ranks: [rank], expecting: [0.9])
    #expect(result.passes == 3)
    check(result.findings[0], values, rank: rank)
  }

  @Test("Coarse numbers with many ties and zeros are found exactly", arguments: [false, true])
  func ties(skipsZeros: Bool) {
    let values = numbers { value, _ in (value * 20).rounded() / 1024 }
    let rank = Self.count * 7 / 10
    let result = search(values, ranks: [rank], expecting: [0.7], skipsZeros: skipsZeros)
    check(result.findings[0], values, rank: rank)
  }

  @Test("Without a sample, or with one of zeros only, two passes are made")
  func withoutSample() {
    let values = numbers { value, _ in value }
    var search = RankSearch(.magnitude)
    search.expect([0.5])
    var passes = 0
    while !search.isFinished {
      search.count(values.span)
      search.endPass(ranks: [77])
      passes += 1
    }
    #expect(passes == 2)
    check(search.finding(rank: 77), values, rank: 77)
    let zeros = numbers { _, _ in 0 }
    let result = self.search(zeros, ranks: [5], expecting: [0.5], skipsZeros: true)
    check(result.findings[0], zeros, rank: 5)
  }

  @Test("A rank beyond the numbers has no finding")
  func beyond() {
    let values = numbers { value, _ in value }
    #expect(search(values, ranks: [Self.count], expecting: [0.5]).findings == [nil])
  }
}
