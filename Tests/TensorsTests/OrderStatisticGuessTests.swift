import Testing
import TinctureTensors

@Suite("Order statistics with expected ranks")
struct OrderStatisticGuessTests {
  private static let count = 200_000

  private func numbers(_ shape: (Float, Int) -> Float) -> ContiguousArray<Float> {
    let random = CounterRandom(seed: 5, tensor: "numbers", purpose: "test")
    return ContiguousArray(
      (0..<Self.count).map { shape(Float(random.uniform(at: $0)) - 0.5, $0) })
  }

  private func finding(
    _ values: ContiguousArray<Float>, rank: Int, expecting: [Double], skipsZeros: Bool = false
  ) -> (finding: OrderStatistic.Finding?, refined: Bool) {
    var statistic = OrderStatistic(.magnitude, expecting: expecting, skipsZeros: skipsZeros)
    for start in stride(from: 0, to: values.count, by: 4096) {
      statistic.count(values.span.extracting(start..<min(start + 4096, values.count)))
    }
    statistic.select([rank])
    let refined = statistic.needsRefinement
    if refined { statistic.refine(values.span) }
    return (statistic.finding(rank: rank), refined)
  }

  private func check(_ found: OrderStatistic.Finding?, _ values: ContiguousArray<Float>, rank: Int)
  {
    let sorted = values.map(\.magnitude).sorted()
    #expect(found?.value == sorted[rank])
    #expect(found?.smaller == sorted.firstIndex(of: sorted[rank]))
    #expect(found?.equal == sorted.count { $0 == sorted[rank] })
  }

  @Test(
    "A guess from numbers like all others saves the second pass", arguments: [0.1, 0.5, 0.7, 0.95])
  func holds(fraction: Double) {
    let values = numbers { value, _ in value * value * value }
    let rank = Int(fraction * Double(Self.count))
    let result = finding(values, rank: rank, expecting: [fraction])
    #expect(!result.refined)
    check(result.finding, values, rank: rank)
  }

  @Test("A guess from numbers unlike all others is replaced by the second pass")
  func fails() {
    let values = numbers { value, index in index < 80_000 ? value * 1e-6 : value }
    let rank = Self.count * 9 / 10
    let result = finding(values, rank: rank, expecting: [0.9])
    #expect(result.refined)
    check(result.finding, values, rank: rank)
  }

  @Test("Coarse numbers with many ties and zeros are found exactly", arguments: [false, true])
  func ties(skipsZeros: Bool) {
    let values = numbers { value, _ in (value * 20).rounded() / 1024 }
    let rank = Self.count * 7 / 10
    let result = finding(values, rank: rank, expecting: [0.7], skipsZeros: skipsZeros)
    check(result.finding, values, rank: rank)
  }

  @Test("A rank other than the expected one is found all the same")
  func other() {
    let values = numbers { value, _ in value }
    check(finding(values, rank: 12, expecting: [0.9]).finding, values, rank: 12)
  }
}
