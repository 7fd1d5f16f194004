// Loops over a square matrix and its transpose, in blocks that fit the cache.
extension Loops {
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

  /// Copies the part below the diagonal of an n × n matrix above it.
  static func mirrorLower(_ x: UnsafeMutablePointer<Double>, _ n: Int) {
    let block = 8
    for top in stride(from: 0, to: n, by: block) {
      for left in stride(from: 0, through: top, by: block) {
        for i in top..<min(n, top + block) {
          for j in left..<min(i, left + block) { x[j * n + i] = x[i * n + j] }
        }
      }
    }
  }

  /// Replaces an n × n matrix by the mean of itself and its transpose, with what is beside the diagonal scaled.
  ///
  /// - Returns: The largest difference between mirrored elements.
  @_specialize(where Element == Float)
  @_specialize(where Element == Double)
  static func symmetrize<Element: MatrixElement>(
    _ x: UnsafeMutablePointer<Element>, _ n: Int, scaling ratio: Element
  ) -> Element {
    var worst: Element = 0
    let half = ratio / 2
    let block = 8
    for top in stride(from: 0, to: n, by: block) {
      for left in stride(from: 0, through: top, by: block) {
        for i in top..<min(n, top + block) {
          for j in left..<min(i, left + block) {
            let (a, b) = (x[i * n + j], x[j * n + i])
            let difference = (a - b).magnitude
            if difference > worst { worst = difference }
            let mean = half * (a + b)
            (x[i * n + j], x[j * n + i]) = (mean, mean)
          }
        }
      }
    }
    return worst
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
}
