internal import TinctureTensors

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// The loops over elements, each specialised for `Float` and `Double`.
///
/// Generic code in other modules reaches them through one dispatch for a whole matrix.
enum Loops {
  @_specialize(where Element == Float)
  @_specialize(where Element == Double)
  static func areEqual<Element: MatrixElement>(
    _ a: UnsafePointer<Element>, _ b: UnsafePointer<Element>, _ count: Int
  ) -> Bool {
    for i in 0..<count where a[i] != b[i] { return false }
    return true
  }

  /// The index of the first element that is infinite or NaN.
  @_specialize(where Element == Float)
  @_specialize(where Element == Double)
  static func firstNonFinite<Element: MatrixElement>(
    _ x: UnsafePointer<Element>, _ count: Int
  ) -> Int? {
    if Element.precision == .single, largestBits(x, count) < 0x7f80_0000 { return nil }
    // x − x is 0 for finite numbers and NaN for others; four sums of that keep the processor busy.
    var start = 0
    while start < count {
      let end = min(count, start + 4096)
      var (s0, s1, s2, s3): (Element, Element, Element, Element) = (0, 0, 0, 0)
      var i = start
      while i + 4 <= end {
        s0 += x[i] - x[i]
        s1 += x[i + 1] - x[i + 1]
        s2 += x[i + 2] - x[i + 2]
        s3 += x[i + 3] - x[i + 3]
        i += 4
      }
      while i < end {
        s0 += x[i] - x[i]
        i += 1
      }
      let isFinite = s0 + s1 + s2 + s3 == 0
      if !isFinite {
        for i in start..<end where !x[i].isFinite { return i }
      }
      start = end
    }
    return nil
  }

  /// y = transposed x, in blocks that fit the cache.
  @_specialize(where Element == Float)
  @_specialize(where Element == Double)
  static func transpose<Element: MatrixElement>(
    _ x: UnsafePointer<Element>, rows: Int, columns: Int, into y: UnsafeMutablePointer<Element>
  ) {
    let block = 16
    for top in stride(from: 0, to: rows, by: block) {
      let bottom = min(rows, top + block)
      for left in stride(from: 0, to: columns, by: block) {
        let right = min(columns, left + block)
        for j in left..<right {
          for i in top..<bottom { y[j * rows + i] = x[i * columns + j] }
        }
      }
    }
  }

  /// For each column, −1 if its element of largest magnitude (the first at ties) is negative, else 1.
  @_specialize(where Element == Float)
  @_specialize(where Element == Double)
  static func columnSigns<Element: MatrixElement>(
    _ x: UnsafePointer<Element>, rows: Int, columns: Int, into signs: UnsafeMutablePointer<Element>
  ) {
    signs.update(repeating: 0, count: columns)
    for i in 0..<rows {
      let row = x + i * columns
      for j in 0..<columns where row[j].magnitude > signs[j].magnitude { signs[j] = row[j] }
    }
    for j in 0..<columns { signs[j] = signs[j] < 0 ? -1 : 1 }
  }

  @_specialize(where Element == Float)
  @_specialize(where Element == Double)
  static func scaleColumns<Element: MatrixElement>(
    _ x: UnsafeMutablePointer<Element>, rows: Int, columns: Int, by factors: UnsafePointer<Element>
  ) {
    for i in 0..<rows {
      let row = x + i * columns
      for j in 0..<columns { row[j] *= factors[j] }
    }
  }

  @_specialize(where Element == Float)
  @_specialize(where Element == Double)
  static func scaleRows<Element: MatrixElement>(
    _ x: UnsafeMutablePointer<Element>, rows: Int, columns: Int, by factors: UnsafePointer<Element>
  ) {
    for i in 0..<rows {
      let row = x + i * columns
      let factor = factors[i]
      if factor != 1 { for j in 0..<columns { row[j] *= factor } }
    }
  }

  /// y += a x.
  @_specialize(where Element == Float)
  @_specialize(where Element == Double)
  static func add<Element: MatrixElement>(
    _ x: UnsafePointer<Element>, times a: Element, to y: UnsafeMutablePointer<Element>,
    _ count: Int
  ) {
    for i in 0..<count { y[i] += a * x[i] }
  }

  @_specialize(where Element == Float)
  @_specialize(where Element == Double)
  static func scale<Element: MatrixElement>(
    _ x: UnsafeMutablePointer<Element>, by a: Element, _ count: Int
  ) {
    for i in 0..<count { x[i] *= a }
  }

