public import TinctureTensors

extension Backend {
  /// Solves G X = B for a sum G of Gram matrices, symmetric and positive semidefinite but for rounding.
  ///
  /// By Cholesky's factors. Where these show that a variable depends on those before it as far as single
  /// precision can tell (a pivot of at most 1e-6 of its diagonal element), `jitter` times the mean of the
  /// diagonal is added to it; should that fail, the pseudo-inverse takes its place. Variables that are always
  /// zero get zero.
  ///
  /// - Parameters:
  ///   - gram: G, n × n.
  ///   - right: B, n rows, in the range of G.
  ///   - jitter: What is added to the diagonal of a singular G, as a share of its mean.
  /// - Returns: X, n rows.
  /// - Throws: An error if the shapes do not fit, an element is not finite or the library fails.
  /// - Complexity: O(n³ + n² · right-hand sides).
  public func solve(
    gram: Matrix<Double>, _ right: Matrix<Double>, jitter: Double
  ) throws(TinctureError) -> Matrix<Double> {
    var system = gram
    for index in 0..<system.rows where system[index, index] <= 0 { system[index, index] = 1 }
    if let factor = try? cholesky(system), Self.isDetermined(factor.lower, system) {
      return try solve(factor, right)
    }
    let raise = jitter * gram.trace / Double(max(1, gram.rows))
    if raise > 0 {
      for index in 0..<system.rows { system[index, index] += raise }
      if let factor = try? cholesky(system) { return try solve(factor, right) }
    }
    return try pseudoSolve(gram: gram, right, tolerance: 1e-6)
  }

  /// Whether each variable has a part of its own that single precision can tell from rounding.
  private static func isDetermined(_ lower: Matrix<Double>, _ system: Matrix<Double>) -> Bool {
    (0..<system.rows).allSatisfy { index in
      lower[index, index] * lower[index, index] > 1e-6 * system[index, index]
    }
  }

  /// The shortest X that comes nearest to G X = B for a Gram matrix G: G⁺ B.
  ///
  /// - Parameters:
  ///   - gram: G, n × n, symmetric.
  ///   - right: B, n rows.
  ///   - tolerance: The share of the largest eigenvalue up to which eigenvalues count as zero.
  /// - Returns: X, n rows.
  /// - Throws: An error if the shapes do not fit, an element is not finite or the library fails.
  /// - Complexity: O(n³ + n² · right-hand sides).
  public func pseudoSolve(
    gram: Matrix<Double>, _ right: Matrix<Double>, tolerance: Double
  ) throws(TinctureError) -> Matrix<Double> {
    let eigen = try eigh(gram)
    let cut = tolerance * max(0, eigen.values.first ?? 0)
    var parts = try multiply(eigen.vectors, right, transposing: .first)
    parts.scaleRows(by: eigen.values.map { $0 > cut ? 1 / $0 : 0 })
    return try multiply(eigen.vectors, parts)
  }
}
