import SystemPackage
import Testing
import TinctureBanks
import TinctureMergeTesting
import TinctureSafetensors
import TinctureTensors

@Suite("Hostile banks")
struct HostileBankTests {
  private func vector(_ count: Int) -> [Float] {
    let random = CounterRandom(seed: 5, tensor: "x", purpose: "test")
    return (0..<count).map { Float(random.uniform(at: $0)) - 0.5 }
  }

  /// Reads a bank in pieces as a merge would, which looks at no digest.
  ///
  /// - Returns: Whether the numbers could be read; then they were finite.
  private func reads(_ path: FilePath) throws -> Bool {
    do throws(TinctureError) {
      let bank = try ExpertBank(opening: path)
      guard let stored = bank.vector("x.weight", of: .expert("e0")) else { return false }
      let count = stored.record.shape.elementCount
      var values = ContiguousArray<Float>(repeating: .nan, count: count)
      for start in stride(from: 0, to: count, by: 5003) {
        let range = start..<min(start + 5003, count)
        var all = values.mutableSpan
        var part = all._mutatingExtracting(range)
        try stored.decode(range, into: &part)
        _ = try stored.dot(values.span.extracting(range), over: range)
        var sum = values.mutableSpan
        var sumPart = sum._mutatingExtracting(range)
        try stored.add(range, times: 0, to: &sumPart)
      }
      #expect(!values.contains { !$0.isFinite })
      return true
    } catch {
      #expect(error.code == .checkpoint)
      #expect(error.place.file == path.string)
      #expect(error.place.tensor != nil)
      return false
    }
  }

  @Test(
    "Whatever byte is changed, reading gives finite numbers or says what is damaged",
    arguments: [
      BankCodec(.sparse, bits: 7, density: 0.3), BankCodec(.sparse, bits: 32, density: 0.02),
      BankCodec(.binary, bits: 2, grouping: .run(100), rounds: 2),
      BankCodec(.binary, bits: 4, grouping: .run(300), scaleTerms: 0, rounds: 2),
    ])
  func everyByte(codec: BankCodec) async throws {
    let fixture = try BankFixture(vector: vector(4501))
    let bank = try await fixture.create(codec)
    #expect(try reads(fixture.path("x.bank")))
    var refused = 0
    let container = try SafetensorsFile(opening: bank.file.path)
    for part in container.header.tensors {
      let start = part.byteOffset - container.header.dataOffset
      // Of the many codes of values, any of which is one, some will do.
      let step = part.dtype == .u8 && part.byteCount > 1000 ? 7 : 1
      for place in stride(from: start, to: start + part.byteCount, by: step) {
        for change in [0x01, 0xff] as [UInt8] {
          let path = try fixture.rewrite(changing: { $0[place] ^= change })
          if try !reads(path) { refused += 1 }
          if place % 5 == 0 { #expect(try !ExpertBank(opening: path).faults().isEmpty) }
        }
      }
    }
    // Almost any bytes are signs and scales.
    #expect(codec.kind == .binary || refused > 10)
  }

  @Test(
    "Records that do not fit their parts or are out of bounds are refused",
    arguments: [
      ("\"kept\":", "\"kept\":1"), ("\"kept\":", "\"kept\":-"), ("\"block\":", "\"block\":1"),
      ("\"block\":4096", "\"block\":8192"), ("\"block\":4096", "\"block\":4095"),
      ("\"block\":4096", "\"block\":2097152"), ("\"index_bytes\":", "\"index_bytes\":2"),
      ("\"bits\":7,\"scale\"", "\"bits\":8,\"scale\""), ("\"bits\":7,\"sc", "\"bits\":16,\"sc"),
      ("\"bits\":7,\"scale\"", "\"bits\":9,\"scale\""), ("\"scale\":", "\"scale\":-"),
      ("\"scale\":", "\"scale\":1e-44,\"x\":"), ("\"zero\":", "\"zero\":1e39,\"x\":"),
      ("\"outliers\":0.01", "\"outliers\":0.8"),
      ("\"density\":0.3", "\"density\":0"),
    ])
  func sparseRecords(old: String, new: String) async throws {
    let fixture = try BankFixture(vector: vector(9001))
    try await fixture.create(BankCodec(.sparse, bits: 7, density: 0.3))
    try expectRefusal(fixture, old, new)
  }

  @Test(
    "Binary records that do not fit their parts or are out of bounds are refused",
    arguments: [
      ("\"bits\":2,\"group\":100,\"terms\"", "\"bits\":3,\"group\":100,\"terms\""),
      ("\"bits\":2,\"group\":100,\"terms\"", "\"bits\":5,\"group\":100,\"terms\""),
      ("\"group\":100,\"terms\"", "\"group\":50,\"terms\""), ("\"terms\":2,", "\"terms\":0,"),
      ("\"group\":100,\"terms\"", "\"group\":0,\"terms\""), ("\"terms\":2,", "\"terms\":4,"),
      ("\"exponent\":", "\"exponent\":121,\"x\":"), ("\"exponent\":", "\"x\":"),
      ("\"scale_terms\":2", "\"scale_terms\":5"), ("\"rounds\":1", "\"rounds\":-1"),
      ("\"shape\":[1,4501]", "\"shape\":[1,9223372036854775807]"),
      ("\"shape\":[1,4501]", "\"shape\":[1,4599]"),
    ])
  func binaryRecords(old: String, new: String) async throws {
    let fixture = try BankFixture(vector: vector(4501))
    try await fixture.create(BankCodec(.binary, bits: 2, grouping: .run(100), rounds: 1))
    try expectRefusal(fixture, old, new)
  }

  private func expectRefusal(_ fixture: BankFixture, _ old: String, _ new: String) throws {
    let path = try fixture.rewrite(describing: { text in
      #expect(text.contains(old))
      return text.replacing(old, with: new, maxReplacements: 1)
    })
    #expect(throws: TinctureError.self) { _ = try ExpertBank(opening: path) }
  }
}
