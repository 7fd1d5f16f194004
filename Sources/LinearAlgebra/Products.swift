public import TinctureTensors

/// Which factors of a product are transposed.
public struct Transposition: OptionSet, Sendable, Hashable {
  /// The bits: 1 for the first factor, 2 for the second.
  public let rawValue: Int

  /// Creates a set from its bits.
  public init(rawValue: Int) { self.rawValue = rawValue }

  /// The first factor is transposed.
  public static let first = Transposition(rawValue: 1)
  /// The second factor is transposed.
  public static let second = Transposition(rawValue: 2)
}

/// The two products of a matrix with its own transpose.
public enum GramSide: String, Sendable, Hashable {
  /// A Aᵀ, the inner products of rows.
  case rows
  /// Aᵀ A, the inner products of columns.
  case columns
}

extension Backend {
  /// Multiplies two matrices (gemm).
  ///
  /// op(A) · op(B). Elements are not looked at: NaN and infinities spread as IEEE 754 says.
  ///
  /// - Parameters:
  ///   - a: The first factor.
  ///   - b: The second factor.
  ///   - transposing: Which factors are transposed; nothing is copied for it.
  /// - Returns: The product.
  /// - Throws: An error if the shapes do not chain.
  /// - Complexity: O(m n k).
  public func multiply<Element: MatrixElement>(
    _ a: Matrix<Element>, _ b: Matrix<Element>, transposing: Transposition = []
  ) throws(TinctureError) -> Matrix<Element> {
    let rows = transposing.contains(.first) ? a.columns : a.rows
    let columns = transposing.contains(.second) ? b.rows : b.columns
    var result = Matrix<Element>(uninitialisedRows: rows, columns: columns)
    try multiply(a, b, transposing: transposing, into: &result, keeping: 0)
    return result
  }

  /// Multiplies two matrices and adds the product to a third (gemm).
  ///
  /// C ← scale · op(A) op(B) + keeping · C. With `keeping` 0 the old elements do not matter.
  ///
  /// - Parameters:
  ///   - a: The first factor.
  ///   - b: The second factor.
  ///   - transposing: Which factors are transposed.
  ///   - scale: What the product is multiplied by.
  ///   - result: What the product is added to.
  ///   - keeping: What the old elements are multiplied by.
  /// - Throws: An error if the shapes do not chain.
  /// - Complexity: O(m n k).
  public func multiply<Element: MatrixElement>(
    _ a: Matrix<Element>, _ b: Matrix<Element>, transposing: Transposition = [],
    scale: Element = 1, into result: inout Matrix<Element>, keeping: Element = 1
  ) throws(TinctureError) {
    let (firstT, secondT) = (transposing.contains(.first), transposing.contains(.second))
    let (m, k) = firstT ? (a.columns, a.rows) : (a.rows, a.columns)
    let (k2, n) = secondT ? (b.columns, b.rows) : (b.rows, b.columns)
    guard k == k2, result.rows == m, result.columns == n else {
      throw TinctureError(
        .checkpoint,
        "A \(m) × \(k) matrix and a \(k2) × \(n) one have no product of \(result.rows) × "
          + "\(result.columns); the inner extents must be equal")
    }
    guard max(m, n, k) < Int(Int32.max) else {
      throw TinctureError(.checkpoint, "A product with an extent of \(max(m, n, k)) is too large")
    }
    guard m > 0, n > 0 else { return }
    guard k > 0 else {
      let count = result.count
      result.write {
        keeping == 0 ? $0.update(repeating: 0, count: count) : Loops.scale($0, by: keeping, count)
      }
      return
    }
    let (aWidth, bWidth) = (a.columns, b.columns)
    result.write { c in
      a.read { a in
        b.read { b in
          inPieces(of: max(m, n), work: m * n * k) { piece in
            // The longer side of the result is cut, and with it a factor.
            let rows = m < n ? 0..<m : piece
            let columns = m < n ? piece : 0..<n
            let left = MatrixBlock(
              reading: a + rows.lowerBound * (firstT ? 1 : aWidth), rows: firstT ? k : rows.count,
              columns: firstT ? rows.count : k, stride: aWidth)
            let right = MatrixBlock(
              reading: b + columns.lowerBound * (secondT ? bWidth : 1),
              rows: secondT ? columns.count : k, columns: secondT ? k : columns.count,
              stride: bWidth)
            let part = MatrixBlock(
              c + rows.lowerBound * n + columns.lowerBound, rows: rows.count,
              columns: columns.count, stride: n)
            multiply(
              left, right, transposing: transposing, scale: scale, into: part, keeping: keeping)
          }
        }
      }
    }
  }

