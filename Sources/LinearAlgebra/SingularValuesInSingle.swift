public import TinctureTensors

extension Backend {
  /// Computes the decomposition of a matrix in single precision, about as accurate as single precision allows.
  ///
  /// By Gram matrices in single precision whose eigenvectors are found in double, a range of singular values at a time:
  /// from the largest down to a sixteenth, then what is left. Every singular value is wrong by a modest multiple of
  /// ε σ₁ and vectors are orthonormal to a modest multiple of ε, as with ``svd(_:)`` of single-precision
  /// matrices, which takes several times as long. Singular values at or below `share` · σ₁ are left out. Where
  /// some are so near this bound that rounding would decide, or where few are wanted but these span more than one range,
  /// ``svdByGram(_:keepingAbove:rank:)`` in double precision takes its place.
  ///
  /// - Parameters:
  ///   - a: The matrix.
  ///   - share: Singular values must exceed this share of the largest, at least 1e-7.
  ///   - rank: How many of them are wanted at most; by default all.
  ///   - isFlat: Whether all that are wanted are expected to be a quarter of the largest or more. The Gram matrix of a
  ///     small matrix is then reduced in single precision, and once more in double where they are not.
  /// - Returns: The decomposition, of as many singular values as are large enough.
  /// - Throws: An error if an element is not finite, or the library fails.
  /// - Complexity: O(m n min(m, n)).
  public func svdInSingle(
    _ a: Matrix<Float>, keepingAbove share: Double = 1e-6, rank: Int = .max, isFlat: Bool = false
  ) throws(TinctureError) -> SVD<Float> {
    precondition(rank >= 0, "A rank of \(rank) is not possible.")
    try Checks.finite(a, "a singular value decomposition")
    var found = try SingleDirections(
      a, keepingAbove: Float(share), rank: rank, range: rank < a.smallerExtent ? .narrow : .wide,
      isFlat: isFlat, self)
    guard found.isDoubtful else { return found.takeSVD(of: a) }
    return try svdByGram(a, keepingAbove: share, rank: rank)
  }

  /// Computes the decomposition as ``svdInSingle(_:keepingAbove:rank:isFlat:)`` does, and what is left of the left vectors' space.
  ///
  /// - Parameters:
  ///   - a: The matrix, with at most as many rows as columns.
  ///   - share: Singular values must exceed this share of the largest, at least 1e-7.
  ///   - rank: How many of them are wanted at most.
  /// - Returns: The decomposition, and orthonormal columns that together with its left vectors span all of the space.
  /// - Throws: An error if an element is not finite, or the library fails.
  /// - Complexity: O(m² n) for m rows.
  public func svdInSingleAndComplement(
    _ a: Matrix<Float>, keepingAbove share: Double, rank: Int
  ) throws(TinctureError) -> (svd: SVD<Float>, complement: Matrix<Float>) {
    precondition(a.rows <= a.columns, "\(a.description) has more rows than columns.")
    try Checks.finite(a, "a singular value decomposition")
    var found = try SingleDirections(
      a, keepingAbove: Float(share), rank: .max, range: .narrow, self)
    if !found.isDoubtful, found.count == a.rows {
      let complement = found.vectors(beyond: rank)
      return (found.takeSVD(of: a, rank), complement)
    }
    let (svd, complement) = try svdByGramAndComplement(
      a.converted(to: Double.self), keepingAbove: share, rank: rank)
    return (svd.converted(to: Float.self), complement.converted(to: Float.self))
  }
}
