public import TinctureTensors

/// The smaller Gram matrix of a matrix, decomposed, and what singular vectors follow from it.
///
/// In double precision whatever the matrix has. `near` are the vectors of the smaller side.
struct GramDecomposition {
  /// The matrix, divided by ``unit``.
  private let matrix: Matrix<Double>
  /// A power of two, so that squares stay within the range; 1 for most matrices.
  private let unit: Double
  /// The side whose vectors are eigenvectors.
  let side: GramSide
  /// The singular values of the divided matrix, descending, as many as eigenvectors.
  private let values: [Double]
  /// The eigenvectors as columns.
  private let near: Matrix<Double>

  /// Decomposes.
  ///
  /// - Parameters:
  ///   - a: The matrix.
  ///   - count: How many eigenvectors are wanted at most.
  ///   - algebra: The library.
  /// - Throws: An error if an element is not finite, or the library fails.
  init<Element: MatrixElement>(
    _ a: Matrix<Element>, leading count: Int, _ algebra: Backend
  ) throws(TinctureError) {
    try Checks.finite(a, "a singular value decomposition")
    let largest = Double(a.largestMagnitude)
    var wide = a.converted(to: Double.self)
    if largest > 0, !(1e-100...1e100).contains(largest) {
      unit = Double(sign: .plus, exponent: largest.exponent, significand: 1)
      wide.divide(by: unit)
    } else {
      unit = 1
    }
    side = a.shorterSide
    let eigen = try algebra.eigh(
      algebra.gram(wide, of: side), leading: min(count, a.smallerExtent))
    values = eigen.values.map { max(0, $0).squareRoot() }
    near = eigen.vectors
    matrix = wide
  }

  /// How many singular values exceed a share of the largest.
  func count(above share: Double) -> Int {
    values.prefix { $0 > share * (values.first ?? 0) }.count
  }

  /// The eigenvectors from one on.
  func vectors(from index: Int) -> Matrix<Double> { near.columns(index..<near.columns) }

  /// The decomposition with as many singular values.
  func svd<Element: MatrixElement>(
    _ count: Int, as type: Element.Type, _ algebra: Backend
  ) throws(TinctureError) -> SVD<Element> {
    let near = near.columns(0..<count)
    let inverse = values[..<count].map { 1 / $0 }
    var far =
      try side == .rows
      ? algebra.multiply(near, matrix, transposing: .first) : algebra.multiply(matrix, near)
    if side == .rows { far.scaleRows(by: inverse) } else { far.scaleColumns(by: inverse) }
    var result = SVD(
      u: (side == .rows ? near : far).converted(to: Element.self),
      singularValues: values[..<count].map { Element($0 * unit) },
      vt: (side == .rows ? far : near.transposed()).converted(to: Element.self))
    result.fixSigns()
    return result
  }
}

extension Backend {
  /// Computes the decomposition from the eigenvalues of A Aᵀ or Aᵀ A, whichever is smaller.
  ///
  /// With G = A Aᵀ = U diag(σ²) Uᵀ the right vectors are Vᵀ = diag(1/σ) Uᵀ A. All of it is computed in
  /// double precision, also for single-precision matrices. Squaring costs half the digits: a
  /// singular value t σ₁ has a relative error of about 1e-16 / t², and its right (left) vectors are
  /// orthonormal up to that. Singular values at or below `share` · σ₁ are left out. For
  /// single-precision matrices the default loses nothing; for double-precision matrices it is a
  /// compromise, and ``svd(_:)`` is the accurate way.
  ///
  /// - Parameters:
  ///   - a: The matrix.
  ///   - share: Singular values must exceed this share of the largest, at least 1e-7.
  ///   - rank: How many of them are wanted at most; by default all.
  /// - Returns: The decomposition, of as many singular values as are large enough.
  /// - Throws: An error if an element is not finite, or the library fails.
  /// - Complexity: O(m n min(m, n)), for long matrices several times faster than ``svd(_:)``; for few
  ///   singular values the Gram matrix and its reduction to a tridiagonal one are nearly all of it.
  public func svdByGram<Element: MatrixElement>(
    _ a: Matrix<Element>, keepingAbove share: Double = 1e-5, rank: Int = .max
  ) throws(TinctureError) -> SVD<Element> {
    precondition(share >= 1e-7, "Below 1e-7 of the largest, not above \(share), is only noise.")
    precondition(rank >= 0, "A rank of \(rank) is not possible.")
    let gram = try GramDecomposition(a, leading: rank, self)
    return try gram.svd(gram.count(above: share), as: Element.self, self)
  }

  /// Computes the decomposition as ``svdByGram(_:keepingAbove:rank:)`` does, and what is left of the left vectors' space.
  ///
  /// - Parameters:
  ///   - a: The matrix, with at most as many rows as columns.
  ///   - share: Singular values must exceed this share of the largest, at least 1e-7.
  ///   - rank: How many of them are wanted at most.
  /// - Returns: The decomposition, and orthonormal columns that together with its left vectors span all of the space.
  /// - Throws: An error if an element is not finite, or the library fails.
  /// - Complexity: O(m² n) for m rows.
  public func svdByGramAndComplement(
    _ a: Matrix<Double>, keepingAbove share: Double, rank: Int
  ) throws(TinctureError) -> (svd: SVD<Double>, complement: Matrix<Double>) {
    precondition(share >= 1e-7, "Below 1e-7 of the largest, not above \(share), is only noise.")
    precondition(a.rows <= a.columns, "\(a.description) has more rows than columns.")
    let gram = try GramDecomposition(a, leading: a.rows, self)
    let count = min(rank, gram.count(above: share))
    return (try gram.svd(count, as: Double.self, self), gram.vectors(from: count))
  }
}
