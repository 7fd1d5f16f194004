/// Which directions the points of a population belong to, and how crowded each is.
struct ParetoNiches {
  private let niches: [Int]
  private let distances: [Double]
  private let directionCount: Int

  /// Assigns points to directions.
  ///
  /// Values are brought to 0 for the best and 1 at the intercepts of the plane through the extreme points, or at
  /// the worst values where there is no such plane.
  init(_ points: [ParetoPoint], _ directions: [[Double]]) {
    directionCount = directions.count
    let losses = points.map { $0.values.map { -$0 } }
    let count = losses.first?.count ?? 0
    let best = (0..<count).map { axis in losses.map { $0[axis] }.min() ?? 0 }
    let moved = losses.map { zip($0, best).map { $0 - $1 } }
    let intercepts = Self.intercepts(moved)
    var (niches, distances) = ([Int](), [Double]())
    for point in moved {
      let scaled = zip(point, intercepts).map { $0 / $1 }
      var (nearest, least) = (0, Double.infinity)
      for (number, direction) in directions.enumerated() {
        let length = direction.reduce(0) { $0 + $1 * $1 }.squareRoot()
        let along = zip(scaled, direction).reduce(0) { $0 + $1.0 * $1.1 } / max(length, 1e-30)
        let square = scaled.reduce(0) { $0 + $1 * $1 } - along * along
        if square < least { (nearest, least) = (number, square) }
      }
      niches.append(nearest)
      distances.append(least)
    }
    (self.niches, self.distances) = (niches, distances)
  }

  private static func intercepts(_ moved: [[Double]]) -> [Double] {
    let count = moved.first?.count ?? 0
    let worst = (0..<count).map { axis in max(moved.map { $0[axis] }.max() ?? 1, 1e-12) }
    // The extreme point of an axis has least of all others.
    let extremes = (0..<count).compactMap { axis in
      moved.min { Self.achievement($0, axis) < Self.achievement($1, axis) }
    }
    guard let plane = solution(extremes) else { return worst }
    let intercepts = plane.map { 1 / $0 }
    return intercepts.allSatisfy { $0.isFinite && $0 > 1e-6 } ? intercepts : worst
  }

  private static func achievement(_ point: [Double], _ axis: Int) -> Double {
    point.enumerated().map { $0.offset == axis ? $0.element : $0.element * 1e6 }.max() ?? 0
  }

  /// x with A x = 1, by Gauss' elimination; nil when A is singular.
  private static func solution(_ rows: [[Double]]) -> [Double]? {
    let count = rows.count
    var a = rows.map { $0 + [1] }
    for column in 0..<count {
      guard
        let pivot = (column..<count).max(by: { a[$0][column].magnitude < a[$1][column].magnitude }),
        a[pivot][column].magnitude > 1e-12
      else { return nil }
      a.swapAt(column, pivot)
      for row in 0..<count where row != column {
        let factor = a[row][column] / a[column][column]
        for place in column...count { a[row][place] -= factor * a[column][place] }
      }
    }
    return (0..<count).map { a[$0][count] / a[$0][$0] }
  }

  /// Chooses points of the last front, each for the direction that is least crowded.
  ///
  /// - Parameters:
  ///   - count: How many.
  ///   - start: Where the last front begins among the points.
  ///   - random: Decides between equals.
  /// - Returns: Positions within the last front.
  func filling(_ count: Int, from start: Int, _ random: inout SeededNumbers) -> [Int] {
    var crowd = Array(repeating: 0, count: directionCount)
    for niche in niches.prefix(start) { crowd[niche] += 1 }
    var waiting = Array(start..<niches.count)
    var chosen: [Int] = []
    while chosen.count < count, !waiting.isEmpty {
      let open = Set(waiting.map { niches[$0] })
      let least = open.map { crowd[$0] }.min() ?? 0
      let equal = open.filter { crowd[$0] == least }.sorted()
      let niche = equal[random.index(below: equal.count)]
      let members = waiting.filter { niches[$0] == niche }
      let pick =
        crowd[niche] == 0
        ? members.min { distances[$0] < distances[$1] }
        : members[random.index(below: members.count)]
      guard let pick else { break }
      waiting.removeAll { $0 == pick }
      crowd[niche] += 1
      chosen.append(pick - start)
    }
    return chosen
  }
}
