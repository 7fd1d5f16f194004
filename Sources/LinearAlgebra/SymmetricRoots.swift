public import TinctureTensors

extension Backend {
  /// Computes the square root of a symmetric positive semidefinite matrix.
  ///
  /// V diag(λ^½) Vᵀ, itself symmetric and positive semidefinite. Eigenvalues below `floor` · λ₁ are
  /// raised to that; those that rounding made negative count as zero.
  ///
  /// - Parameters:
  ///   - a: The matrix.
  ///   - floor: The least eigenvalue as a share of the largest.
  /// - Returns: The root.
  /// - Throws: An error if the matrix is not symmetric, not finite or has a negative eigenvalue, or
  ///   the library fails.
  /// - Complexity: O(n³).
  public func squareRoot<Element: MatrixElement>(
    _ a: Matrix<Element>, floor: Double = 0
  ) throws(TinctureError) -> Matrix<Element> {
    try function(of: a, floor: floor, "A square root") { $0.squareRoot() }
  }

  /// Computes the inverse square root of a symmetric positive semidefinite matrix.
  ///
  /// V diag(λ^−½) Vᵀ. Eigenvalues below `floor` · λ₁ are raised to that, which bounds the result by
  /// (floor · λ₁)^−½.
  ///
  /// - Parameters:
  ///   - a: The matrix.
  ///   - floor: The least eigenvalue as a share of the largest; by default n · ε.
  /// - Returns: The inverse root.
  /// - Throws: An error if the matrix is zero, not symmetric, not finite or has a negative
  ///   eigenvalue, or the library fails.
  /// - Complexity: O(n³).
  public func inverseSquareRoot<Element: MatrixElement>(
    _ a: Matrix<Element>, floor: Double? = nil
  ) throws(TinctureError) -> Matrix<Element> {
    let floor = floor ?? Double(a.rows) * Double(Element.ulpOfOne)
    precondition(floor > 0, "The floor of an inverse root must be positive, not \(floor).")
    if a.count > 0, a.rows == a.columns, a.largestMagnitude == 0 {
      throw TinctureError(
        .checkpoint,
        "A \(a.rows) × \(a.columns) matrix of zeros has no inverse square root")
    }
    return try function(of: a, floor: floor, "An inverse square root") { 1 / $0.squareRoot() }
  }

  /// V diag(f(λ)) Vᵀ for f ≥ 0.
  private func function<Element: MatrixElement>(
    of a: Matrix<Element>, floor: Double, _ name: String, _ body: (Double) -> Double
  ) throws(TinctureError) -> Matrix<Element> {
    precondition((0...1).contains(floor), "A floor of \(floor) is not between 0 and 1.")
    let eigen = try eigh(a)
    let largest = Double(eigen.values.first ?? 0)
    let noise = 10 * Double(a.rows) * Double(Element.ulpOfOne) * Double(a.largestMagnitude)
    if let last = eigen.values.last, Double(last) < -noise {
      throw TinctureError(
        .checkpoint, "\(name) needs a matrix without negative eigenvalues; this one has \(last)")
    }
    // The root of the function goes to both sides, so that the result is exactly symmetric.
    var half = eigen.vectors
    half.scaleColumns(
      by: eigen.values.map { Element(body(max(Double($0), floor * largest, 0)).squareRoot()) })
    return try gram(half, of: .rows)
  }
}
