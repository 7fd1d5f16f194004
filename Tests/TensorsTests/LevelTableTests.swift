import Foundation
import Testing
import TinctureTensors

@Suite("Sums of scales")
struct LevelTableTests {
  private static let scales: [[Float]] = [
    [0.75], [2, 1], [0.3, 0.17, 0.02], [0x1p-133, 0x1p-140, 0, 0], [8.1, 4.3, 1.7, 0.9],
  ]

  private func codes(_ count: Int, bits: Int) -> ContiguousArray<UInt8> {
    let random = CounterRandom(seed: UInt64(bits), tensor: "levels", purpose: "test")
    return ContiguousArray((0..<count).map { UInt8(random.bits(at: $0) % UInt64(1 << bits)) })
  }

  private func level(_ code: UInt8, _ scales: [Float]) -> Float {
    var sum: Float = 0
    for (plane, scale) in scales.enumerated() {
      let term = code >> UInt8(plane) & 1 == 1 ? scale : -scale
      sum = plane == 0 ? term : sum + term
    }
    return sum
  }

  @Test("Decoding, adding and multiplying are those of the table", arguments: Self.scales)
  func arithmetic(scales: [Float]) {
    var lanes = SIMD4<Float>(repeating: .nan)
    for (plane, scale) in scales.enumerated() { lanes[plane] = scale }
    let table = LevelTable(lanes, bits: scales.count)
    let codes = codes(1500, bits: scales.count)
    #expect(table.count == 1 << scales.count)
    for code in 0..<table.count { #expect(table[code] == level(UInt8(code), scales)) }
    var packer = CodePacker(bits: scales.count)
    packer.append(codes.span)
    let bytes = packer.finish() + [UInt8](repeating: 0, count: 8)
    for (start, count) in [(0, 1500), (3, 1001), (1499, 1), (8, 512), (5, 0)] {
      let meant = codes[start..<start + count].map { level($0, scales) }
      let g = Adversarial.ordinary(count, seed: 3)
      var decoded = Floats(repeating: 9, count: count)
      var sum = g
      var span = decoded.mutableSpan
      var sumSpan = sum.mutableSpan
      bytes.withUnsafeBytes { bytes in
        table.decode(bytes, from: start, into: &span)
        table.add(bytes, from: start, times: 0.7, to: &sumSpan)
        var product = 0.0
        for strip in stride(from: 0, to: count, by: 512) {
          let place = strip..<min(strip + 512, count)
          product += LaneTwin.sum(
            place.count,
            {
              Double(g[strip + $0]) * Double(meant[strip + $0])
            })
        }
        #expect(table.dot(g.span, bytes, from: start) == product)
      }
      #expect(Array(decoded) == meant)
      #expect(Array(sum) == (0..<count).map { g[$0] + product(0.7, meant[$0]) })
      var rest = g
      var restSpan = rest.mutableSpan
      table.residuals(g.span, codes.span.extracting(start..<start + count), into: &restSpan)
      #expect(Array(rest) == (0..<count).map { g[$0] - meant[$0] })
    }
  }

  @Test("Ranks and sums from thresholds", arguments: [0, 1, 15, 16, 17, 511, 512, 513, 1300])
  func intervals(count: Int) {
    let x = Adversarial.floats(count, seed: 8, finite: true)
      .map { $0.magnitude > 1e30 ? 0.25 : $0 }
    let numbers = Floats(x)
    let thresholds: ContiguousArray<Float> = [
      -.infinity, -1, -0.5, -0.0, 0, 0.5, 0.5, 2, .infinity,
    ]
    var ranks = ContiguousArray<UInt8>(repeating: 99, count: count)
    var span = ranks.mutableSpan
    Intervals.rank(numbers.span, thresholds.span, into: &span)
    #expect(Array(ranks) == x.map { x in UInt8(thresholds.filter { x >= $0 }.count) })
    for threshold in thresholds {
      let found = Intervals.sum(numbers.span, from: threshold)
      #expect(found.count == x.filter { $0 >= threshold }.count)
      var sum = 0.0
      for strip in stride(from: 0, to: count, by: 512) {
        sum += LaneTwin.sum(
          min(512, count - strip),
          {
            x[strip + $0] >= threshold ? Double(x[strip + $0]) : 0
          })
      }
      #expect(found.sum == sum)
    }
  }

  @Test("Codes of bits are unpacked from anywhere", arguments: PackedCodes.widths)
  func unpacking(bits: Int) {
    let codes = codes(100, bits: bits)
    var packer = CodePacker(bits: bits)
    packer.append(codes.span)
    let bytes = packer.finish() + [UInt8](repeating: 0, count: 8)
    for (start, count) in [(0, 100), (3, 7), (99, 1), (17, 60), (4, 0)] {
      var read = ContiguousArray<UInt8>(repeating: 77, count: count)
      var span = read.mutableSpan
      bytes.withUnsafeBytes {
        PackedCodes.unpack($0, from: start, bits: bits, into: &span)
      }
      #expect(read == ContiguousArray(codes[start..<start + count]))
    }
  }
}

@Suite("Sums of powers of two")
struct ShiftCodeTests {
  @Test("Each term is the nearest power on a logarithmic scale of what is left")
  func definition() {
    let random = CounterRandom(seed: 1, tensor: "shift", purpose: "test")
    let code = ShiftCode(exponent: 4)
    for index in 0..<2000 {
      let x = exp2(random.uniform(at: index) * 12 - 8)
      for terms in ShiftCode.terms {
        var rest = x
        for _ in 0..<terms where rest != 0 {
          rest -= (rest < 0 ? -1 : 1) * exp2(log2(rest.magnitude).rounded())
        }
        let codes = code.encode(x, terms: terms)
        #expect((terms..<4).allSatisfy { codes[$0] == 0 })
        #expect(code.decode(codes) == Float(x - rest))
      }
    }
  }

