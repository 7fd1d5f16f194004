internal import CTinctureKernels

/// An affine code for numbers: x ≈ (q − zero) / scale with whole q from 0 to 2ᵇ − 1.
///
/// Source: the asymmetric quantiser of task vector quantisation, arXiv:2503.06921, with its order of
/// operations in single precision.
public struct AffineQuantizer: Sendable, Hashable {
  /// The bits of a code.
  public let bits: Int
  /// The reciprocal of the step.
  public let scale: Float
  /// The code of zero, a whole number that need not be among the codes.
  public let zero: Float

  /// The largest code.
  public var top: Float { Float((1 << bits) - 1) }

  /// Creates a quantiser from stored numbers.
  public init(bits: Int, scale: Float, zero: Float) {
    self.bits = bits
    self.scale = scale
    self.zero = zero
  }

  /// Creates the quantiser of a range: scale = (2ᵇ − 1) / (high − low), zero = −round(scale · low).
  ///
  /// Nil when the range is empty or so narrow that there is no finite scale.
  public init?(bits: Int, low: Float, high: Float) {
    let top = Float((1 << bits) - 1)
    let scale = top / (high - low)
    guard low < high, scale.isFinite, scale > 0 else { return nil }
    let zero = -(scale * low).rounded(.toNearestOrEven)
    guard zero.isFinite, (top - zero) / scale - (0 - zero) / scale > 0 else { return nil }
    self.init(bits: bits, scale: scale, zero: zero)
  }

  /// Whether all codes stand for finite numbers.
  public var isBounded: Bool { ((0 - zero) / scale).isFinite && ((top - zero) / scale).isFinite }

  /// Quantises numbers.
  public func encode(_ x: Span<Float>, into codes: inout MutableSpan<UInt8>) {
    precondition(x.count == codes.count, "There must be as many codes as numbers.")
    x.withUnsafeBufferPointer { x in
      codes.withUnsafeMutableBufferPointer { codes in
        guard let p = x.baseAddress, let q = codes.baseAddress else { return }
        tincture_quantize(p, scale, zero, top, q, x.count)
      }
    }
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
    y.withUnsafeMutableBufferPointer { y in
      guard let p = bytes.baseAddress, let q = y.baseAddress else { return }
      tincture_decode(
        p.assumingMemoryBound(to: UInt8.self), start, Int32(bits), scale, zero, q, y.count)
    }
  }

  /// y += a times what packed codes stand for; the same bits as decoding and adding.
  public func add(
    _ bytes: UnsafeRawBufferPointer, from start: Int, times a: Float,
    to y: inout MutableSpan<Float>
  ) {
    PackedCodes.check(bytes, bits, start, y.count)
    y.withUnsafeMutableBufferPointer { y in
      guard let p = bytes.baseAddress, let q = y.baseAddress else { return }
      tincture_decode_add(
        p.assumingMemoryBound(to: UInt8.self), start, Int32(bits), scale, zero, a, q, y.count)
    }
  }

  /// The inner product with what packed codes stand for: (Σ g q − zero Σ g) / scale.
  ///
  /// - Parameters:
  ///   - g: The other factor.
  ///   - sum: Σ g, which is the same for all codes.
  ///   - bytes: Packed codes, from the first one on; eight bytes must be readable where the last eight
  ///     codes begin.
  ///   - start: The first code.
  /// - Returns: The product, accumulated in double precision.
  public func dot(_ g: Span<Float>, sum: Double, _ bytes: UnsafeRawBufferPointer, from start: Int)
    -> Double
  {
    PackedCodes.check(bytes, bits, start, g.count)
    return g.withUnsafeBufferPointer { g in
      guard let p = bytes.baseAddress, let q = g.baseAddress else { return 0 }
      let product = tincture_code_dot(
        p.assumingMemoryBound(to: UInt8.self), start, Int32(bits), q, g.count)
      return (product - Double(zero) * sum) / Double(scale)
    }
  }

  /// The sum of the squares of what is lost.
  public func loss(_ x: Span<Float>) -> Double {
    x.withUnsafeBufferPointer { x in
      guard let p = x.baseAddress else { return 0 }
      return tincture_quantization_loss(p, scale, zero, top, x.count)
    }
  }
}

/// The least and the greatest of numbers that arrive piece by piece.
public struct NumberRange: Sendable, Hashable {
  /// The least number; infinite before the first.
  public private(set) var low = Float.infinity
  /// The greatest number.
  public private(set) var high = -Float.infinity

  /// A range without numbers.
  public init() {}

  /// Takes numbers, none of which may be NaN.
  public mutating func include(_ x: Span<Float>) {
    var (least, most) = (low, high)
    x.withUnsafeBufferPointer { x in
      guard let p = x.baseAddress else { return }
      tincture_range(p, &least, &most, x.count)
    }
    (low, high) = (least, most)
  }

  /// The range shrunk towards zero.
  public func scaled(by factor: Float) -> NumberRange {
    var result = self
    result.low *= factor
    result.high *= factor
    return result
  }

  /// Whether the ends are further apart than a width; also for ends whose distance is no finite float.
  public func isWider(than width: Float) -> Bool { Double(high) - Double(low) > Double(width) }

  /// The range extended to zero.
  public var withZero: NumberRange {
    var result = self
    result.low = min(low, 0)
    result.high = max(high, 0)
    return result
  }
}
