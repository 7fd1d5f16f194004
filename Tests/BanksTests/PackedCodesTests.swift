import Testing
import TinctureTensors

@Suite("Packed codes")
struct PackedCodesTests {
  private func codes(_ count: Int, bits: Int) -> ContiguousArray<UInt8> {
    let random = CounterRandom(seed: UInt64(bits), tensor: "codes", purpose: "test")
    return ContiguousArray(
      (0..<count).map { UInt8(random.bits(at: $0) % UInt64(1 << bits)) })
  }

  private func packed(_ codes: ContiguousArray<UInt8>, bits: Int, pieces: Int) -> [UInt8] {
    var packer = CodePacker(bits: bits, expecting: codes.count)
    for start in stride(from: 0, to: codes.count, by: pieces) {
      packer.append(codes.span.extracting(start..<min(start + pieces, codes.count)))
    }
    return packer.finish()
  }

  @Test("The lowest bits come first, without gaps", arguments: PackedCodes.widths)
  func layout(bits: Int) {
    let codes = codes(203, bits: bits)
    let bytes = packed(codes, bits: bits, pieces: 203)
    #expect(bytes.count == PackedCodes.byteCount(203, bits: bits))
    #expect(bytes.count == (203 * bits + 63) / 64 * 8)
    for place in 0..<bytes.count * 8 {
      let bit = bytes[place / 8] >> (place % 8) & 1
      let index = place / bits
      let expected = index < codes.count ? codes[index] >> (place % bits) & 1 : 0
      #expect(bit == expected)
    }
  }

  @Test("Codes that arrive in pieces are packed alike", arguments: [1, 3, 8, 64, 77])
  func pieces(length: Int) {
    for bits in PackedCodes.widths {
      let codes = codes(500, bits: bits)
      #expect(
        packed(codes, bits: bits, pieces: length) == packed(codes, bits: bits, pieces: 500))
    }
  }

  @Test("Any range of codes can be read", arguments: PackedCodes.widths)
  func ranges(bits: Int) {
    let codes = codes(700, bits: bits)
    let bytes = packed(codes, bits: bits, pieces: 700) + [UInt8](repeating: 0, count: 8)
    for (start, count) in [(0, 700), (1, 1), (7, 9), (8, 8), (5, 600), (693, 7), (699, 1), (12, 0)]
    {
      var got = ContiguousArray<Float>(repeating: -1, count: count)
      var span = got.mutableSpan
      let plain = AffineQuantizer(bits: bits, scale: 1, zero: 0)
      bytes.withUnsafeBytes { plain.decode($0, from: start, into: &span) }
      #expect(got == ContiguousArray(codes[start..<start + count].map { Float($0) }))
    }
  }

  @Test("Decoding, adding and multiplying work on codes", arguments: PackedCodes.widths)
  func arithmetic(bits: Int) {
    let codes = codes(1500, bits: bits)
    let bytes = packed(codes, bits: bits, pieces: 1500) + [UInt8](repeating: 0, count: 8)
    let quantizer = AffineQuantizer(bits: bits, scale: 37.3, zero: 2)
    let random = CounterRandom(seed: 77, tensor: "g", purpose: "test")
    for (start, count) in [(0, 1500), (3, 1001), (1499, 1)] {
      let meant = (0..<count).map { (Float(codes[start + $0]) - 2) / 37.3 }
      let g = ContiguousArray((0..<count).map { Float(random.uniform(at: $0)) - 0.3 })
      var decoded = ContiguousArray<Float>(repeating: 9, count: count)
      var sum = g
      var span = decoded.mutableSpan
      var sumSpan = sum.mutableSpan
      var total = 0.0
      Kernels.addSum(g.span, to: &total)
      bytes.withUnsafeBytes { bytes in
        quantizer.decode(bytes, from: start, into: &span)
        quantizer.add(bytes, from: start, times: 0.7, to: &sumSpan)
        let product = quantizer.dot(g.span, sum: total, bytes, from: start)
        let expected = zip(g, meant).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
        #expect((product - expected).magnitude <= 1e-5 * (1 + expected.magnitude))
      }
      #expect(Array(decoded) == meant)
      #expect(Array(sum) == (0..<count).map { g[$0] + product(0.7, meant[$0]) })
    }
  }
}

@Suite("Affine quantisation")
struct AffineQuantizerTests {
  private func encode(_ x: [Float], _ quantizer: AffineQuantizer) -> [UInt8] {
    let x = ContiguousArray(x)
    var codes = ContiguousArray<UInt8>(repeating: 0, count: x.count)
    var span = codes.mutableSpan
    quantizer.encode(x.span, into: &span)
    return Array(codes)
  }

  @Test("The example of the publication")
  func example() throws {
    let quantizer = try #require(AffineQuantizer(bits: 2, low: -1, high: 2))
    #expect(quantizer.scale == 1)
    #expect(quantizer.zero == 1)
    #expect(encode([-1, 0, 2], quantizer) == [0, 1, 3])
  }

  @Test("Codes are those of the published formula", arguments: [2, 3, 4, 5, 6, 8])
  func formula(bits: Int) throws {
    let random = CounterRandom(seed: 3, tensor: "x", purpose: "test")
    for (scale, shift) in [(Float(1), Float(0)), (1e-3, 2e-4), (50, 80), (0.2, -0.4)] {
      let x = (0..<999).map { (Float(random.uniform(at: $0)) - 0.5) * scale + shift }
      let low = try #require(x.min())
      let high = try #require(x.max())
      let top = Float((1 << bits) - 1)
      let s = top / (high - low)
      let zero = -(s * low).rounded(.toNearestOrEven)
      let quantizer = try #require(AffineQuantizer(bits: bits, low: low, high: high))
      let codes = encode(x, quantizer)
      for (value, code) in zip(x, codes) {
        let place = product(s, value) + zero
        #expect(Float(code) == min(max(place.rounded(.toNearestOrEven), 0), top))
        let decoded = (Float(code) - zero) / s
        #expect((decoded - value).magnitude <= 1.001 / s)
      }
    }
  }

  @Test("There is no quantiser of an empty or too narrow range")
  func narrow() {
    #expect(AffineQuantizer(bits: 4, low: 1, high: 1) == nil)
    #expect(AffineQuantizer(bits: 4, low: 0, high: .leastNonzeroMagnitude) == nil)
    #expect(AffineQuantizer(bits: 4, low: -.infinity, high: 1) == nil)
  }
}

/// A product that is not fused with the sum around it.
@inline(never)
private func product(_ a: Float, _ b: Float) -> Float { a * b }
