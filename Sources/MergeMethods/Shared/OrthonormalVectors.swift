internal import TinctureLinearAlgebra
internal import TinctureTensors

/// The polar factor of vectors side by side: the nearest orthonormal ones, as a product with a small matrix.
///
/// For columns X it is X (XᵀX)^−½, for rows (X Xᵀ)^−½ X, so that nothing as long as the vectors is decomposed.
/// Where the vectors nearly depend on each other, squares have lost the digits that decide; then the factor comes
/// from the singular value decomposition of the vectors themselves. Directions with singular values up to
/// 1e-8 of the largest get zero.
struct OrthonormalVectors {
  /// The vectors, or their polar factor.
  let vectors: Matrix<Double>
  /// The inverse square root; the identity beside a polar factor.
  let root: Matrix<Double>

  /// The eigenvalues of a Gram matrix that are too small beside the largest to have digits enough.
  private static let least = 1e-9

  /// Prepares the factor.
  ///
  /// - Parameters:
  ///   - vectors: The vectors.
  ///   - side: Whether they are rows or columns.
  ///   - algebra: The library.
  /// - Throws: An error if the library fails.
  /// - Complexity: O(n³ + n² · length) for n vectors.
  init(
    _ vectors: Matrix<Double>, _ side: GramSide, _ algebra: Backend
  ) throws(TinctureError) {
    let eigen = try algebra.eigh(algebra.gram(vectors, of: side))
    guard let largest = eigen.values.first, let smallest = eigen.values.last,
      smallest > Self.least * largest
    else {
      self.vectors = try algebra.polarBySVD(vectors, tolerance: 1e-8).factor
      root = .identity(eigen.values.count)
      return
    }
    var half = eigen.vectors
    half.scaleColumns(by: eigen.values.map { 1 / $0.squareRoot().squareRoot() })
    self.vectors = vectors
    root = try algebra.gram(half, of: .rows)
  }
}
