internal import TinctureLinearAlgebra
internal import TinctureMerging
internal import TinctureTensors

/// Singular vectors of several matrices side by side.
struct JoinedDirections {
  /// Left vectors as columns.
  let u: Matrix<Double>
  /// Singular values.
  let values: [Double]
  /// Right vectors as rows.
  let vt: Matrix<Double>

  /// Joins decompositions of matrices of one shape, at least one.
  init(_ parts: [SVD<Double>]) {
    u = .joined(parts.map(\.u), rows: parts.first?.u.rows ?? 0)
    values = parts.flatMap(\.singularValues)
    vt = .stacked(parts.map(\.vt), columns: parts.first?.vt.columns ?? 0)
  }

  /// polar(U) diag(σ) polar(V).
  ///
  /// With the Gram matrices G and H of columns of U and rows of V it is U (G^−½ diag(σ) H^−½) V. The published code
  /// takes the polar factors from singular values, which completes directions that are missing.
  func orthogonalized(_ tasks: TaskMatrices) throws(TinctureError) -> Matrix<Double> {
    try orthogonalized(
      tasks.algebra, completing: Spectral.completes(tasks.inputs.step.parameters))
  }

  /// The same, with or without the published code's arbitrary vectors.
  func orthogonalized(
    _ algebra: Backend, completing: Bool
  ) throws(TinctureError) -> Matrix<Double> {
    guard !completing else {
      var left = try algebra.polarBySVD(u, nullSpace: .completed).factor
      left.scaleColumns(by: values)
      return try algebra.multiply(left, algebra.polarBySVD(vt, nullSpace: .completed).factor)
    }
    let left = try OrthonormalVectors(u, .columns, algebra)
    let right = try OrthonormalVectors(vt, .rows, algebra)
    var core = left.root
    core.scaleColumns(by: values)
    core = try algebra.multiply(core, right.root)
    return try algebra.multiply(algebra.multiply(left.vectors, core), right.vectors)
  }
}
