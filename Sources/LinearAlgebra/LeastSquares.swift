public import TinctureTensors

/// The shortest of the solutions that come nearest to the right-hand sides.
public struct LeastSquaresSolution<Element: MatrixElement>: Sendable {
  /// The solutions as columns, n × right-hand sides.
  public var solution: Matrix<Element>
  /// How many singular values of the matrix counted.
  public var rank: Int
  /// ‖A X − B‖ in the Frobenius norm, computed from the solution.
  public var residual: Double
  /// The singular values of the matrix, largest first.
  public var singularValues: [Element]
}

extension Backend {
  /// Solves A X ≈ B by least squares, with the shortest solution where there are several.
  ///
  /// X = V diag(1/σ) Uᵀ B over the singular values above `tolerance` · σ₁; the others count as zero.
  /// It fits any shape and rank.
  ///
  /// - Parameters:
  ///   - a: The matrix, m × n.
  ///   - b: The right-hand sides as columns, m rows.
  ///   - tolerance: The share of σ₁ up to which a singular value counts as zero; by default
  ///     max(m, n) · ε.
  /// - Returns: The solution, the rank that was used and the residual.
  /// - Throws: An error if the shapes do not fit, an element is not finite or the library fails.
  /// - Complexity: O(m n min(m, n)).
  public func leastSquares<Element: MatrixElement>(
    _ a: Matrix<Element>, _ b: Matrix<Element>, tolerance: Double? = nil
  ) throws(TinctureError) -> LeastSquaresSolution<Element> {
    guard a.rows == b.rows else {
      throw TinctureError(
        .checkpoint, "\(b.rows) rows on the right do not fit the \(a.rows) rows of least squares")
    }
    try Checks.finite(b, "the right of least squares")
    let whole = try svd(a)
    let rank = whole.numericalRank(tolerance: tolerance)
    let kept = whole.prefix(rank)
    var weights = try multiply(kept.u, b, transposing: .first)
    weights.divideRows(by: kept.singularValues)
    let solution = try multiply(kept.vt, weights, transposing: .first)
    try Checks.finite(solution, "the result of least squares")
    var remainder = b
    try multiply(a, solution, scale: -1, into: &remainder)
    return LeastSquaresSolution(
      solution: solution, rank: rank, residual: remainder.frobeniusNorm,
      singularValues: whole.singularValues)
  }
}

extension Matrix {
  /// Divides each row by a number of its own.
  mutating func divideRows(by divisors: [Element]) {
    precondition(divisors.count == rows, "\(divisors.count) divisors do not fit \(rows) rows.")
    let (rows, columns) = (self.rows, self.columns)
    write { for i in 0..<rows { Loops.divide($0 + i * columns, by: divisors[i], columns) } }
  }
}
