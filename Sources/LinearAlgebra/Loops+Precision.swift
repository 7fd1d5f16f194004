// Loops over elements of two precisions.
extension Loops {
  /// The inner product in double precision, in four partial sums.
  @_specialize(where Element == Float)
  @_specialize(where Element == Double)
  static func dot<Element: MatrixElement>(
    _ x: UnsafePointer<Element>, _ y: UnsafePointer<Element>, _ count: Int
  ) -> Double {
    var (s0, s1, s2, s3) = (0.0, 0.0, 0.0, 0.0)
    var i = 0
    while i + 4 <= count {
      s0 += Double(x[i]) * Double(y[i])
      s1 += Double(x[i + 1]) * Double(y[i + 1])
      s2 += Double(x[i + 2]) * Double(y[i + 2])
      s3 += Double(x[i + 3]) * Double(y[i + 3])
      i += 4
    }
    while i < count {
      s0 += Double(x[i]) * Double(y[i])
      i += 1
    }
    return (s0 + s1) + (s2 + s3)
  }

  /// y += a x, where y is in double precision.
  @_specialize(where Element == Float)
  @_specialize(where Element == Double)
  static func add<Element: MatrixElement>(
    _ x: UnsafePointer<Element>, times a: Double, toDouble y: UnsafeMutablePointer<Double>,
    _ count: Int
  ) {
    for i in 0..<count { y[i] += a * Double(x[i]) }
  }

  /// z = x − y, computed in double precision.
  @_specialize(where Element == Float)
  @_specialize(where Element == Double)
  static func subtract<Element: MatrixElement>(
    _ x: UnsafePointer<Float>, _ y: UnsafePointer<Double>, into z: UnsafeMutablePointer<Element>,
    _ count: Int
  ) {
    for i in 0..<count { z[i] = Element(Double(x[i]) - y[i]) }
  }

  @_specialize(where Source == Float, Target == Double)
  @_specialize(where Source == Double, Target == Float)
  @_specialize(where Source == Float, Target == Float)
  @_specialize(where Source == Double, Target == Double)
  static func convert<Source: MatrixElement, Target: MatrixElement>(
    _ x: UnsafePointer<Source>, into y: UnsafeMutablePointer<Target>, _ count: Int
  ) {
    for i in 0..<count { y[i] = Target(x[i]) }
  }
}