  @Test("Examples: 3 = 4 − 1, 5 = 4 + 1, 0.75 = 1 − 0.25, 6 = 8 − 2")
  func examples() {
    let code = ShiftCode(exponent: 4)
    // 2^(4 − 31 + e): 29 is 4, 27 is 1, 32 negates.
    #expect(code.encode(3, terms: 2) == SIMD4<UInt8>(29, 27 | 32, 0, 0))
    #expect(code.encode(5, terms: 3) == SIMD4(29, 27, 0, 0))
    #expect(code.encode(0.75, terms: 2) == SIMD4<UInt8>(27, 25 | 32, 0, 0))
    #expect(code.encode(6, terms: 1) == SIMD4(30, 0, 0, 0))
    #expect(code.decode(SIMD4(30, 28 | 32, 0, 0)) == 6)
    #expect(code.encode(0, terms: 3) == SIMD4(repeating: 0))
  }

  @Test("What is too small has no term, what is too large the largest, what is no code no number")
  func bounds() {
    let code = ShiftCode(exponent: 0)
    #expect(code.encode(0x1p-30, terms: 1) == SIMD4(1, 0, 0, 0))
    #expect(code.encode(0x1p-31, terms: 2) == SIMD4(repeating: 0))
    #expect(code.encode(100, terms: 1) == SIMD4(31, 0, 0, 0))
    #expect(code.decode(SIMD4(repeating: 0)) == 0)
    #expect(code.decode(SIMD4(32, 0, 0, 0)) == nil)
    #expect(code.decode(SIMD4(0, 64, 0, 0)) == nil)
    let small = ShiftCode(exponent: -140)
    #expect(small.decode(SIMD4(22, 0, 0, 0)) == 0x1p-149)
    #expect(small.decode(SIMD4(21, 0, 0, 0)) == nil)
    #expect(small.encode(0x1p-149, terms: 1) == SIMD4(22, 0, 0, 0))
    #expect(small.encode(0x1p-150, terms: 1) == SIMD4(repeating: 0))
    let large = ShiftCode(exponent: ShiftCode.exponents.upperBound)
    #expect(12 * (large.decode(SIMD4(31, 31, 31, 0)) ?? .infinity) < .infinity)
  }
}

/// A product that is not fused with the sum around it.
@inline(never)
private func product(_ a: Float, _ b: Float) -> Float { a * b }
