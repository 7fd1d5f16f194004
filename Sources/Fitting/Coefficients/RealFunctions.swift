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

/// sin x.
func sineOf(_ x: Double) -> Double { sin(x) }

/// The angle whose cosine is x.
func angle(ofCosine x: Double) -> Double { acos(max(-1, min(1, x))) }

/// xᵖ.
func powerOf(_ x: Double, _ exponent: Double) -> Double { pow(x, exponent) }

/// eˣ.
func exponential(_ x: Double) -> Double { exp(x) }
