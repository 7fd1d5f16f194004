/// The coefficients at which merges are measured before a surrogate is fitted.
///
/// The corners in which one coefficient is 1 and the others are 0; a share of points with equal coefficients,
/// half of them disturbed by a normal distribution of deviation 0.1 and brought back between 0 and 1; and
/// random points of a grid over the cube, corners, equal coefficients and sums of 1 left out. Where the grid has
/// too few points, uniform ones follow.
///
/// Source: MAP, arXiv:2406.07529.
package enum CoefficientSamples {
  /// Draws points.
  ///
  /// - Parameters:
  ///   - count: How many, more than there are coefficients.
  ///   - dimension: How many coefficients there are.
  ///   - isotropic: The share of points with equal or almost equal coefficients, corners not counted.
  ///   - random: The source of random numbers.
  /// - Returns: The points, corners first.
  package static func points(
    _ count: Int, dimension: Int, isotropic: Double, _ random: inout SeededNumbers
  ) -> [[Double]] {
    var points = (0..<dimension).map { corner in
      (0..<dimension).map { $0 == corner ? 1.0 : 0.0 }
    }
    let rest = max(0, count - dimension)
    let half = Int(isotropic * Double(rest)) / 2
    var equal: [[Double]] = []
    for _ in 0..<half { equal.append(Array(repeating: random.uniform(), count: dimension)) }
    points += equal
    for _ in 0..<half {
      let center = equal[random.index(below: half)]
      points.append(center.map { max(0, min(1, $0 + 0.1 * random.normal())) })
    }
    let grid = grid(dimension, wanted: count - points.count)
    points += random.sample(count - points.count, below: grid.count).map { grid[$0] }
    while points.count < count {
      points.append((0..<dimension).map { _ in random.uniform() })
    }
    return points
  }

  private static func grid(_ dimension: Int, wanted: Int) -> [[Double]] {
    guard wanted > 0, dimension > 0 else { return [] }
    let side = max(2, Int(powerOf(Double(wanted) / 0.5, 1 / Double(dimension)).rounded(.up)))
    var points: [[Double]] = [[]]
    for _ in 0..<dimension {
      points = points.flatMap { point in
        (0..<side).map { point + [Double($0) / Double(side - 1)] }
      }
    }
    return points.filter { point in
      let isCorner =
        point.filter { $0 == 1 }.count == 1 && point.filter { $0 == 0 }.count == dimension - 1
      return !isCorner && point.reduce(0, +) != 1 && point.contains { $0 != point[0] }
    }
  }
}
