import Testing
import TinctureBanks
import TinctureCheckpoints
import TinctureMerging
import TinctureTensors

@Suite("Experts that are read with the base at hand")
struct FoundationTests {
  private static let codecs = [
    BankCodec(.tvq, bits: 3), BankCodec(.tvq, bits: 2, grouping: .run(64)),
    BankCodec(.rtvq, bits: 2, baseBits: 3), BankCodec(.affine, bits: 4), BankCodec(.tall),
    BankCodec(.emr), BankCodec(.raw),
  ]

  @Test(
    "The base's elements at hand change no bit", arguments: codecs, [DType.f32, .bf16, .f16])
  func sameBits(codec: BankCodec, dtype: DType) async throws {
    let fixture = try BankFixture(dtype: dtype)
    try await fixture.create(codec)
    let base = try fixture.input("base.safetensors")
    let window = ReadWindow(byteCount: 1 << 16)
    var compared = 0
    for expert in fixture.experts.map(\.name) {
      let model = try fixture.input("x.bank#\(expert)", base: base)
      for name in model.checkpoint.names {
        let reader = try #require(try model.reader(name))
        guard let foundation = reader.foundation else { continue }
        let count = reader.shape.elementCount
        // Also a range that begins and ends within a byte of codes.
        for range in [0..<count, count / 3..<count - count / 5] {
          var own = ContiguousArray<Float>(repeating: 0, count: range.count)
          var built = ContiguousArray<Float>(repeating: 1, count: range.count)
          var under = ContiguousArray<Float>(repeating: 0, count: range.count)
          var first = own.mutableSpan
          var second = built.mutableSpan
          var third = under.mutableSpan
          let largest = try reader.read(range, into: &first, window: window)
          _ = try foundation.read(range, into: &third, window: window)
          let again = try reader.read(range, onto: third.span, into: &second, window: window)
          #expect(largest == again)
          #expect(own.map(\.bitPattern) == built.map(\.bitPattern), "\(name)")
          compared += 1
        }
      }
    }
    #expect(codec.kind == .raw || codec.kind == .affine || compared > 0)
  }
}
