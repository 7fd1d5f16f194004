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
    // x − x is 0 for finite numbers and NaN for others; sixteen lanes add that up.
    var start = 0
    while start < count {
      let end = min(count, start + 4096)
      var lanes = SIMD16<Element>(repeating: 0)
      var i = start
      while i + 16 <= end {
        let x = UnsafeRawPointer(x + i).loadUnaligned(as: SIMD16<Element>.self)
        lanes += x - x
        i += 16
      }
      var isFinite = lanes.sum() == 0
      while i < end {
        isFinite = isFinite && x[i].isFinite
        i += 1
      }
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

  /// Copies the part above the diagonal of an n × n matrix below it.
  @_specialize(where Element == Float)
  @_specialize(where Element == Double)
  static func mirrorUpper<Element: MatrixElement>(_ x: UnsafeMutablePointer<Element>, _ n: Int) {
    let block = 16
    for top in stride(from: 0, to: n, by: block) {
      for left in stride(from: 0, through: top, by: block) {
        for i in top..<min(n, top + block) {
          for j in left..<min(i, left + block) { x[i * n + j] = x[j * n + i] }
        }
      }
    }
  }

  /// Where an n × n matrix is least symmetric, and the largest magnitude in it.
  @_specialize(where Element == Float)
  @_specialize(where Element == Double)
  static func asymmetry<Element: MatrixElement>(
    _ x: UnsafePointer<Element>, _ n: Int
  ) -> (difference: Element, row: Int, column: Int, largest: Element) {
    var worst: (difference: Element, row: Int, column: Int, largest: Element) = (0, 0, 0, 0)
    let block = 16
    for top in stride(from: 0, to: n, by: block) {
      for left in stride(from: 0, through: top, by: block) {
        for i in top..<min(n, top + block) {
          for j in left..<min(i + 1, left + block) {
            let a = x[i * n + j]
            let b = x[j * n + i]
            let difference = (a - b).magnitude
            if difference > worst.difference {
              worst.difference = difference
              worst.row = i
              worst.column = j
            }
            let magnitude = max(a.magnitude, b.magnitude)
            if magnitude > worst.largest { worst.largest = magnitude }
          }
        }
      }
    }
    return worst
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

  /// The largest magnitude; NaN does not count.
  @_specialize(where Element == Float)
  @_specialize(where Element == Double)
  static func largestMagnitude<Element: MatrixElement>(
    _ x: UnsafePointer<Element>, _ count: Int
  ) -> Element {
    var lanes = SIMD16<Element>(repeating: 0)
    var i = 0
    while i + 16 <= count {
      let x = UnsafeRawPointer(x + i).loadUnaligned(as: SIMD16<Element>.self)
      let negative = 0 - x
      lanes.replace(with: x, where: x .> lanes)
      lanes.replace(with: negative, where: negative .> lanes)
      i += 16
    }
    var largest = lanes.max()
    while i < count {
      if x[i].magnitude > largest { largest = x[i].magnitude }
      i += 1
    }
    return largest
  }

  /// The sum of (x / unit)² in double precision, in eight lanes.
  @_specialize(where Element == Float)
  @_specialize(where Element == Double)
  static func sumOfSquares<Element: MatrixElement>(
    _ x: UnsafePointer<Element>, _ count: Int, unit: Double
  ) -> Double {
    var lanes = SIMD8<Double>(repeating: 0)
    let inverse = 1 / unit
    var i = 0
    while i + 8 <= count {
      var values = SIMD8<Double>(repeating: 0)
      for lane in 0..<8 { values[lane] = Double(x[i + lane]) }
      values *= inverse
      lanes += values * values
      i += 8
    }
    var sum = lanes.sum()
    while i < count {
      let value = Double(x[i]) * inverse
      sum += value * value
      i += 1
    }
    return sum
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