  /// Multiplies a matrix with its own transpose (syrk), in half the time of the general product.
  ///
  /// The result is exactly symmetric. Its eigenvalues are squares of singular values: what lies
  /// below √ε of the largest singular value is lost in it.
  ///
  /// - Parameters:
  ///   - a: The matrix.
  ///   - side: Whether rows (A Aᵀ) or columns (Aᵀ A) are multiplied with each other.
  /// - Returns: The matrix of inner products.
  /// - Throws: An error if the matrix is too large for the library.
  /// - Complexity: O(n² k) for n rows (columns) of length k.
  public func gram<Element: MatrixElement>(
    _ a: Matrix<Element>, of side: GramSide
  ) throws(TinctureError) -> Matrix<Element> {
    let n = side == .rows ? a.rows : a.columns
    var result = Matrix<Element>(rows: n, columns: n)
    try addUpperGram(a, of: side, to: &result)
    result.write { Loops.mirrorUpper($0, n) }
    return result
  }

  /// Multiplies a matrix with its own transpose in double precision, a part of it at a time.
  ///
  /// - Parameters:
  ///   - a: The matrix.
  ///   - side: Whether rows (A Aᵀ) or columns (Aᵀ A) are multiplied with each other.
  /// - Returns: The matrix of inner products, exactly symmetric.
  /// - Throws: An error if the matrix is too large for the library.
  /// - Complexity: O(n² k) for n rows (columns) of length k; memory for the result and 1024 columns (rows).
  public func gramInDouble(
    _ a: Matrix<Float>, of side: GramSide
  ) throws(TinctureError) -> Matrix<Double> {
    let extent = side == .rows ? a.rows : a.columns
    var sum = Matrix<Double>(rows: extent, columns: extent)
    try addUpperGramInDouble(a, of: side, to: &sum)
    sum.write { Loops.mirrorUpper($0, extent) }
    return sum
  }

  /// Adds a matrix of inner products in double precision to the upper triangle and the diagonal of another.
  func addUpperGramInDouble(
    _ a: Matrix<Float>, of side: GramSide, to sum: inout Matrix<Double>
  ) throws(TinctureError) {
    let long = side == .rows ? a.columns : a.rows
    for start in stride(from: 0, to: long, by: 1024) {
      let range = start..<min(long, start + 1024)
      let part = side == .rows ? a.columns(range) : a.rows(range)
      try addUpperGram(part.converted(to: Double.self), of: side, to: &sum)
    }
  }

  /// Adds a matrix of inner products to the upper triangle and the diagonal of another; what is below is undefined.
  func addUpperGram<Element: MatrixElement>(
    _ a: Matrix<Element>, of side: GramSide, to result: inout Matrix<Element>
  ) throws(TinctureError) {
    let (n, k) = side == .rows ? (a.rows, a.columns) : (a.columns, a.rows)
    guard n > 0, k > 0 else { return }
    guard max(n, k) < Int(Int32.max) else {
      throw TinctureError(.checkpoint, "A product with an extent of \(max(n, k)) is too large")
    }
    let isDone = result.write { c in
      a.read { addUpperGram($0, rows: a.rows, columns: a.columns, of: side, to: c) }
    }
    if !isDone {
      try multiply(a, a, transposing: side == .rows ? .second : .first, into: &result)
    }
  }

  /// A letter as routines take it.
  func letter(_ letter: Unicode.Scalar) -> UInt8 { UInt8(truncatingIfNeeded: letter.value) }
}
