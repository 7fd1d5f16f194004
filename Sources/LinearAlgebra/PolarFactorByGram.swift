public import TinctureTensors

extension Backend {
  /// Computes the polar factor from the eigenvalues of the smaller Gram matrix, in double precision.
  ///
  /// With G = A Aᵀ = U diag(σ²) Uᵀ it is U diag(1/σ) Uᵀ A, the product of one square matrix with A: half of what
  /// both factors of the decomposition and their product cost. Directions whose singular values are at or below
  /// `share` · σ₁ get zero. The factor is orthonormal to about ε σ₁² / σₖ², for the smallest σₖ that is kept.
  ///
  /// - Parameters:
  ///   - a: The matrix.
  ///   - share: Singular values must exceed this share of the largest, at least 1e-7.
  /// - Returns: The factor, and the singular values that are large enough, largest first.
  /// - Throws: An error if an element is not finite, or the library fails.
  /// - Complexity: O(m n min(m, n)).
  public func polarByGram(
    _ a: Matrix<Double>, keepingAbove share: Double = 1e-6
  ) throws(TinctureError) -> (factor: Matrix<Double>, singularValues: [Double]) {
    precondition(share >= 1e-7, "Below 1e-7 of the largest, not above \(share), is only noise.")
    try Checks.finite(a, "a polar factor")
    guard a.largestMagnitude > 0 else { return (a, []) }
    // A power of two, so that squares stay within the range.
    let unit = Double(sign: .plus, exponent: a.largestMagnitude.exponent, significand: 1)
    var scaled = a
    scaled.divide(by: unit)
    let side = a.shorterSide
    let eigen = try eigh(gram(scaled, of: side))
    let values = eigen.values.map { max(0, $0).squareRoot() }
    let count = values.prefix { $0 > share * (values.first ?? 0) }.count
    var half = eigen.vectors.columns(0..<count)
    half.scaleColumns(by: values[..<count].map { 1 / $0.squareRoot() })
    let root = try gram(half, of: .rows)
    let factor = try side == .rows ? multiply(root, scaled) : multiply(scaled, root)
    return (factor, values[..<count].map { $0 * unit })
  }
}
