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
    let block = 16
    let diagonal = (0..<n).map { x[$0 * n + $0] }
    // Rows that are a power of two apart share places of the cache, so that blocks are copied out of the way.
    withUnsafeTemporaryAllocation(of: Element.self, capacity: 2 * block * block) { space in
      guard let lower = space.baseAddress else { return }
      let upper = lower + block * block
      space.initialize(repeating: 0)
      for top in stride(from: 0, to: n, by: block) {
        for left in stride(from: 0, through: top, by: block) {
          let (height, width) = (min(block, n - top), min(block, n - left))
          for i in 0..<height {
            (lower + i * block).update(from: x + (top + i) * n + left, count: width)
          }
          for j in 0..<width {
            let row = x + (left + j) * n + top
            for i in 0..<height { upper[i * block + j] = row[i] }
          }
          // Where a block is smaller, the rest of the places holds what was there before.
          for i in 0..<height {
            let (a, b) = (lower + i * block, upper + i * block)
            for j in 0..<width {
              let difference = (a[j] - b[j]).magnitude
              worst = difference > worst ? difference : worst
              a[j] = half * (a[j] + b[j])
            }
          }
          for i in 0..<height {
            (x + (top + i) * n + left).update(from: lower + i * block, count: width)
          }
          for j in 0..<width {
            let row = x + (left + j) * n + top
            for i in 0..<height { row[i] = lower[i * block + j] }
          }
        }
      }
    }
    for (index, value) in diagonal.enumerated() { x[index * n + index] = value }
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
