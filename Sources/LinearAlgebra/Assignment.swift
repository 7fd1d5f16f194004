public import TinctureTensors

/// The cheapest way to give each row of a matrix of costs a column of its own.
public struct Assignment: Sendable, Hashable {
  /// For each row its column, or nil if there are fewer columns than rows and it has none.
  public let columns: [Int?]
  /// The sum of the costs.
  public let cost: Double

  /// Finds an assignment of least cost, by shortest augmenting paths.
  ///
  /// Rows are taken one by one; each takes the cheapest path of exchanges to a free column, measured
  /// by costs less prices (Kuhn 1955, Munkres 1957; Jonker and Volgenant 1987). Every row gets a
  /// column if there are enough, otherwise every column a row. The result is a function of the
  /// costs alone; it does not need a library.
  ///
  /// - Parameter costs: The cost of each row and column; negative ones are allowed.
  /// - Throws: An error if a cost is not finite.
  /// - Complexity: O(a² b) for extents a ≤ b.
  public init<Element: MatrixElement>(minimizing costs: Matrix<Element>) throws(TinctureError) {
    try Checks.finite(costs, "an assignment")
    let isTall = costs.rows > costs.columns
    let wide = (isTall ? costs.transposed() : costs).converted(to: Double.self)
    // Near the end of the range sums would overflow; a power of two changes no comparison.
    var scaled = wide
    if wide.largestMagnitude > 0x1p900 { scaled.scale(by: 0x1p-200) }
    let chosen = Self.solve(scaled)
    if isTall {
      var columns = [Int?](repeating: nil, count: costs.rows)
      for (column, row) in chosen.enumerated() { columns[row] = column }
      self.columns = columns
    } else {
      columns = chosen
    }
    cost = chosen.indices.reduce(0) { $0 + wide[$1, chosen[$1]] }
  }

  /// Finds an assignment of greatest value.
  ///
  /// - Parameter values: The value of each row and column.
  /// - Throws: An error if a value is not finite.
  /// - Complexity: O(a² b) for extents a ≤ b.
  public init<Element: MatrixElement>(maximizing values: Matrix<Element>) throws(TinctureError) {
    var costs = values
    costs.scale(by: -1)
    let found = try Assignment(minimizing: costs)
    columns = found.columns
    cost = -found.cost
  }

  /// The column of each row, for no more rows than columns.
  private static func solve(_ costs: Matrix<Double>) -> [Int] {
    let (n, m) = (costs.rows, costs.columns)
    // Costs less the prices of row and column are never negative, and zero where assigned.
    var rowPrice = [Double](repeating: 0, count: n)
    var columnPrice = [Double](repeating: 0, count: m)
    var rowOf = [Int](repeating: -1, count: m)
    var columnOf = [Int](repeating: -1, count: n)
    var distance = [Double](repeating: 0, count: m)
    var previous = [Int](repeating: -1, count: m)
    var isDone = [Bool](repeating: false, count: m)
    costs.read { costs in
      for start in 0..<n {
        for j in 0..<m {
          distance[j] = .infinity
          previous[j] = -1
          isDone[j] = false
        }
        // The nearest free column by Dijkstra's method; `reached` are the columns on the way.
        var (row, arrived, base) = (start, -1, 0.0)
        var reached: [Int] = []
        while arrived < 0 {
          var (nearest, least) = (-1, Double.infinity)
          for j in 0..<m where !isDone[j] {
            let candidate = base + (costs[row * m + j] - rowPrice[row] - columnPrice[j])
            if candidate < distance[j] {
              distance[j] = candidate
              previous[j] = row
            }
            if nearest < 0 || distance[j] < least {
              nearest = j
              least = distance[j]
            }
          }
          base = least
          isDone[nearest] = true
          if rowOf[nearest] < 0 {
            arrived = nearest
          } else {
            reached.append(nearest)
            row = rowOf[nearest]
          }
        }
        rowPrice[start] += base
        for j in reached {
          rowPrice[rowOf[j]] += base - distance[j]
          columnPrice[j] -= base - distance[j]
        }
        var column = arrived
        while column >= 0 {
          let row = previous[column]
          rowOf[column] = row
          swap(&columnOf[row], &column)
          if row == start { break }
        }
      }
    }
    return columnOf
  }
}
