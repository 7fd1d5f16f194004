internal import TinctureLinearAlgebra
internal import TinctureMerging
internal import TinctureTensors

/// Singular vectors of several matrices side by side.
struct JoinedDirections<Element: MatrixElement> {
  /// Left vectors as columns.
  let u: Matrix<Element>
  /// Singular values.
  let values: [Element]
  /// Right vectors as rows.
  let vt: Matrix<Element>

  /// Joins decompositions of matrices of one shape, at least one.
  init(_ parts: [SVD<Element>]) {
    u = .joined(parts.map(\.u), rows: parts.first?.u.rows ?? 0)
    values = parts.flatMap(\.singularValues)
    vt = .stacked(parts.map(\.vt), columns: parts.first?.vt.columns ?? 0)
  }

  /// polar(U) diag(σ) polar(V).
  ///
  /// With the Gram matrices G and H of columns of U and rows of V it is U (G^−½ diag(σ) H^−½) V. The published code
  /// takes the polar factors from singular values, which completes directions that are missing.
  func orthogonalized(
    _ tasks: TaskMatrices<Element>
  ) throws(TinctureError) -> Matrix<Element> {
    try orthogonalized(
      tasks.algebra, completing: Spectral.completes(tasks.inputs.step.parameters))
  }

  /// The same, with or without the published code's arbitrary vectors.
  func orthogonalized(
    _ algebra: Backend, completing: Bool
  ) throws(TinctureError) -> Matrix<Element> {
    guard !completing else {
      var left = try algebra.polarBySVD(u, nullSpace: .completed).factor
      left.scaleColumns(by: values)
      return try algebra.multiply(left, algebra.polarBySVD(vt, nullSpace: .completed).factor)
    }
    guard Element.precision == .double else {
      let left = try algebra.polarPartsInSingle(u.converted(to: Float.self), keepingAbove: 1e-7)
      var right = try algebra.polarPartsInSingle(vt.converted(to: Float.self), keepingAbove: 1e-7)
      right.parts[0].scaleRows(by: values.map { Float($0) })
      return try algebra.multiply(chain: left.parts + right.parts).converted(to: Element.self)
    }
    let left = try OrthonormalVectors(u.converted(to: Double.self), .columns, algebra)
    let right = try OrthonormalVectors(vt.converted(to: Double.self), .rows, algebra)
    var core = left.root
    core.scaleColumns(by: values.map { Double($0) })
    core = try algebra.multiply(core, right.root)
    return try algebra.multiply(algebra.multiply(left.vectors, core), right.vectors)
      .converted(to: Element.self)
  }
}
