internal import TinctureTensors

/// A point of a search and what it is worth.
package struct ParetoPoint: Sendable, Hashable {
  /// The coefficients.
  package var coefficients: [Double]
  /// How good it is in each respect; more is better.
  package var values: [Double]

  /// Describes a point.
  package init(_ coefficients: [Double], _ values: [Double]) {
    (self.coefficients, self.values) = (coefficients, values)
  }

  /// Whether the point is nowhere worse and somewhere better.
  package func dominates(_ other: ParetoPoint) -> Bool {
    zip(values, other.values).allSatisfy { $0 >= $1 } && values != other.values
  }

  /// The points that no other one dominates, each value once, in the order in which they stand.
  package static func front(_ points: [ParetoPoint]) -> [ParetoPoint] {
    var front: [ParetoPoint] = []
    for point in points where point.values.allSatisfy(\.isFinite) {
      if front.contains(where: { $0.dominates(point) || $0.values == point.values }) { continue }
      front.removeAll { point.dominates($0) }
      front.append(point)
    }
    return front
  }
}

/// Searches for coefficients of which no others are better in every respect: NSGA-III.
///
/// A population is crossed (simulated binary crossover, η = 20, with probability 0.7) or mutated (polynomial
/// mutation, η = 20, each coefficient with probability 1/n), and of old and new points as many stay as before:
/// front after front, of the last one those whose directions, between the best values in each respect and the
/// intercepts, are least crowded. All points that were ever not dominated are kept. The same seed gives the
/// same front.
///
/// Sources: Deb and Jain, 2014; MAP, arXiv:2406.07529 for the settings.
package struct ParetoSearch: Sendable {
  /// Between which bounds each coefficient lies.
  package var bounds = 0.0...1.0
  /// How many points there are at a time.
  package var population = 100
  /// How often they are replaced.
  package var generations = 25
  private let dimension: Int
  private let value: @Sendable ([Double]) -> [Double]
  private let directions: [[Double]]

  private static let crossing = 0.7
  private static let spread = 20.0

  /// Prepares a search.
  ///
  /// - Parameters:
  ///   - dimension: How many coefficients there are.
  ///   - respects: How many values a point has.
  ///   - value: What a point is worth; more is better.
  package init(
    dimension: Int, respects: Int, value: @escaping @Sendable ([Double]) -> [Double]
  ) {
    self.dimension = dimension
    self.value = value
    var directions = Self.simplex(respects, parts: 2)
    for inner in Self.simplex(respects, parts: 1) {
      let moved = inner.map { $0 * 0.5 + 0.5 / Double(respects) }
      if !directions.contains(moved) { directions.append(moved) }
    }
    self.directions = directions
  }

  /// Searches.
  ///
  /// - Parameter seed: The seed.
  /// - Returns: The points that no other one found dominates, by their first value.
  package func front(seed: UInt64) -> [ParetoPoint] {
    var random = SeededNumbers(seed: seed, purpose: "search for a front")
    let width = bounds.upperBound - bounds.lowerBound
    var points = (0..<population).map { _ in
      point((0..<dimension).map { _ in bounds.lowerBound + width * random.uniform() })
    }
    var archive = ParetoPoint.front(points)
    for _ in 0..<generations {
      let children = (0..<population).map { _ in child(points, &random) }
      archive = ParetoPoint.front(archive + children)
      points = selected(points + children, &random)
    }
    return archive.sorted {
      ($0.values[0], $1.coefficients[0]) < ($1.values[0], $0.coefficients[0])
    }
  }

  private func point(_ coefficients: [Double]) -> ParetoPoint {
    ParetoPoint(coefficients, value(coefficients))
  }

  private func clamped(_ x: Double) -> Double {
    max(bounds.lowerBound, min(bounds.upperBound, x))
  }

  private func child(_ points: [ParetoPoint], _ random: inout SeededNumbers) -> ParetoPoint {
    let first = points[random.index(below: points.count)].coefficients
    guard random.uniform() < Self.crossing else { return point(mutated(first, &random)) }
    let second = points[random.index(below: points.count)].coefficients
    return point(zip(first, second).map { crossed($0, $1, &random) })
  }

  /// Simulated binary crossover of one coefficient within the bounds.
  private func crossed(_ a: Double, _ b: Double, _ random: inout SeededNumbers) -> Double {
    let (choice, number, side) = (random.uniform(), random.uniform(), random.uniform())
    guard choice < 0.5, (a - b).magnitude > 1e-14 else { return a }
    let (low, high) = (min(a, b), max(a, b))
    let room = side < 0.5 ? low - bounds.lowerBound : bounds.upperBound - high
    let beta = 1 + 2 * room / (high - low)
    let alpha = 2 - powerOf(beta, -(Self.spread + 1))
    let factor =
      number <= 1 / alpha
      ? powerOf(number * alpha, 1 / (Self.spread + 1))
      : powerOf(1 / (2 - number * alpha), 1 / (Self.spread + 1))
    let sign = side < 0.5 ? -1.0 : 1.0
    return clamped(0.5 * (low + high + sign * factor * (high - low)))
  }

  /// Polynomial mutation within the bounds.
  private func mutated(_ x: [Double], _ random: inout SeededNumbers) -> [Double] {
    let width = bounds.upperBound - bounds.lowerBound
    return x.map { x in
      let (choice, number) = (random.uniform(), random.uniform())
      guard choice < 1 / Double(dimension), width > 0 else { return x }
      let power = 1 / (Self.spread + 1)
      let isLow = number < 0.5
      let room = isLow ? (x - bounds.lowerBound) / width : (bounds.upperBound - x) / width
      let rest = powerOf(1 - room, Self.spread + 1)
      let step =
        isLow
        ? powerOf(2 * number + (1 - 2 * number) * rest, power) - 1
        : 1 - powerOf(2 * (1 - number) + 2 * (number - 0.5) * rest, power)
      return clamped(x + step * width)
    }
  }

  /// Directions on a simplex whose parts are multiples of 1 / parts.
  static func simplex(_ count: Int, parts: Int) -> [[Double]] {
    func divided(_ count: Int, _ rest: Int) -> [[Int]] {
      guard count > 1 else { return [[rest]] }
      return (0...rest).flatMap { first in
        divided(count - 1, rest - first).map { [first] + $0 }
      }
    }
    return divided(max(1, count), parts).map { $0.map { Double($0) / Double(parts) } }
  }

  /// As many of the points as the population has, front after front.
  private func selected(
    _ points: [ParetoPoint], _ random: inout SeededNumbers
  ) -> [ParetoPoint] {
    var chosen: [ParetoPoint] = []
    var rest = points
    while chosen.count < population, !rest.isEmpty {
      let front = rest.filter { point in !rest.contains { $0.dominates(point) } }
      rest.removeAll { front.contains($0) }
      if chosen.count + front.count <= population {
        chosen += front
      } else {
        let niches = ParetoNiches(chosen + front, directions)
        return chosen
          + niches.filling(population - chosen.count, from: chosen.count, &random).map {
            front[$0]
          }
      }
    }
    return chosen
  }
}
