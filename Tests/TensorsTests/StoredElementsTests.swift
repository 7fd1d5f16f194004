import Testing
import TinctureTensors

@Suite("Experts kept in sixteen bits")
struct StoredElementsTests {
  typealias Format = StoredElements.Format

  /// Stored elements, what they are as numbers, a base and a third vector.
  private struct Vectors {
    let stored: StoredElements
    let base: Floats
    let other: Floats
    let differences: Floats

    init(_ format: Format, count: Int) {
      let random = CounterRandom(seed: 5, tensor: "stored", purpose: "tests")
      let bits = ContiguousArray(
        (0..<count).map { index in
          let bits = UInt16(truncatingIfNeeded: random.bits(at: index))
          // A clear bit of the exponent keeps it below that of infinity; every eighth element is zero.
          return index % 8 == 3 ? bits & 0x8000 : bits & (format == .half ? 0xbfff : 0xbf7f)
        })
      stored = StoredElements(bits, as: format)
      base = Adversarial.ordinary(count, seed: 6)
      other = Adversarial.ordinary(count, seed: 7)
      var values = Floats(repeating: 0, count: count)
      bits.withUnsafeBytes { bytes in
        var span = values.mutableSpan
        Kernels.widen(bytes, as: format.dtype, into: &span)
      }
      let own = base
      differences = values.changed { Kernels.subtract(own.span, from: &$0) }
    }
  }

  private static let ranges = [0..<0, 0..<1, 3..<20, 0..<255, 100..<613, 0..<4096, 17..<9000]

  @Test(
    "Differences have the bits of widening and subtracting", arguments: [Format.half, .bfloat16])
  func differences(format: Format) {
    let vectors = Vectors(format, count: 9000)
    for range in Self.ranges {
      let base = Floats(vectors.base[range])
      var largest: UInt32 = 0
      let got = Floats(repeating: -7, count: range.count).changed {
        largest = vectors.stored.differences(range, from: base.span, into: &$0)
      }
      #expect(got.differences(from: Floats(vectors.differences[range])).isEmpty)
      #expect(Float(bitPattern: largest).isFinite)
    }
  }

  @Test(
    "Adding a multiple has the bits of adding that of the differences",
    arguments: [Format.half, .bfloat16])
  func adds(format: Format) {
    let vectors = Vectors(format, count: 9000)
    for range in Self.ranges {
      let base = Floats(vectors.base[range])
      let own = Floats(vectors.differences[range])
      let got = Floats(vectors.other[range]).changed {
        vectors.stored.addDifferences(range, from: base.span, times: 0.3, to: &$0)
      }
      let expected = Floats(vectors.other[range]).changed {
        Kernels.add(own.span, times: 0.3, to: &$0)
      }
      #expect(got.differences(from: expected).isEmpty)
    }
  }

  @Test(
    "Inner products have the bits of those of the differences", arguments: [Format.half, .bfloat16])
  func products(format: Format) {
    let vectors = Vectors(format, count: 9000)
    for range in Self.ranges {
      let (base, g) = (Floats(vectors.base[range]), Floats(vectors.other[range]))
      let own = Floats(vectors.differences[range])
      var (got, expected) = (0.5, 0.5)
      vectors.stored.addDot(range, from: base.span, g.span, to: &got)
      Kernels.addDot(g.span, own.span, to: &expected)
      #expect(got.bitPattern == expected.bitPattern, "\(range)")
      #expect(range.isEmpty || got != 0.5)
    }
  }

  @Test("Infinity and NaN are found", arguments: [Format.half, .bfloat16])
  func finite(format: Format) {
    let infinity: UInt16 = format == .half ? 0x7c00 : 0x7f80
    #expect(
      StoredElements([0, 0x8000, infinity - 1, 0x8000 | (infinity - 1)], as: format).isFinite)
    for bits in [infinity, infinity | 0x8000, infinity + 1, 0xffff] {
      #expect(!StoredElements([0, bits], as: format).isFinite)
    }
    #expect(Format(.f32) == nil && Format(.f8e4m3) == nil)
    #expect(Format(.f16) == .half && Format(.bf16) == .bfloat16)
  }
}
