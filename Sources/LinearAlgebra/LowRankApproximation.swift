public import TinctureTensors

/// A matrix of low rank that stands for another one, and how far it is from it.
public struct LowRankApproximation<Element: MatrixElement>: Sendable {
  /// The approximation, U diag(σ) Vᵀ.
  public var svd: SVD<Element>
  /// The distance to the matrix, ‖A − U diag(σ) Vᵀ‖ in the Frobenius norm.
  public var frobeniusError: Double
  /// The distance in the spectral norm, or a bound of it that fails with probability `failure`.
  public var spectralError: Double
  /// The probability that the distance in the spectral norm is larger than stated.
  public var failure: Double
  /// The Frobenius norm of the matrix itself.
  public var norm: Double

  /// The share of the matrix that is lost, ‖A − U diag(σ) Vᵀ‖ / ‖A‖, 0 for a matrix of zeros.
  public var relativeError: Double { norm > 0 ? frobeniusError / norm : 0 }
}

/// How a randomised decomposition looks for the leading singular vectors.
public struct RandomizedOptions: Sendable, Hashable {
  /// How many vectors more than the rank are tried.
  public var oversampling: Int
  /// How often the vectors are passed through A Aᵀ; each time small singular values disturb less.
  public var powerIterations: Int
  /// What the random vectors are a function of.
  public var random: CounterRandom

  /// Creates options.
  ///
  /// - Parameters:
  ///   - oversampling: How many vectors more than the rank are tried, 10 by default.
  ///   - powerIterations: How often they are passed through A Aᵀ, twice by default.
  ///   - random: What the random vectors are a function of.
  public init(oversampling: Int = 10, powerIterations: Int = 2, random: CounterRandom) {
    precondition(oversampling >= 0, "Oversampling by \(oversampling) is not possible.")
    precondition(powerIterations >= 0, "\(powerIterations) power iterations are not possible.")
    self.oversampling = oversampling
    self.powerIterations = powerIterations
    self.random = random
  }
}

extension Backend {
  /// Computes the best approximation of a rank by the exact thin decomposition.
  ///
  /// No matrix of that rank is nearer in the Frobenius or the spectral norm. The errors follow from
  /// the singular values left out: (Σ σᵢ²)^½ and the largest of them; both are as exact as those are.
  ///
  /// - Parameters:
  ///   - a: The matrix.
  ///   - rank: How many singular values stay, 0 to min(m, n).
  /// - Returns: The approximation and its errors.
  /// - Throws: An error if the rank does not fit, an element is not finite, or the library fails.
  /// - Complexity: O(m n min(m, n)).
  public func truncatedSVD<Element: MatrixElement>(
    _ a: Matrix<Element>, rank: Int
  ) throws(TinctureError) -> LowRankApproximation<Element> {
    try Checks.rank(rank, of: a)
    let whole = try svd(a)
    let rest = Spectrum(whole.singularValues[rank...])
    return LowRankApproximation(
      svd: whole.prefix(rank), frobeniusError: rest.frobeniusNorm, spectralError: rest.largest,
      failure: 0, norm: Spectrum(whole.singularValues).frobeniusNorm)
  }

  /// Computes an approximation of a rank from random projections, and measures its errors.
  ///
  /// Random vectors are passed through A and A Aᵀ until they span the leading left singular vectors
  /// (Q); the decomposition of the small matrix Qᵀ A is exact. With the default options the
  /// approximation is nearly the best one unless singular values decay slowly beyond the rank. The
  /// remainder E = A − U diag(σ) Vᵀ is computed: its Frobenius norm is measured, its spectral norm is
  /// at most 10 (2/π)^½ max ‖E wᵢ‖ over six random vectors, except with probability 10⁻⁶.
  ///
  /// Halko, Martinsson and Tropp 2011, Finding structure with randomness, arXiv:0909.4061, algorithm
  /// 4.4 and lemma 4.1.
  ///
  /// - Parameters:
  ///   - a: The matrix.
  ///   - rank: How many singular values are wanted, 0 to min(m, n).
  ///   - options: How vectors are looked for.
  /// - Returns: The approximation and its errors; the exact one where nothing is saved by less.
  /// - Throws: An error if the rank does not fit, an element is not finite, or the library fails.
  /// - Complexity: O(m n (rank + oversampling) (powerIterations + 1)).
  public func randomizedSVD<Element: MatrixElement>(
    _ a: Matrix<Element>, rank: Int, options: RandomizedOptions
  ) throws(TinctureError) -> LowRankApproximation<Element> {
    try Checks.rank(rank, of: a)
    let width = rank + options.oversampling
    guard width < a.smallerExtent else { return try truncatedSVD(a, rank: rank) }
    try Checks.finite(a, "a randomised decomposition")
    var q = try qr(multiply(a, gaussian(a.columns, width, options.random, from: 0))).q
    for _ in 0..<options.powerIterations {
      let right = try qr(multiply(a, q, transposing: .first)).q
      q = try qr(multiply(a, right)).q
    }
    let small = try svd(multiply(q, a, transposing: .first)).prefix(rank)
    var svd = SVD(
      u: try multiply(q, small.u), singularValues: small.singularValues, vt: small.vt)
    svd.fixSigns()

    var remainder = a
    var scaled = svd.u
    scaled.scaleColumns(by: svd.singularValues)
    try multiply(scaled, svd.vt, scale: -1, into: &remainder)
    let probes = gaussian(a.columns, 6, options.random, from: a.columns * width) as Matrix<Element>
    let images = try multiply(remainder, probes).transposed()
    let longest = (0..<6).map { images.rows($0..<$0 + 1).frobeniusNorm }.max() ?? 0
    let frobeniusError = remainder.frobeniusNorm
    return LowRankApproximation(
      svd: svd, frobeniusError: frobeniusError,
      spectralError: min(frobeniusError, 10 * (2 / Double.pi).squareRoot() * longest),
      failure: 1e-6, norm: a.frobeniusNorm)
  }

  /// Standard normal numbers, by the transformation of Box and Muller.
  private func gaussian<Element: MatrixElement>(
    _ rows: Int, _ columns: Int, _ random: CounterRandom, from start: Int
  ) -> Matrix<Element> {
    var result = Matrix<Element>(uninitialisedRows: rows, columns: columns)
    let count = result.count
    result.write { Loops.fillNormal($0, count, random, from: start) }
    return result
  }
}
