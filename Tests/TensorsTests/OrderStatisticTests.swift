import Testing
import TinctureTensors

/// Numbers whose order statistics are looked for.
struct OrderSample: Sendable, CustomStringConvertible {
  let description: String
  let values: Floats

  static let all: [OrderSample] = [
    .init(description: "a single number", values: [-3]),
    .init(description: "all equal", values: Floats(repeating: -0.25, count: 100)),
    .init(description: "all zeros, of both signs", values: [0, -0.0, 0, -0.0, 0]),
    .init(
      description: "subnormal", values: Floats((0..<300).map { Float(bitPattern: UInt32($0)) })),
    .init(description: "many ties", values: Adversarial.repetitive(3000, seed: 71)),
    .init(description: "ordinary", values: Adversarial.ordinary(5000, seed: 72)),
    .init(
      description: "infinite and tiny",
      values: Floats(Adversarial.floats(3000, seed: 73).filter { !$0.isNaN })),
  ]
}

@Suite("Order statistics without sorting")
struct OrderStatisticTests {
  @Test(
    "Every rank is what sorting gives", arguments: OrderSample.all,
    [OrderStatistic.Order.magnitude, .value])
  func equalsSorting(sample: OrderSample, order: OrderStatistic.Order) throws {
    let keys = sample.values.map { order == .magnitude ? $0.magnitude : $0 }
    let sorted = keys.sorted()
    let last = sorted.count - 1
    let ranks = Array(Set([0, last / 4, last / 2, last * 3 / 4, last])).sorted()
    var statistic = OrderStatistic(order)
    Self.feed(sample.values) { statistic.count($0.span) }
    #expect(statistic.total == sorted.count)
    statistic.select(ranks)
    Self.feed(sample.values) { statistic.refine($0.span) }
    for rank in ranks {
      let finding = try #require(statistic.finding(rank: rank))
      #expect(finding.value == sorted[rank])
      if order == .magnitude {
        #expect(finding.smaller == keys.count { $0 < sorted[rank] })
        #expect(finding.equal == keys.count { $0 == sorted[rank] })
      }
    }
    #expect(statistic.finding(rank: sorted.count) == nil)
  }

  @Test("Counts of several parts add up to those of the whole")
  func addition() {
    let values = Adversarial.repetitive(4000, seed: 74)
    let parts = [Floats(values[..<1000]), Floats(values[1000..<1001]), Floats(values[1001...])]
    var whole = OrderStatistic(.magnitude)
    whole.count(values.span)
    var sum = OrderStatistic(.magnitude)
    for part in parts {
      var statistic = OrderStatistic(.magnitude)
      statistic.count(part.span)
      sum.add(counts: statistic)
    }
    whole.select([100, 2000])
    sum.select([100, 2000])
    let selected = sum
    whole.refine(values.span)
    for part in parts {
      var statistic = selected
      statistic.refine(part.span)
      sum.add(refinements: statistic)
    }
    for rank in [100, 2000] { #expect(sum.finding(rank: rank) == whole.finding(rank: rank)) }
  }

  @Test("Counts beyond four billion do not overflow")
  func manyElements() throws {
    let zeros = Floats(repeating: 0, count: 1 << 12)
    var statistic = OrderStatistic(.magnitude)
    statistic.count(zeros.span)
    for _ in 0..<24 { statistic.add(counts: statistic) }
    let total = 1 << 36
    #expect(statistic.total == total)
    statistic.select([total / 2])
    statistic.refine(zeros.span)
    for _ in 0..<24 { statistic.add(refinements: statistic) }
    let finding = try #require(statistic.finding(rank: total / 2))
    #expect(finding.value == 0)
    #expect(finding.equal == total)
  }

  // In pieces of odd sizes, as blocks arrive.
  private static func feed(_ values: Floats, _ body: (Floats) -> Void) {
    for start in stride(from: 0, to: values.count, by: 997) {
      body(Floats(values[start..<min(start + 997, values.count)]))
    }
  }
}

@Suite("Cuts by magnitude")
struct MagnitudeCutTests {
  @Test("The largest stay, of equal ones the first", arguments: OrderSample.all)
  func largest(sample: OrderSample) {
    let values = sample.values
    let order = Self.descending(values)
    for count in Set([0, 1, values.count / 3, values.count - 1, values.count]).sorted() {
      let kept = Set(order.prefix(count))
      let expected = Floats(values.indices.map { kept.contains($0) ? values[$0] : 0 })
      for piece in [values.count, 1, 7] {
        var cut = Self.cut(values, keeping: count)
        let got = Self.inPieces(values, piece) { cut.keepLargest(&$0) }
        #expect(got == expected, "\(count) kept, in pieces of \(piece)")
      }
    }
  }

  @Test("The largest go, of equal ones the first", arguments: OrderSample.all)
  func dropping(sample: OrderSample) {
    let values = sample.values
    let order = Self.descending(values)
    for count in Set([0, 1, values.count / 3, values.count]).sorted() {
      let dropped = Set(order.prefix(count))
      let expected = Floats(values.indices.map { dropped.contains($0) ? 0 : values[$0] })
      for piece in [values.count, 1, 7] {
        var cut = Self.cut(values, keeping: count)
        #expect(Self.inPieces(values, piece) { cut.dropLargest(&$0) } == expected)
      }
    }
  }

  @Test("A mask names the elements that stay", arguments: OrderSample.all)
  func mask(sample: OrderSample) {
    let values = sample.values
    let order = Self.descending(values)
    for count in Set([0, 1, values.count / 3, values.count]).sorted() {
      let kept = Set(order.prefix(count))
      for piece in [values.count, 7, 40] {
        var cut = Self.cut(values, keeping: count)
        var got: [Bool] = []
        for start in stride(from: 0, to: values.count, by: piece) {
          let part = Floats(values[start..<min(start + piece, values.count)])
          var bits = ContiguousArray<UInt8>(repeating: 255, count: (part.count + 7) / 8)
          var span = bits.mutableSpan
          cut.mask(part.span, into: &span)
          got += part.indices.map { bits[$0 / 8] >> ($0 % 8) & 1 == 1 }
        }
        #expect(got == values.indices.map { kept.contains($0) })
      }
    }
  }

  @Test("A cut with unlimited ties keeps everything from the threshold on")
  func unlimited() {
    let values: Floats = [1, -2, 2, 3, 0, -1]
    var cut = MagnitudeCut(at: 2, ties: .max)
    #expect(values.changed { cut.keepLargest(&$0) } == [0, -2, 2, 3, 0, 0])
    var all = MagnitudeCut(at: 0, ties: .max)
    #expect(values.changed { all.keepLargest(&$0) } == values)
  }

  private static func descending(_ values: Floats) -> [Int] {
    values.indices.sorted {
      (values[$1].magnitude, $0) < (values[$0].magnitude, $1)
    }
  }

  private static func cut(_ values: Floats, keeping count: Int) -> MagnitudeCut {
    let sizes = values.map(\.magnitude).sorted()
    guard count > 0 else { return MagnitudeCut(at: sizes.last ?? 0, ties: 0) }
    let threshold = sizes[sizes.count - count]
    return MagnitudeCut(at: threshold, ties: count - sizes.count { $0 > threshold })
  }

  private static func inPieces(
    _ values: Floats, _ size: Int, _ body: (inout MutableSpan<Float>) -> Void
  ) -> Floats {
    var result = Floats()
    for start in stride(from: 0, to: values.count, by: max(1, size)) {
      result += Floats(values[start..<min(start + max(1, size), values.count)]).changed(body)
    }
    return result
  }
}
