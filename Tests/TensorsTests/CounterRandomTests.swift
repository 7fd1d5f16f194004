import Testing
import TinctureTensors

@Suite("Random numbers by index")
struct CounterRandomTests {
  static let random = CounterRandom(seed: 7, tensor: "layer.weight", model: 2, purpose: "tests")

  @Test("Numbers are those of SplitMix64 started at the key")
  func sequence() {
    var state = Self.random.key
    for index in 0..<1000 {
      state &+= 0x9e37_79b9_7f4a_7c15
      var z = state
      z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
      z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
      #expect(Self.random.bits(at: index) == z ^ (z >> 31))
    }
  }

  @Test("The seed, the tensor, the model and the purpose each give another stream")
  func streams() {
    let streams = [
      Self.random, CounterRandom(seed: 8, tensor: "layer.weight", model: 2, purpose: "tests"),
      CounterRandom(seed: 7, tensor: "layer.bias", model: 2, purpose: "tests"),
      CounterRandom(seed: 7, tensor: "layer.weight", model: 3, purpose: "tests"),
      CounterRandom(seed: 7, tensor: "layer.weight", purpose: "tests"),
      CounterRandom(seed: 7, tensor: "layer.weight", model: 2, purpose: "other"),
    ]
    #expect(Set(streams.map(\.key)).count == streams.count)
    #expect(
      Self.random == CounterRandom(seed: 7, tensor: "layer.weight", model: 2, purpose: "tests"))
  }

  @Test("Dropping does not depend on how the range is split", arguments: [0.0, 0.1, 0.5, 0.9, 1.0])
  func splits(probability: Double) {
    let values = Adversarial.floats(4097, seed: 91)
    let whole = values.changed { Self.random.drop(&$0, keeping: probability, from: 1000) }
    let twin = Floats(
      values.indices.map {
        Self.random.uniform(at: 1000 + $0) < probability ? values[$0] : 0
      })
    #expect(whole.differences(from: twin).isEmpty)
    for size in [1, 3, 16, 63, 1024] {
      var parts = Floats()
      for start in stride(from: 0, to: values.count, by: size) {
        parts += Floats(values[start..<min(start + size, values.count)]).changed {
          Self.random.drop(&$0, keeping: probability, from: 1000 + start)
        }
      }
      #expect(parts.differences(from: whole).isEmpty, "in pieces of \(size)")
    }
  }

  @Test("The share that stays is the probability, within four standard deviations")
  func share() {
    let count = 100_000
    for probability in [0.01, 0.3, 0.5, 0.95] {
      let kept = Floats(repeating: 1, count: count).changed {
        Self.random.drop(&$0, keeping: probability, from: 0)
      }.reduce(0, +)
      let deviation = (probability * (1 - probability) * Double(count)).squareRoot()
      #expect((Double(kept) - probability * Double(count)).magnitude < 4 * deviation)
    }
  }

  @Test(
    "Dropping by rank agrees with sorting",
    arguments: [
      Floats(), [3], [0], [1, 1], [-2, 1], Floats(repeating: 0, count: 40),
      Floats(repeating: -1.5, count: 301), Adversarial.repetitive(2000, seed: 92),
      Adversarial.ordinary(3000, seed: 93),
      Floats((0..<500).map { Float(bitPattern: UInt32($0 * 7)) }),
      Floats((0..<2000).map { 1 + Float($0 * 37 % 1000) * 1e-6 }),
      Floats(Adversarial.floats(3000, seed: 94).filter { !$0.isNaN }),
      [.leastNonzeroMagnitude, Float(bitPattern: 0x7fff_ffff), .infinity, 0],
    ], [(0.45, 0.15), (0.01, 0.49), (0.5, 0.0)])
  func ranks(values: Floats, range: (low: Double, spread: Double)) {
    var sum = 0.0
    Kernels.addMagnitudes(values.span, to: &sum)
    let expected = Self.sorted(values, range, Self.random, from: 123)
    // The sum is a hint: the decisions are the same without it.
    for hint in [sum, 0, .infinity, sum / 1000, sum * 1000] {
      let kept = Self.kept(values, range, Self.random, from: 123, hint: hint)
      #expect(kept.differences(from: expected).isEmpty)
    }
  }

  @Test("Dropping by rank agrees with sorting in short rows with many ties")
  func tiedRanks() {
    for row in 0..<2400 {
      let random = CounterRandom(seed: UInt64(row), tensor: "t", purpose: "ties")
      let (length, magnitudes) = (4 + row % 61, 2 + row % 5)
      let values = Floats(
        (0..<length).map {
          let size = Float(Int(random.uniform(at: 1000 + $0) * Double(magnitudes)))
          return (random.uniform(at: 2000 + $0) < 0.5 ? -size : size) / 4
        })
      let range = row % 2 == 0 ? (low: 0.01, spread: 0.49) : (low: 0.3, spread: 0.2)
      var sum = 0.0
      Kernels.addMagnitudes(values.span, to: &sum)
      let kept = Self.kept(values, range, random, from: 7 * row, hint: sum)
      let expected = Self.sorted(values, range, random, from: 7 * row)
      #expect(kept.differences(from: expected).isEmpty, "\(length) elements, seed \(row)")
    }
  }

  /// What the kernel leaves of a row, with zeros of one sign.
  private static func kept(
    _ values: Floats, _ range: (low: Double, spread: Double), _ random: CounterRandom,
    from start: Int, hint: Double
  ) -> Floats {
    var scratch = [UInt64](repeating: .max, count: 3)
    var mask = ContiguousArray<UInt8>(repeating: 255, count: (values.count + 7) / 8)
    var bits = mask.mutableSpan
    random.keepByRank(
      values.span, low: range.low, spread: range.spread, from: start, sum: hint, bits: &bits,
      scratch: &scratch)
    return positive(values.changed { Kernels.keep(&$0, where: mask.span) })
  }

  /// The same by sorting.
  private static func sorted(
    _ values: Floats, _ range: (low: Double, spread: Double), _ random: CounterRandom,
    from start: Int
  ) -> Floats {
    let order = values.indices.sorted {
      (values[$0].magnitude.bitPattern, $0) < (values[$1].magnitude.bitPattern, $1)
    }
    var expected = values
    for (rank, index) in order.enumerated() {
      let step = values.count > 1 ? 2 * range.spread / Double(values.count - 1) : 0
      let chance =
        values.count > 1 ? range.low + step * Double(rank) : range.low + range.spread
      if random.uniform(at: start + index) >= chance { expected[index] = 0 }
    }
    return positive(expected)
  }

  private static func positive(_ values: Floats) -> Floats {
    Floats(values.map { $0 == 0 ? 0 : $0 })
  }
}
