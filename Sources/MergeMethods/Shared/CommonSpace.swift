internal import TinctureLinearAlgebra
internal import TinctureMerging
internal import TinctureTensors

/// The leading singular vectors of the sum of task vectors, and what single task vectors have beside them.
struct CommonSpace<Element: MatrixElement> {
  /// The leading singular values and vectors of the sum.
  let svd: SVD<Element>
  /// Orthonormal columns that span what the left vectors do not, where that is cheap to have.
  private let complement: Matrix<Element>?

  /// Decomposes the sum.
  ///
  /// - Parameters:
  ///   - sum: The sum, not zero.
  ///   - rank: How many directions are common at most.
  ///   - tasks: The task vectors.
  /// - Throws: An error if the library fails.
  init(
    _ sum: Matrix<Element>, rank: Int, of tasks: TaskMatrices<Element>
  ) throws(TinctureError) {
    guard sum.rows <= sum.columns, !Spectral.completes(tasks.inputs.step.parameters) else {
      svd = try tasks.decompose(sum, rank: rank)
      complement = nil
      return
    }
    let tolerance = tasks.inputs[Spectral.tolerance]
    switch Element.precision {
    case .single:
      let (svd, rest) = try tasks.algebra.svdInSingleAndComplement(
        sum.converted(to: Float.self), keepingAbove: tolerance, rank: rank)
      (self.svd, complement) = (svd.converted(to: Element.self), rest.converted(to: Element.self))
    case .double:
      let (svd, rest) = try tasks.algebra.svdByGramAndComplement(
        sum.converted(to: Double.self), keepingAbove: tolerance, rank: rank)
      (self.svd, complement) = (svd.converted(to: Element.self), rest.converted(to: Element.self))
    }
  }

  /// τ − U Uᵀ τ.
  func without(
    _ task: Matrix<Element>, _ algebra: Backend
  ) throws(TinctureError) -> Matrix<Element> {
    var rest = task
    let inside = try algebra.multiply(svd.u, task, transposing: .first)
    try algebra.multiply(svd.u, inside, scale: -1, into: &rest)
    return rest
  }

  /// The leading singular values and vectors of τ − U Uᵀ τ, which is never made.
  ///
  /// With the complement C of U it is C Cᵀ τ, whose vectors are those of the low matrix Cᵀ τ. For matrices with more rows
  /// than columns, in double precision, the Gram matrix is τᵀ τ − Bᵀ B with B = Uᵀ τ, and the left vectors are
  /// (τ V − U B V) / σ. Cost: a product of m n c for c directions of either, and O(n³) or O(m³) for the smaller of both.
  func remainder(
    of task: Matrix<Element>, rank: Int, _ tasks: TaskMatrices<Element>
  ) throws(TinctureError) -> SVD<Element> {
    let algebra = tasks.algebra
    if let complement {
      let low = try algebra.multiply(complement, task, transposing: .first)
      let part = try tasks.decompose(low, rank: rank)
      return SVD(
        u: try algebra.multiply(complement, part.u), singularValues: part.singularValues,
        vt: part.vt)
    }
    // A difference of squares leaves nothing of single precision's digits.
    guard Element.precision == .double else {
      return try tasks.decompose(without(task, algebra), rank: rank)
    }
    let inside = try algebra.multiply(svd.u, task, transposing: .first)
    var gram = try algebra.gram(task, of: .columns)
    gram.add(try algebra.gram(inside, of: .columns), times: -1)
    let eigen = try algebra.eigh(gram, leading: min(rank, gram.rows))
    let values = eigen.values.map { max(0, $0).squareRoot() }
    let share = Element(tasks.inputs[Spectral.tolerance]) * (values.first ?? 0)
    let count = values.prefix { $0 > share }.count
    let right = eigen.vectors.columns(0..<count)
    var left = try algebra.multiply(task, right)
    try algebra.multiply(svd.u, algebra.multiply(inside, right), scale: -1, into: &left)
    left.scaleColumns(by: values[..<count].map { 1 / $0 })
    return SVD(u: left, singularValues: Array(values[..<count]), vt: right.transposed())
  }
}
