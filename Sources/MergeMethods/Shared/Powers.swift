#if canImport(Glibc)
  internal import Glibc
#else
  internal import Darwin
#endif

/// Powers with exponents that are no whole numbers, and their inverses.
enum Powers {
  /// x to the power of an exponent; 1 for an exponent of zero, whatever x is.
  static func power(_ x: Double, _ exponent: Double) -> Double { pow(x, exponent) }

  /// e to the power of x.
  static func exponential(_ x: Double) -> Double { exp(x) }

  /// The natural logarithm.
  static func logarithm(_ x: Double) -> Double { log(x) }
}
