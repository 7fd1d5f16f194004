public import TinctureTensors

extension Backend {
  /// Computes the polar factor of a matrix in single precision, about as accurate as single precision allows.
  ///
  /// With G = A Aᵀ = U diag(σ²) Uᵀ, formed and decomposed in double precision, the factor is U diag(1/σ) Uᵀ A, whose
  /// square matrix and product are single precision's. Where σ₁ / σₖ is above 64 or some singular values are to be left
  /// out, directions are found a range of singular values at a time, as in ``svdInSingle(_:keepingAbove:rank:isFlat:)``,
  /// or in double precision where rounding would decide. Directions whose singular values are at or below `share` · σ₁
  /// get zero.
  ///
  /// - Parameters:
  ///   - a: The matrix.
  ///   - share: Singular values must exceed this share of the largest, at least 1e-7.
  /// - Returns: The factor, and the singular values that are large enough, largest first.
  /// - Throws: An error if an element is not finite, or the library fails.
  /// - Complexity: O(m n min(m, n)).
  public func polarInSingle(
    _ a: Matrix<Float>, keepingAbove share: Double = 1e-6
  ) throws(TinctureError) -> (factor: Matrix<Float>, singularValues: [Float]) {
    let (parts, values) = try polarPartsInSingle(a, keepingAbove: share)
    return (try multiply(chain: parts), values)
  }

  /// Computes the polar factor as ``polarInSingle(_:keepingAbove:)`` does, and leaves the last product to the caller.
  ///
  /// - Parameters:
  ///   - a: The matrix.
  ///   - share: Singular values must exceed this share of the largest, at least 1e-7.
  /// - Returns: One or two matrices whose product is the factor, and the singular values that are large enough.
  /// - Throws: An error if an element is not finite, or the library fails.
  /// - Complexity: O(m n min(m, n)).
  public func polarPartsInSingle(
    _ a: Matrix<Float>, keepingAbove share: Double = 1e-6
  ) throws(TinctureError) -> (parts: [Matrix<Float>], singularValues: [Float]) {
    try Checks.finite(a, "a polar factor")
    var eigen: SingleDirections.Eigenvectors?
    if SingleDirections.hasUsualSize(a.largestMagnitude) {
      let found = try eighInSingle(leading: a.smallerExtent) { () throws(TinctureError) in
        try gramInDouble(a, of: a.shorterSide)
      }
      if let parts = try partsByRoot(a, share, found) { return parts }
      eigen = found
    }
    let found = try SingleDirections(
      a, keepingAbove: Float(share), rank: .max, range: .long, first: eigen, self)
    guard !found.isDoubtful else {
      let (factor, values) = try polarInDouble(a, share)
      return ([factor], values)
    }
    guard found.count > 0 else { return ([Matrix(rows: a.rows, columns: a.columns)], []) }
    return (found.polarParts, found.singularValues)
  }

  /// The factor by double precision, and by singular values where squares of the smallest have lost digits that count.
  private func polarInDouble(
    _ a: Matrix<Float>, _ share: Double
  ) throws(TinctureError) -> (factor: Matrix<Float>, singularValues: [Float]) {
    let wide = a.converted(to: Double.self)
    let (factor, values) = try polarByGram(wide, keepingAbove: share)
    guard let first = values.first, let last = values.last, last < 1e-5 * first else {
      return (factor.converted(to: Float.self), values.map { Float($0) })
    }
    let whole = try svd(wide)
    let kept = whole.prefix(whole.numericalRank(tolerance: share))
    return (
      try multiply(kept.u, kept.vt).converted(to: Float.self), kept.singularValues.map { Float($0) }
    )
  }

  /// The inverse root of the Gram matrix beside the matrix; nil where singular values lie too far apart or one does not count.
  private func partsByRoot(
    _ a: Matrix<Float>, _ share: Double, _ eigen: SingleDirections.Eigenvectors
  ) throws(TinctureError) -> (parts: [Matrix<Float>], singularValues: [Float])? {
    let least = max(Double(SingleDirections.Range.long.end), share)
    guard let first = eigen.values.first, let last = eigen.values.last,
      last > least * least * first
    else { return nil }
    let values = eigen.values.map { $0.squareRoot() }
    var half = eigen.vectors
    half.scaleColumns(by: values.map { Float(1 / $0.squareRoot()) })
    let root = try gram(half, of: .rows)
    return (a.shorterSide == .rows ? [root, a] : [a, root], values.map { Float($0) })
  }
}
