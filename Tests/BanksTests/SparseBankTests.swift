import Foundation
import SystemPackage
import Testing
import TinctureBanks
import TinctureMergeTesting
import TinctureTensors

@Suite("Sparse banks")
struct SparseBankTests {
  /// What the definition keeps: sorted by magnitude, ties by index, without zeros.
  private func band(_ vector: [Float], density: Double, outliers: Double) -> [Int] {
    let top = Int(outliers * Double(vector.count))
    let keep = Int(density * Double(vector.count))
    let order = vector.indices.sorted {
      (vector[$1].magnitude, $0) < (vector[$0].magnitude, $1)
    }
    return order.dropFirst(top).prefix(keep).filter { vector[$0] != 0 }.sorted()
  }

  private func decode(_ vector: BankVector, _ range: Range<Int>) throws -> ContiguousArray<Float> {
    var values = ContiguousArray<Float>(repeating: .nan, count: range.count)
    var span = values.mutableSpan
    try vector.decode(range, into: &span)
    return values
  }

  @Test(
    "The band of the definition is kept, the rest is zero",
    arguments: [(0.1, 0.01), (0.5, 0.2), (1, 0), (0.02, 0.98)],
    [3, 16, 32])
  func selection(band fractions: (density: Double, outliers: Double), bits: Int) async throws {
    let fixture = try BankFixture()
    let bank = try await fixture.create(
      BankCodec(
        .sparse, bits: bits, density: fractions.density, outliers: fractions.outliers))
    #expect(try bank.faults().isEmpty)
    for (name, model) in fixture.experts {
      let read = try fixture.read(name)
      for tensor in model.tensors {
        guard let record = try bank.record(tensor.name, of: name) else { continue }
        let base = try #require(fixture.base[tensor.name])
        let own = zip(tensor.values, base).map { $0 - $1 }
        guard case .sparse(let layout) = record.content else {
          #expect(record.content == .constant(0.25) || own.count * 2 / 100 < 1)
          #expect(read[tensor.name] == tensor.values)
          continue
        }
        let kept = band(own, density: fractions.density, outliers: fractions.outliers)
        #expect(layout.kept == kept.count)
        let vector = try #require(bank.vector(tensor.name, of: .expert(name)))
        let values = try decode(vector, 0..<own.count)
        let range = kept.map { own[$0] }
        let width = (range.max() ?? 0) - (range.min() ?? 0)
        let step: [Int: Float] = [16: 0x1p-8, 32: 0]
        var isKept = own.map { _ in false }
        for index in kept { isKept[index] = true }
        var lost = 0.0
        for (index, value) in values.enumerated() {
          let wanted = isKept[index] ? own[index] : 0
          let slack = step[bits].map { $0 * wanted.magnitude } ?? width / Float((1 << bits) - 1)
          #expect((value - wanted).magnitude <= slack * 1.001 + 1e-9)
          lost += Double(value - own[index]) * Double(value - own[index])
        }
        #expect((lost - record.squaredError).magnitude <= 1e-6 * lost + 1e-12)
        #expect(record.squaredNorm > 0)
      }
    }
  }

