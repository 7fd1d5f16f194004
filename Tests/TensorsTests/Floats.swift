import TinctureTensors

/// Numbers of a kernel test; unlike `Array`, its spans exist on every supported system.
typealias Floats = ContiguousArray<Float>

/// Sources of awkward numbers, the same in every run.
enum Adversarial {
  /// Numbers that kernels tend to get wrong: signed zeros, subnormals, ties of rounding, infinities,
  /// NaN with payloads.
  static let patterns: [UInt32] = [
    0x0000_0000, 0x8000_0000, 0x0000_0001, 0x8000_0001, 0x007f_ffff, 0x807f_ffff, 0x0080_0000,
    0x0040_0000, 0x3f80_0000, 0xbf80_0000, 0x3f7f_ffff, 0x3f80_0001, 0x3f80_8000, 0x3f80_8001,
    0x3f81_8000, 0x3f80_7fff, 0x7f7f_ffff, 0xff7f_ffff, 0x7f80_0000, 0xff80_0000, 0x7fc0_0000,
    0xffc0_1234, 0x7fa0_0001, 0x7fff_ffff, 0x477f_e000, 0x477f_f000, 0x43e8_0000, 0x4470_0000,
    0x3727_c5ac, 0x3a83_126f, 0x4b80_0000, 0x4b80_0001, 0x3400_0000, 0x3380_0000,
  ]

  /// The finite ones among the patterns.
  static let finitePatterns = patterns.filter { Float(bitPattern: $0).isFinite }

  /// Lengths around the widths of vectors and the segment of reductions.
  static let lengths = Array(0...70) + [4095, 4096, 4097]

  /// Half awkward numbers, half arbitrary bits.
  static func floats(_ count: Int, seed: UInt64, finite: Bool = false) -> Floats {
    let random = CounterRandom(seed: seed, tensor: "floats", purpose: "tests")
    let pool = finite ? finitePatterns : patterns
    return Floats(
      (0..<count).map { index in
        let bits = random.bits(at: index)
        if bits & 1 == 0 { return Float(bitPattern: pool[Int(bits >> 8) % pool.count]) }
        let value = Float(bitPattern: UInt32(truncatingIfNeeded: bits >> 16))
        return value.isFinite || !finite ? value : 1.5
      })
  }

  /// Ordinary numbers between −1 and 1.
  static func ordinary(_ count: Int, seed: UInt64) -> Floats {
    let random = CounterRandom(seed: seed, tensor: "ordinary", purpose: "tests")
    return Floats((0..<count).map { Float(random.uniform(at: $0) * 2 - 1) })
  }

  /// Numbers of which many are equal, zeros of both signs included.
  static func repetitive(_ count: Int, seed: UInt64) -> Floats {
    let random = CounterRandom(seed: seed, tensor: "repetitive", purpose: "tests")
    let values: [Float] = [
      0, -0.0, 0.5, -0.5, 1, -1, 1.0000001, .leastNonzeroMagnitude, -.leastNonzeroMagnitude, 3,
    ]
    return Floats((0..<count).map { values[Int(random.bits(at: $0) % UInt64(values.count))] })
  }
}

extension Floats {
  /// The numbers after a kernel changed them in place.
  func changed(_ body: (inout MutableSpan<Float>) -> Void) -> Floats {
    var copy = self
    var span = copy.mutableSpan
    body(&span)
    return copy
  }

  /// Where two lists differ in bits; all NaN count as the same, since which of two payloads an
  /// operation hands on is not defined.
  func differences(from other: Floats) -> [String] {
    guard count == other.count else { return ["\(count) elements instead of \(other.count)"] }
    return indices.filter {
      self[$0].bitPattern != other[$0].bitPattern && !(self[$0].isNaN && other[$0].isNaN)
    }.prefix(5).map { "[\($0)] \(self[$0]) instead of \(other[$0])" }
  }
}

/// Whether two sums are the same bits, or both NaN.
func sameBits(_ left: Double, _ right: Double) -> Bool {
  left.bitPattern == right.bitPattern || (left.isNaN && right.isNaN)
}
