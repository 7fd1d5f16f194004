// Loops over elements of two precisions.
extension Loops {
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
