public import TinctureTensors

/// The matrix with orthonormal columns (or rows) that is nearest to another one.
///
/// For A = U diag(σ) Vᵀ it is U Vᵀ: all singular values become 1.
public struct PolarFactor<Element: MatrixElement>: Sendable {
  /// How a polar factor was found.
  public enum Route: String, Sendable, Hashable {
    /// By products alone.
    case newtonSchulz
    /// From the singular value decomposition.
    case svd
  }

  /// The factor, of the extents of the matrix.
  public var factor: Matrix<Element>
  /// How it was found.
  public var route: Route
  /// How many Newton–Schulz steps led to it.
  public var steps: Int
  /// The number of singular values that became 1; the others, if any, became 0.
  public var rank: Int
}

/// What becomes of directions in which a matrix is zero but for rounding.
public enum NullSpace: String, Sendable, Hashable {
  /// They stay zero: the factor is a partial isometry, which depends continuously on nothing else.
  case dropped
  /// They get orthonormal vectors that the matrix does not determine.
  case completed
}

extension Backend {
  /// Computes the polar factor by products, or by singular values where products do not get there.
  ///
  /// Scaled Newton–Schulz steps, X ← ½ ρ X (3 I − ρ² XᵀX), take all singular values to 1; ρ follows the
  /// smallest singular value that is expected, as Chen and Chow propose (2014, A stable scaling of
  /// Newton–Schulz for improving the sign function computation of a Hermitian matrix). Long matrices
  /// are reduced to their triangle first. The convergence of XᵀX to I is checked. A matrix with
  /// smaller singular values than expected does not converge within the steps foreseen and is
  /// decomposed (``polarBySVD(_:nullSpace:tolerance:)``). The factor is orthonormal to a modest
  /// multiple of ε and wrong by about ε σ₁ / σₖ, as is the one from the decomposition.
  ///
  /// A step costs two products; a condition of 10 takes 8 steps, one of 10⁴ takes 15. With OpenBLAS
  /// on one thread the decomposition of a square matrix costs about as much as 20 products, so that
  /// steps are quicker for well-conditioned or long matrices only.
  ///
  /// - Parameters:
  ///   - a: The matrix.
  ///   - condition: The largest σ₁ / σₖ to be prepared for.
  ///   - nullSpace: What becomes of directions in which the matrix is zero.
  /// - Returns: The factor.
  /// - Throws: An error if an element is not finite, or the library fails.
  /// - Complexity: O(m n min(m, n)), and O(min(m, n)³) for each step.
  public func polarByNewtonSchulz<Element: MatrixElement>(
    _ a: Matrix<Element>, condition: Double = 1e4, nullSpace: NullSpace = .dropped
  ) throws(TinctureError) -> PolarFactor<Element> {
    precondition(condition >= 1, "A condition of \(condition) is less than 1.")
    try Checks.finite(a, "a polar factor")
    let largest = a.largestMagnitude
    guard largest > 0 else { return try polarBySVD(a, nullSpace: nullSpace) }
    var x = a
    x.divide(by: Element(sign: .plus, exponent: largest.exponent, significand: 1))
    // Q of the triangle's factor is the factor of the whole.
    let (short, long) = (a.smallerExtent, max(a.rows, a.columns))
    let triangle = long > 2 * short ? try qr(a.rows < a.columns ? x.transposed() : x) : nil
    if let triangle { x = triangle.r }
    guard let (factor, steps) = try newtonSchulz(x, condition: condition) else {
      return try polarBySVD(a, nullSpace: nullSpace)
    }
    var result = PolarFactor(factor: factor, route: .newtonSchulz, steps: steps, rank: short)
    if let triangle {
      let tall = try multiply(triangle.q, factor)
      result.factor = a.rows < a.columns ? tall.transposed() : tall
    }
    return result
  }

  /// Makes the steps, or returns nil if the matrix is not conditioned as expected.
  private func newtonSchulz<Element: MatrixElement>(
    _ a: Matrix<Element>, condition: Double
  ) throws(TinctureError) -> (factor: Matrix<Element>, steps: Int)? {
    let side: GramSide = a.rows < a.columns ? .rows : .columns
    var x = a
    var gram = try self.gram(x, of: side)
    // ‖G²‖F^¼ ≥ σ₁, and hardly more.
    let bound = try self.gram(gram, of: .rows).frobeniusNorm.squareRoot().squareRoot() * 1.001
    guard bound > 0 else { return nil }
    x.divide(by: Element(bound))
    gram.divide(by: Element(bound * bound))
    // The bound is at most k^⅛ σ₁.
    var least =
      1 / (condition * Double(a.smallerExtent).squareRoot().squareRoot().squareRoot())
    // The error squares at each step: one from √ε ends at ε. Products leave about k ε.
    let rounding = Double(Element.ulpOfOne)
    let close = max(rounding.squareRoot() / 2, Double(a.smallerExtent) * rounding)
    var stepsBeyond = 0
    for step in 1...100 {
      let isLast = gram.distanceFromIdentity <= close
      if !isLast && 1 - least < close {
        stepsBeyond += 1
        if stepsBeyond > 2 { return nil }
      }
      let rho = isLast ? 1 : (3 / (1 + least + least * least)).squareRoot()
      least = min(1, 0.5 * rho * least * (3 - rho * rho * least * least))
      gram.scale(by: Element(-0.5 * rho * rho * rho))
      gram.addToDiagonal(Element(1.5 * rho))
      x = side == .rows ? try multiply(gram, x) : try multiply(x, gram)
      if isLast { return (x, step) }
      gram = try self.gram(x, of: side)
    }
    return nil
  }

  /// Computes the polar factor from the singular value decomposition.
  ///
  /// - Parameters:
  ///   - a: The matrix.
  ///   - nullSpace: What becomes of singular vectors whose singular value is zero but for rounding.
  ///   - tolerance: The share of σ₁ up to which a singular value counts as zero; by default
  ///     max(m, n) · ε.
  /// - Returns: The factor.
  /// - Throws: An error if an element is not finite, or the library fails.
  /// - Complexity: O(m n min(m, n)).
  public func polarBySVD<Element: MatrixElement>(
    _ a: Matrix<Element>, nullSpace: NullSpace = .dropped, tolerance: Double? = nil
  ) throws(TinctureError) -> PolarFactor<Element> {
    let whole = try svd(a)
    let rank = nullSpace == .completed ? whole.rank : whole.numericalRank(tolerance: tolerance)
    let kept = whole.prefix(rank)
    return PolarFactor(factor: try multiply(kept.u, kept.vt), route: .svd, steps: 0, rank: rank)
  }
}

extension Matrix {
  /// ‖A − I‖ in the Frobenius norm, or infinity if an element is not finite.
  var distanceFromIdentity: Double {
    var copy = self
    copy.addToDiagonal(-1)
    let norm = copy.frobeniusNorm
    return norm.isNaN ? .infinity : norm
  }

  mutating func addToDiagonal(_ value: Element) {
    let (columns, count) = (self.columns, smallerExtent)
    write { for i in 0..<count { $0[i * columns + i] += value } }
  }

  /// Divides each element, without the overflow that the reciprocal of a tiny number has.
  mutating func divide(by divisor: Element) {
    let count = self.count
    write { Loops.divide($0, by: divisor, count) }
  }
}
