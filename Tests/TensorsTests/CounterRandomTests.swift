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
    "Dropping by rank compares with one other element",
    arguments: [
      Floats(), [3], [0], [1, 1], [-2, 1], Floats(repeating: 0, count: 40),
      Floats(repeating: -1.5, count: 301), Adversarial.repetitive(2000, seed: 92),
      Adversarial.ordinary(3000, seed: 93),
      Floats((0..<500).map { Float(bitPattern: UInt32($0 * 7)) }),
      Floats(Adversarial.floats(3000, seed: 94).filter { !$0.isNaN }),
      [.leastNonzeroMagnitude, Float(bitPattern: 0x7fff_ffff), .infinity, 0],
    ], [(0.45, 0.05), (0.01, 0.49), (0.5, 0.0), (0.0, 0.5), (0.9, 0.1), (0.99, 0.05)])
  func comparisons(values: Floats, range: (low: Double, spread: Double)) {
    for start in [0, 123] {
      let kept = Self.kept(values, range, Self.random, from: start)
      #expect(kept == Self.compared(values, range, Self.random, from: start))
    }
  }

  @Test("Dropping by rank compares with one other element in rows of every length")
  func shortRows() {
    for length in 1..<600 {
      let random = CounterRandom(seed: UInt64(length), tensor: "t", purpose: "ties")
      let values = Floats((0..<length).map { Float(random.bits(at: $0) % 5) - 2 })
      let range = length % 2 == 0 ? (low: 0.01, spread: 0.49) : (low: 0.3, spread: 0.2)
      let kept = Self.kept(values, range, random, from: 7 * length)
      #expect(kept == Self.compared(values, range, random, from: 7 * length), "\(length) elements")
    }
  }

  /// Kept counts are binomial at every rank, and those of two ranks are independent.
  @Test(
    "The share that stays follows the rank, within five standard deviations",
    arguments: [
      Floats((0..<9).map { Float($0 * 5 % 9) - 4.25 }), [2, 2, 2, 1, 1, 0, 0, 0, 3], [5], [1, -2],
    ])
  func sharesByRank(values: Floats) {
    let (count, low, spread) = (20_000, 0.2, 0.25)
    var kept = [[Bool]]()
    for trial in 0..<count {
      kept.append(Self.kept(values, (low, spread), Self.random, from: trial * 16))
    }
    let order = values.indices.sorted {
      (values[$0].magnitude, $0) < (values[$1].magnitude, $1)
    }
    let step = values.count > 1 ? 2 * spread / Double(values.count - 1) : 0
    let base = values.count > 1 ? low : low + spread
    let chances = order.indices.map { base + step * Double($0) }
    func expect(_ count: Int, of trials: Int, chance: Double, _ what: String) {
      let deviation = (chance * (1 - chance) * Double(trials)).squareRoot()
      #expect((Double(count) - chance * Double(trials)).magnitude < 5 * deviation, "\(what)")
    }
    for (rank, index) in order.enumerated() {
      expect(kept.count { $0[index] }, of: count, chance: chances[rank], "rank \(rank)")
      for (other, second) in order.enumerated() where other < rank {
        expect(
          kept.count { $0[index] && $0[second] }, of: count, chance: chances[rank] * chances[other],
          "ranks \(other) and \(rank)")
      }
    }
  }

  /// What the kernel leaves of a row.
  private static func kept(
    _ values: Floats, _ range: (low: Double, spread: Double), _ random: CounterRandom,
    from start: Int
  ) -> [Bool] {
    var mask = ContiguousArray<UInt8>(repeating: 255, count: (values.count + 7) / 8)
    var bits = mask.mutableSpan
    random.keepByRank(values.span, low: range.low, spread: range.spread, from: start, bits: &bits)
    let unused = mask.count * 8 - values.count
    #expect(unused == 0 || mask[mask.count - 1] >> (8 - unused) == 0, "bits beyond the row")
    return values.indices.map { mask[$0 / 8] >> ($0 % 8) & 1 == 1 }
  }

  /// The same, one element after the other.
  private static func compared(
    _ values: Floats, _ range: (low: Double, spread: Double), _ random: CounterRandom,
    from start: Int
  ) -> [Bool] {
    let count = values.count
    let top = count > 1 ? range.low + 2 * range.spread : range.low + range.spread
    let bounds = [count > 1 ? range.low : top, top].map {
      UInt32(min(($0 * 0x1p32).rounded(.up), 0x1p32 - 1))
    }
    return values.indices.map { index in
      let number = UInt32(random.uniform(at: index, ofRowFrom: start) * 0x1p32)
      guard number >= bounds[0] else { return true }
      guard number < bounds[1] else { return false }
      var other = Int(
        Double(number - bounds[0]) * (Double(count - 1) / Double(bounds[1] - bounds[0])))
      if other >= index { other += 1 }
      let (size, own) = (values[other].magnitude.bitPattern, values[index].magnitude.bitPattern)
      return (size, other) < (own, index)
    }
  }
}