  @_specialize(where Element == Float)
  @_specialize(where Element == Double)
  static func divide<Element: MatrixElement>(
    _ x: UnsafeMutablePointer<Element>, by a: Element, _ count: Int
  ) {
    for i in 0..<count { x[i] /= a }
  }

  /// Elements that are in single precision.
  private static func singles<Element>(_ x: UnsafePointer<Element>) -> UnsafePointer<Float> {
    UnsafeRawPointer(x).assumingMemoryBound(to: Float.self)
  }

  /// The bit pattern of the largest magnitude of elements in single precision.
  private static func largestBits<Element>(_ x: UnsafePointer<Element>, _ count: Int) -> UInt32 {
    Kernels.largestMagnitude(Span(_unsafeStart: singles(x), count: count))
  }

  /// The largest magnitude; NaN does not count.
  @_specialize(where Element == Float)
  @_specialize(where Element == Double)
  static func largestMagnitude<Element: MatrixElement>(
    _ x: UnsafePointer<Element>, _ count: Int
  ) -> Element {
    if Element.precision == .single {
      let bits = largestBits(x, count)
      if bits < 0x7f80_0000 { return Element(Float(bitPattern: bits)) }
    }
    var (m0, m1, m2, m3): (Element, Element, Element, Element) = (0, 0, 0, 0)
    var i = 0
    while i + 4 <= count {
      if x[i].magnitude > m0 { m0 = x[i].magnitude }
      if x[i + 1].magnitude > m1 { m1 = x[i + 1].magnitude }
      if x[i + 2].magnitude > m2 { m2 = x[i + 2].magnitude }
      if x[i + 3].magnitude > m3 { m3 = x[i + 3].magnitude }
      i += 4
    }
    while i < count {
      if x[i].magnitude > m0 { m0 = x[i].magnitude }
      i += 1
    }
    return max(max(m0, m1), max(m2, m3))
  }

  /// The sum of (x / unit)² in double precision, in four partial sums.
  @_specialize(where Element == Float)
  @_specialize(where Element == Double)
  static func sumOfSquares<Element: MatrixElement>(
    _ x: UnsafePointer<Element>, _ count: Int, unit: Double
  ) -> Double {
    var (s0, s1, s2, s3) = (0.0, 0.0, 0.0, 0.0)
    if Element.precision == .single, unit == 1 {
      let x = singles(x)
      let values = Span(_unsafeStart: x, count: count)
      Kernels.addDot(values, values, to: &s0)
      return s0
    }
    let inverse = 1 / unit
    @inline(__always) func square(_ i: Int) -> Double {
      let value = Double(x[i]) * inverse
      return value * value
    }
    var i = 0
    while i + 4 <= count {
      s0 += square(i)
      s1 += square(i + 1)
      s2 += square(i + 2)
      s3 += square(i + 3)
      i += 4
    }
    while i < count {
      s0 += square(i)
      i += 1
    }
    return (s0 + s1) + (s2 + s3)
  }

  /// Adds the magnitudes of each column to its sum.
  @_specialize(where Element == Float)
  @_specialize(where Element == Double)
  static func addMagnitudes<Element: MatrixElement>(
    _ x: UnsafePointer<Element>, rows: Int, columns: Int, to sums: UnsafeMutablePointer<Double>
  ) {
    for i in 0..<rows {
      let row = x + i * columns
      for j in 0..<columns { sums[j] += Double(row[j].magnitude) }
    }
  }

  /// Standard normal numbers: the pair 2i, 2i + 1 comes from the uniform numbers of those indices.
  @_specialize(where Element == Float)
  @_specialize(where Element == Double)
  static func fillNormal<Element: MatrixElement>(
    _ x: UnsafeMutablePointer<Element>, _ count: Int, _ random: CounterRandom, from start: Int
  ) {
    for i in stride(from: 0, to: count, by: 2) {
      let index = start + start % 2 + i
      let radius = (-2 * log(1 - random.uniform(at: index))).squareRoot()
      let angle = 2 * Double.pi * random.uniform(at: index + 1)
      x[i] = Element(radius * cos(angle))
      if i + 1 < count { x[i + 1] = Element(radius * sin(angle)) }
    }
  }

  static func logarithm(_ x: Double) -> Double { log(x) }

  static func exponential(_ x: Double) -> Double { exp(x) }
}
