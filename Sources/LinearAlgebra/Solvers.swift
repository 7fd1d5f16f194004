public import TinctureTensors

/// A lower triangle L with A = L Lᵀ.
public struct CholeskyFactor<Element: MatrixElement>: Sendable {
  /// The lower triangle; zeros above the diagonal, a positive diagonal.
  public var lower: Matrix<Element>
}

/// What is known about the matrix of a system of equations.
public enum SystemKind: String, Sendable, Hashable {
  /// Nothing: elimination with row exchanges (getrf).
  case general
  /// Symmetric and positive definite: half the work (potrf). Where rounding makes it fail,
  /// elimination takes its place.
  case positiveDefinite
}

extension Backend {
  /// Computes the Cholesky factor of a symmetric positive definite matrix (potrf).
  ///
  /// - Parameter a: The matrix. The lower triangle counts.
  /// - Returns: The factor.
  /// - Throws: An error if the matrix is not square, symmetric and finite, or not positive definite.
  /// - Complexity: O(n³).
  public func cholesky<Element: MatrixElement>(
    _ a: Matrix<Element>
  ) throws(TinctureError) -> CholeskyFactor<Element> {
    try Checks.finite(a, "a Cholesky factor")
    try Checks.symmetric(a, "A Cholesky factor")
    try Checks.addressable(a, "a Cholesky factor")
    let n = a.rows
    guard n > 0 else { return CholeskyFactor(lower: a) }
    var lower = a
    var (upperLetter, n32, lda, info) = (letter("U"), Int32(n), Int32(n), Int32(0))
    lower.write { a in
      call(Element.self) { $0.potrf(&upperLetter, &n32, a, &lda, &info, 1) }
      for i in 0..<n { (a + i * n + i + 1).update(repeating: 0, count: n - 1 - i) }
    }
    guard info == 0 else {
      throw TinctureError(
        .checkpoint,
        "The \(a) is not positive definite: its leading \(info) rows and columns are not. Add to the "
          + "diagonal, or use least squares")
    }
    return CholeskyFactor(lower: lower)
  }

  /// Solves A X = B from the Cholesky factor of A (potrs).
  ///
  /// - Parameters:
  ///   - factor: The factor.
  ///   - b: The right-hand sides as columns.
  /// - Returns: The solutions as columns.
  /// - Throws: An error if the shapes do not fit or B is not finite.
  /// - Complexity: O(n²) for each right-hand side.
  public func solve<Element: MatrixElement>(
    _ factor: CholeskyFactor<Element>, _ b: Matrix<Element>
  ) throws(TinctureError) -> Matrix<Element> {
    try check(factor.lower, b)
    let n = factor.lower.rows
    guard b.count > 0 else { return b }
    var x = b.transposed()
    var (upperLetter, n32, count, info) = (letter("U"), Int32(n), Int32(b.columns), Int32(0))
    var (lda, ldb) = (n32, n32)
    x.write { x in
      factor.lower.read { a in
        call(Element.self) { $0.potrs(&upperLetter, &n32, &count, a, &lda, x, &ldb, &info, 1) }
      }
    }
    return try checked(x.transposed(), info, "potrs")
  }

  /// Solves A X = B for a square matrix.
  ///
  /// The solution's relative error is at most a modest multiple of ε times the condition number.
  ///
  /// - Parameters:
  ///   - a: The matrix.
  ///   - b: The right-hand sides as columns.
  ///   - kind: What is known about the matrix.
  /// - Returns: The solutions as columns.
  /// - Throws: An error if the shapes do not fit, an element is not finite or the matrix is singular.
  /// - Complexity: O(n³ + n² · right-hand sides).
  public func solve<Element: MatrixElement>(
    _ a: Matrix<Element>, _ b: Matrix<Element>, assuming kind: SystemKind = .general
  ) throws(TinctureError) -> Matrix<Element> {
    try Checks.finite(a, "a system of equations")
    try Checks.square(a, "A system of equations")
    try Checks.addressable(a, "a system of equations")
    try check(a, b)
    if kind == .positiveDefinite {
      try Checks.symmetric(a, "A system of equations that is positive definite")
      if let factor = try? cholesky(a) { return try solve(factor, b) }
    }
    let n = a.rows
    guard b.count > 0 else { return b }
    // Column after column the memory holds Aᵀ, so that the transposed system is solved.
    var (triangles, x) = (a, b.transposed())
    var (transposed, n32, m32, count) = (letter("T"), Int32(n), Int32(n), Int32(b.columns))
    var (lda, ldb, info) = (n32, n32, Int32(0))
    triangles.write { a in
      x.write { x in
        withWorkspace(Int32.self, n) { pivots in
          call(Element.self) { routines in
            routines.getrf(&m32, &n32, a, &lda, pivots, &info)
            if info == 0 {
              routines.getrs(&transposed, &n32, &count, a, &lda, pivots, x, &ldb, &info, 1)
            }
          }
        }
      }
    }
    guard info <= 0 else {
      throw TinctureError(
        .checkpoint,
        "The \(a) is singular (pivot \(info) is zero), so that the system has no unique solution. "
          + "Use least squares")
    }
    return try checked(x.transposed(), info, "getrf or getrs")
  }

  private func check<Element: MatrixElement>(
    _ a: Matrix<Element>, _ b: Matrix<Element>
  ) throws(TinctureError) {
    guard a.rows == b.rows else {
      throw TinctureError(
        .checkpoint, "\(b.rows) rows on the right do not fit the \(a.rows) of a system of equations"
      )
    }
    try Checks.finite(b, "the right of a system of equations")
    try Checks.addressable(b, "the right of a system of equations")
  }

  private func checked<Element: MatrixElement>(
    _ x: Matrix<Element>, _ info: Int32, _ routine: String
  ) throws(TinctureError) -> Matrix<Element> {
    guard info == 0 else {
      throw Checks.failure("Solution", routine, info, x.description)
    }
    guard x.read({ Loops.firstNonFinite($0, x.count) }) == nil else {
      throw TinctureError(
        .checkpoint,
        "The solution of a system of equations overflows: the matrix is singular but for rounding. "
          + "Use least squares")
    }
    return x
  }
}
