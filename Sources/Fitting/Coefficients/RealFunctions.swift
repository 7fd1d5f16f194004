#if canImport(Glibc)
  internal import Glibc
#else
  internal import Darwin
#endif

/// e⁻ˣ.
func expNegated(_ x: Float) -> Float { Float(exp(-Double(x))) }

/// ln x.
func naturalLog(_ x: Double) -> Double { log(x) }

/// cos x.
func cosineOf(_ x: Double) -> Double { cos(x) }