  @Test("Of equal magnitudes the first count as larger, and zeros are not kept")
  func ties() async throws {
    let pattern: [Float] = [0, 2, -2, 1, 0, -1, 3, 1, 2, -0.0]
    let vector = (0..<200).flatMap { _ in pattern }
    for (density, outliers) in [(0.1, 0.01), (0.3, 0.15), (0.6, 0.25), (0.9, 0.1)] {
      let fixture = try BankFixture(vector: vector)
      let bank = try await fixture.create(
        BankCodec(.sparse, bits: 32, density: density, outliers: outliers))
      let read = try decode(
        try #require(bank.vector("x.weight", of: .expert("e0"))), 0..<vector.count)
      let kept = Set(band(vector, density: density, outliers: outliers))
      for (index, value) in read.enumerated() {
        #expect(value == (kept.contains(index) ? vector[index] : 0))
      }
    }
  }

  @Test("Short vectors, constants and vectors of outliers need no index")
  func elision() async throws {
    let short = try await BankFixture(vector: [1, 2, 3, 4, 5, 6, 7, 8, 9]).create(
      BankCodec(.sparse))
    #expect(try short.record("x.weight", of: "e0")?.content == .elements)
    let constant = try await BankFixture(vector: [Float](repeating: 2, count: 50)).create(
      BankCodec(.sparse))
    #expect(try constant.record("x.weight", of: "e0")?.content == .constant(2))
    var lonely = [Float](repeating: 0, count: 200)
    lonely[17] = 3
    let bank = try await BankFixture(vector: lonely).create(BankCodec(.sparse))
    let record = try #require(try bank.record("x.weight", of: "e0"))
    #expect(record.content == .constant(0))
    #expect(record.squaredError == 9)
    lonely[18] = -1
    let one = try await BankFixture(vector: lonely).create(BankCodec(.sparse))
    let vector = try #require(one.vector("x.weight", of: .expert("e0")))
    // The first two of 200 are outliers.
    lonely[20] = 0.5
    #expect(vector.record.content == .constant(0))
    let last = try await BankFixture(vector: lonely).create(BankCodec(.sparse))
    let kept = try #require(last.vector("x.weight", of: .expert("e0")))
    #expect(try decode(kept, 15..<23) == [0, 0, 0, 0, 0, 0.5, 0, 0])
  }

  @Test("Any range is read alone", arguments: [0.004, 0.1, 0.7])
  func ranges(density: Double) async throws {
    let random = CounterRandom(seed: 8, tensor: "x", purpose: "test")
    let vector = (0..<30_000).map { Float(random.uniform(at: $0)) - 0.5 }
    let bank = try await BankFixture(vector: vector).create(
      BankCodec(.sparse, bits: 5, density: density))
    #expect(try bank.faults().isEmpty)
    let stored = try #require(bank.vector("x.weight", of: .expert("e0")))
    let whole = try decode(stored, 0..<vector.count)
    for range in [
      0..<0, 0..<1, 29_999..<30_000, 30_000..<30_000, 4095..<4097, 4096..<8192, 8191..<20_001,
      12_345..<12_346, 5..<29_000,
    ] {
      #expect(try decode(stored, range) == ContiguousArray(whole[range]))
      let g = ContiguousArray(range.map { Float(random.uniform(at: $0 + 1 << 20)) - 0.3 })
      var expected = 0.0
      Kernels.addDot(g.span, whole.span.extracting(range), to: &expected)
      let product = try stored.dot(g.span, over: range)
      #expect((product - expected).magnitude <= 1e-9 * (1 + expected.magnitude))
      var (sum, twin) = (g, g)
      var sumSpan = sum.mutableSpan
      var twinSpan = twin.mutableSpan
      try stored.add(range, times: -0.7, to: &sumSpan)
      Kernels.add(whole.span.extracting(range), times: -0.7, to: &twinSpan)
      #expect(sum == twin)
    }
  }

  @Test("Places take about as many bits as random ones must", arguments: [0.01, 0.1, 0.3, 0.5])
  func entropy(density: Double) async throws {
    let random = CounterRandom(seed: 9, tensor: "x", purpose: "test")
    let vector = (0..<300_000).map { Float(random.uniform(at: $0)) - 0.5 }
    let bank = try await BankFixture(vector: vector).create(BankCodec(.sparse, density: density))
    let record = try #require(try bank.record("x.weight", of: "e0"))
    guard case .sparse(let layout) = record.content else {
      Issue.record("The vector is not stored as its elements' places.")
      return
    }
    #expect(layout.kept == Int(density * 300_000))
    let entropy = -(density * log2(density) + (1 - density) * log2(1 - density))
    let bytes =
      bank.byteCount("x.weight", of: .expert("e0")) - PackedCodes.byteCount(layout.kept, bits: 8)
    let bits = Double(8 * bytes) / Double(layout.kept)
    #expect(bits < 1.06 * entropy / density)
  }
}
