internal import CTinctureKernels

/// What codes of a few bits stand for: bit i of a code says whether scale i is added or subtracted.
///
/// x = ± α₁ ± α₂ … ± α_b, with + where the bit is set, α₁ belonging to the lowest bit; summed in that order
/// in single precision.
public struct LevelTable: Sendable, Hashable {
  /// The numbers of scales.
  public static let widths = 1...4

  /// The bits of a code.
  public let bits: Int
  private let levels: SIMD16<Float>

  /// The number of codes.
  public var count: Int { 1 << bits }

  /// The number that a code stands for.
  public subscript(code: Int) -> Float { levels[code] }

  /// Creates the table of one to four scales.
  ///
  /// - Parameters:
  ///   - scales: The scales, the first in the lowest lane.
  ///   - bits: How many there are.
  public init(_ scales: SIMD4<Float>, bits: Int) {
    precondition(Self.widths.contains(bits), "There must be one to four scales.")
    var levels = SIMD16<Float>(repeating: 0)
    for code in 0..<1 << bits {
      var sum = code & 1 == 1 ? scales[0] : -scales[0]
      for plane in 1..<bits { sum += code >> plane & 1 == 1 ? scales[plane] : -scales[plane] }
      levels[code] = sum
    }
    self.init(bits: bits, levels: levels)
  }

  private init(bits: Int, levels: SIMD16<Float>) {
    self.bits = bits
    self.levels = levels
  }

  /// Reads what packed codes stand for.
  ///
  /// - Parameters:
  ///   - bytes: Packed codes, from the first one on; eight bytes must be readable where the last eight
  ///     codes begin.
  ///   - start: The first code to read.
  ///   - y: Receives the numbers.
  public func decode(
    _ bytes: UnsafeRawBufferPointer, from start: Int, into y: inout MutableSpan<Float>
  ) {
    PackedCodes.check(bytes, bits, start, y.count)
    withLevels { levels in
      y.withUnsafeMutableBufferPointer { y in
        guard let p = bytes.baseAddress, let q = y.baseAddress else { return }
        tincture_decode_levels(
          p.assumingMemoryBound(to: UInt8.self), start, Int32(bits), levels, q, y.count)
      }
    }
  }

  /// y += a times what packed codes stand for; the same bits as decoding and adding.
  public func add(
    _ bytes: UnsafeRawBufferPointer, from start: Int, times a: Float,
    to y: inout MutableSpan<Float>
  ) {
    PackedCodes.check(bytes, bits, start, y.count)
    LevelTable(bits: bits, levels: a * levels).withLevels { levels in
      y.withUnsafeMutableBufferPointer { y in
        guard let p = bytes.baseAddress, let q = y.baseAddress else { return }
        tincture_decode_levels_add(
          p.assumingMemoryBound(to: UInt8.self), start, Int32(bits), levels, q, y.count)
      }
    }
  }

  /// The inner product with what packed codes stand for, accumulated in double precision.
  public func dot(_ g: Span<Float>, _ bytes: UnsafeRawBufferPointer, from start: Int) -> Double {
    PackedCodes.check(bytes, bits, start, g.count)
    return withLevels { levels in
      g.withUnsafeBufferPointer { g in
        guard let p = bytes.baseAddress, let q = g.baseAddress else { return 0 }
        return tincture_levels_dot(
          p.assumingMemoryBound(to: UInt8.self), start, Int32(bits), levels, q, g.count)
      }
    }
  }

  /// y = x less what its codes, one in each byte, stand for.
  public func residuals(
    _ x: Span<Float>, _ codes: Span<UInt8>, into y: inout MutableSpan<Float>
  ) {
    precondition(x.count == codes.count, "There must be as many codes as numbers.")
    withLevels { levels in
      codes.withUnsafeBufferPointer { codes in
        guard let codes = codes.baseAddress else { return }
        Kernels.call(x, &y) { x, y, n in tincture_level_residuals(x, codes, levels, y, n) }
      }
    }
  }

  private func withLevels<Result>(_ body: (UnsafePointer<Float>) -> Result) -> Result {
    withUnsafePointer(to: levels) { levels in
      body(UnsafeRawPointer(levels).assumingMemoryBound(to: Float.self))
    }
  }
}

/// Numbers sorted into intervals.
public enum Intervals {
  /// How many thresholds each number reaches.
  ///
  /// - Parameters:
  ///   - x: The numbers.
  ///   - thresholds: At most 255 thresholds.
  ///   - ranks: Receives the counts.
  public static func rank(
    _ x: Span<Float>, _ thresholds: Span<Float>, into ranks: inout MutableSpan<UInt8>
  ) {
    precondition(x.count == ranks.count, "There must be as many ranks as numbers.")
    precondition(thresholds.count < 256, "There are more thresholds than a byte counts.")
    x.withUnsafeBufferPointer { x in
      ranks.withUnsafeMutableBufferPointer { ranks in
        thresholds.withUnsafeBufferPointer { thresholds in
          guard let p = x.baseAddress, let q = ranks.baseAddress, let t = thresholds.baseAddress
          else { return }
          tincture_rank(p, t, thresholds.count, q, x.count)
        }
      }
    }
  }

  /// How many numbers reach a threshold, and their sum in double precision.
  public static func sum(_ x: Span<Float>, from threshold: Float) -> (count: Int, sum: Double) {
    var sum = 0.0
    let count = x.withUnsafeBufferPointer { x in
      guard let p = x.baseAddress else { return 0 }
      return tincture_sum_from(p, threshold, &sum, x.count)
    }
    return (count, sum)
  }
}
