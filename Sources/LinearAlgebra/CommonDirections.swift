public import TinctureTensors

/// The left singular directions of matrices side by side, [A₁ … A_T] = U diag(σ) Vᵀ.
public struct CommonDirections: Sendable {
  /// The singular values, ascending.
  public var singularValues: [Double]
  /// Their left vectors as orthonormal rows, Uᵀ.
  public var rows: Matrix<Double>
}

extension Backend {
  /// Finds the common left singular directions of matrices that are read one after another.
  ///
  /// By eigenvalues of Σ Aᵢ Aᵢᵀ, all in double precision; signs are arbitrary.
  ///
  /// - Parameters:
  ///   - extent: The number of rows of each matrix.
  ///   - count: The number of matrices.
  ///   - limit: Singular values must exceed this, and 1e-7 of the largest.
  ///   - read: Reads the matrix of a number; matrices are read again where the quicker way fails.
  /// - Returns: The directions with large enough singular values, maybe none.
  /// - Throws: What `read` throws, or an error if an element is not finite or the library fails.
  /// - Complexity: O(m² n) for all matrices of m × n, and O(m³); memory for about five matrices of m × m.
  public func commonDirections(
    extent: Int, count: Int, above limit: Double,
    _ read: (Int) throws(TinctureError) -> Matrix<Float>
  ) throws(TinctureError) -> CommonDirections {
    func upperSum() throws(TinctureError) -> Matrix<Double> {
      var sum = Matrix<Double>(rows: extent, columns: extent)
      for number in 0..<count { try addUpperGramInDouble(read(number), of: .rows, to: &sum) }
      try Checks.finite(sum, "an eigenvalue decomposition")
      return sum
    }
    var sum = try upperSum()
    var found: (values: [Double], vectors: Matrix<Double>)?
    if extent >= Tridiagonalization.leastExtent {
      found = leading(&sum, extent, as: Double.self)
      if found == nil { sum = try upperSum() }
    }
    if found == nil {
      sum.write { Loops.mirrorUpper($0, extent) }
      let eigen = try eigh(sum)
      let order = Array((0..<extent).reversed())
      found = (eigen.values.reversed(), eigen.vectors.columns(order).transposed())
    }
    guard let (squares, rows) = found else {
      return CommonDirections(singularValues: [], rows: sum)
    }
    // Squares below rounding are no singular values, whatever the limit says.
    let least = max(limit * limit, 1e-14 * (squares.last ?? 0))
    let first = squares.firstIndex { $0 > least } ?? extent
    return CommonDirections(
      singularValues: squares[first...].map { $0.squareRoot() },
      rows: first == 0 ? rows : rows.rows(first..<extent))
  }
}
