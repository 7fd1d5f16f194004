package import TinctureTensors

/// A task's figure as a function of coefficients: a link of a quadratic polynomial.
///
/// m(c) ≈ link(Σ aᵢ cᵢ² + Σ_{i<j} bᵢⱼ cᵢ cⱼ + Σ lᵢ cᵢ + e), fitted by least squares with Levenberg and
/// Marquardt's steps, from the least squares of the polynomial to the link's inverse.
///
/// Source: MAP, arXiv:2406.07529.
package struct QuadraticSurrogate: Sendable, Hashable {
  /// From all numbers to those that the figure can have.
  package enum Link: String, Sendable, Hashable {
    /// 1 / (1 + e⁻ˣ), for shares.
    case sigmoid
    /// ln(1 + eˣ), for figures that are not negative.
    case softplus
    /// x, for any figure.
    case identity

    func value(_ x: Double) -> Double {
      switch self {
      case .sigmoid: 1 / (1 + exponential(-x))
      case .softplus: x > 30 ? x : naturalLog(1 + exponential(x))
      case .identity: x
      }
    }

    func slope(_ x: Double) -> Double {
      switch self {
      case .sigmoid:
        let value = value(x)
        return value * (1 - value)
      case .softplus: return 1 / (1 + exponential(-x))
      case .identity: return 1
      }
    }

    func inverse(_ y: Double) -> Double {
      switch self {
      case .sigmoid:
        let share = max(1e-4, min(1 - 1e-4, y))
        return naturalLog(share / (1 - share))
      case .softplus: return y > 30 ? y : naturalLog(exponential(max(y, 1e-6)) - 1)
      case .identity: return y
      }
    }
  }

  /// The link.
  package let link: Link
  /// How many coefficients there are.
  package let dimension: Int
  /// The squares' factors, the products' (1·2, 1·3, …), the linear ones and the constant.
  package private(set) var factors: [Double]
  /// The root of the mean squared difference at the points of the fit.
  package private(set) var deviation: Double

  /// How many factors there are.
  package static func factorCount(_ dimension: Int) -> Int {
    (dimension + 1) * (dimension + 2) / 2
  }

  /// Fits a polynomial.
  ///
  /// - Parameters:
  ///   - points: Coefficients.
  ///   - values: The figure at each point.
  ///   - link: From all numbers to those that the figure can have.
  /// - Throws: `data` when there are fewer points than coefficients of the polynomial, or a figure is not finite.
  /// - Complexity: O(points · factors² + factors³) a step, at most 200 steps.
  package init(
    _ points: [[Double]], _ values: [Double], link: Link
  ) throws(TinctureError) {
    let dimension = points.first?.count ?? 0
    let count = Self.factorCount(dimension)
    guard points.count >= count, values.allSatisfy(\.isFinite) else {
      throw TinctureError(
        .data,
        "A quadratic function of \(dimension) coefficients has \(count) factors and needs as many"
          + " figures; there are \(values.count(where: \.isFinite)). Raise 'evaluations'.")
    }
    self.link = link
    self.dimension = dimension
    let features = points.map(Self.features)
    factors = Self.solution(features, values.map(link.inverse), damping: 1e-9)
    deviation = .infinity
    var loss = squares(features, values)
    var damping = 1e-3
    for _ in 0..<200 {
      let polynomial = features.map { Self.product($0, factors) }
      let rows = zip(features, polynomial).map { row, x in row.map { $0 * link.slope(x) } }
      let rest = zip(values, polynomial).map { $0 - link.value($1) }
      let step = Self.solution(rows, rest, damping: damping)
      let before = factors
      factors = zip(factors, step).map { $0 + $1 }
      let next = squares(features, values)
      if next < loss {
        let gain = loss - next
        (loss, damping) = (next, max(1e-12, damping / 3))
        if gain <= 1e-12 * loss { break }
      } else {
        factors = before
        damping *= 4
        if damping > 1e8 { break }
      }
    }
    deviation = (loss / Double(max(1, values.count))).squareRoot()
  }

  /// The figure that is expected.
  package func callAsFunction(_ point: [Double]) -> Double {
    link.value(Self.product(Self.features(point), factors))
  }

  private func squares(_ features: [[Double]], _ values: [Double]) -> Double {
    zip(features, values).reduce(0) { sum, pair in
      let rest = pair.1 - link.value(Self.product(pair.0, factors))
      return sum + rest * rest
    }
  }

  private static func features(_ c: [Double]) -> [Double] {
    var features = c.map { $0 * $0 }
    for first in c.indices {
      for second in c.indices.dropFirst(first + 1) { features.append(c[first] * c[second]) }
    }
    return features + c + [1]
  }

  private static func product(_ a: [Double], _ b: [Double]) -> Double {
    zip(a, b).reduce(0) { $0 + $1.0 * $1.1 }
  }

  /// x of least |A x − b|² + damping Σ (AᵀA)ᵢᵢ xᵢ², by Cholesky's decomposition.
  private static func solution(
    _ rows: [[Double]], _ right: [Double], damping: Double
  ) -> [Double] {
    let count = rows.first?.count ?? 0
    var normal = Array(repeating: Array(repeating: 0.0, count: count), count: count)
    var x = Array(repeating: 0.0, count: count)
    for (row, value) in zip(rows, right) {
      for i in 0..<count {
        x[i] += row[i] * value
        for j in 0...i { normal[i][j] += row[i] * row[j] }
      }
    }
    for i in 0..<count { normal[i][i] += damping * max(normal[i][i], 1e-12) }
    for i in 0..<count {
      for j in 0...i {
        var sum = normal[i][j]
        for k in 0..<j { sum -= normal[i][k] * normal[j][k] }
        normal[i][j] = i == j ? max(sum, 1e-30).squareRoot() : sum / normal[j][j]
      }
    }
    for i in 0..<count {
      for j in 0..<i { x[i] -= normal[i][j] * x[j] }
      x[i] /= normal[i][i]
    }
    for i in stride(from: count - 1, through: 0, by: -1) {
      for j in i + 1..<max(i + 1, count) { x[i] -= normal[j][i] * x[j] }
      x[i] /= normal[i][i]
    }
    return x
  }
}
