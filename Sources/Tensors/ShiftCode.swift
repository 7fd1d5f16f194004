/// Numbers as sums of a few signed powers of two, each of which takes six bits.
///
/// The lower five bits of a term's code are e: 0 for no term, else the power 2^(E − 31 + e), where E is the
/// largest exponent, the same for many numbers. The highest bit is set for a negative term. Powers below
/// the least positive single-precision number, 2^−149, are not used.
///
/// Source: the power-of-two scales of ShiftAddLLM, arXiv:2406.05981: each term is the power that is
/// nearest, on a logarithmic scale, to what the terms before it leave.
public struct ShiftCode: Sendable, Hashable {
  /// The bits of a term.
  public static let bits = 6
  /// How many terms a number may have.
  public static let terms = 1...3
  /// The largest exponents that are stored; sums of twelve terms are finite.
  public static let exponents = -149...120

  /// The largest exponent E.
  public let exponent: Int

  /// Creates a code with a largest exponent.
  public init(exponent: Int) { self.exponent = exponent }

  /// The codes of the terms of a number, all zero for zero.
  public func encode(_ x: Double, terms: Int) -> SIMD4<UInt8> {
    var codes = SIMD4<UInt8>(repeating: 0)
    var rest = x
    for place in 0..<terms where rest != 0 && rest.isFinite {
      // 2 to the rounded logarithm: up where the significand exceeds the square root of 2.
      let nearest = Int(rest.exponent) + (rest.significand > 2.0.squareRoot() ? 1 : 0)
      let power = min(nearest, exponent)
      guard power > exponent - 31, power >= -149 else { break }
      let term = Double(sign: rest.sign, exponent: power, significand: 1)
      rest -= term
      codes[place] = UInt8(power - exponent + 31) | (term < 0 ? 32 : 0)
    }
    return codes
  }

  /// The number that some codes stand for, summed in order in single precision; nil when one is no code.
  public func decode(_ codes: SIMD4<UInt8>) -> Float? {
    var sum: Float = 0
    for place in codes.indices where codes[place] != 0 {
      let code = codes[place]
      guard code < 64, code != 32 else { return nil }
      let power = exponent - 31 + Int(code & 31)
      guard power >= -149 else { return nil }
      sum += Float(sign: code < 32 ? .plus : .minus, exponent: power, significand: 1)
    }
    return sum
  }
}
