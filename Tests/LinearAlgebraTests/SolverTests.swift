import Testing
import TinctureLinearAlgebra
import TinctureTensors

@Suite("Systems of equations", .needsBLAS)
struct SolverTests {
  @Test("Least squares agree with the references", arguments: References.all.systems)
  func references(of reference: References.System) throws {
    try check(reference, Double.self)
    try check(reference, Float.self)
  }

  private func check<Element: MatrixElement>(
    _ reference: References.System, _ type: Element.Type
  ) throws {
    let a = Matrix<Double>(rows: reference.rows, columns: reference.columns, reference.elements)
    let b = Matrix<Double>(rows: reference.rows, columns: 2, reference.right)
    let wanted = Matrix<Double>(rows: reference.columns, columns: 2, reference.solution)
    let found = try Backend.shared.leastSquares(a.converted(to: type), b.converted(to: type))
    #expect(found.rank == reference.rank)
    // The square of the condition counts as far as there is a residual.
    let condition = Spectrum(found.singularValues.prefix(found.rank)).conditionNumber
    let limit =
      20 * Double(Element.ulpOfOne) * condition * (1 + condition * reference.residual)
      * max(1, wanted.largestMagnitude)
    #expect(distance(found.solution, wanted) < limit)
    #expect(abs(found.residual - reference.residual) < limit)
    if reference.rank == reference.rows && reference.rows == reference.columns {
      let solved = try Backend.shared.solve(a.converted(to: type), b.converted(to: type))
      #expect(distance(solved, wanted) < limit)
    }
  }

  @Test("Least squares of zero and empty matrices")
  func empty() throws {
    let algebra = try Backend.shared
    let b = uniform(4, 2, as: Float.self)
    let zero = try algebra.leastSquares(Matrix(rows: 4, columns: 3), b)
    #expect(zero.rank == 0 && zero.solution == Matrix(rows: 3, columns: 2))
    #expect(zero.residual == b.frobeniusNorm)
    #expect(try algebra.leastSquares(Matrix<Float>(rows: 4, columns: 0), b).solution.rows == 0)
    #expect(throws: TinctureError.self) {
      try algebra.leastSquares(Matrix<Float>(rows: 3, columns: 3), b)
    }
  }

  @Test("Elimination and Cholesky solve the same systems", arguments: [0, 1, 2, 33])
  func definite(n: Int) throws {
    let algebra = try Backend.shared
    var a = try algebra.gram(uniform(n, n, as: Double.self), of: .rows)
    for i in 0..<n { a[i, i] += 1 }
    let b = uniform(n, 3, seed: 6, as: Double.self)
    let factor = try algebra.cholesky(a)
    #expect(distance(plainProduct(factor.lower, factor.lower.transposed()), a) < 1e-12)
    let solutions = [
      try algebra.solve(a, b), try algebra.solve(a, b, assuming: .positiveDefinite),
      try algebra.solve(factor, b),
    ]
    for x in solutions { #expect(distance(plainProduct(a, x), b) < 1e-12) }
  }

  @Test("Where rounding makes Cholesky fail, elimination takes its place")
  func fallback() throws {
    let algebra = try Backend.shared
    let a = Matrix<Float>(rows: 2, columns: 2, [1, 2, 2, 1])
    let b = Matrix<Float>(rows: 2, columns: 1, [3, 3])
    let error = #expect(throws: TinctureError.self) { try algebra.cholesky(a) }
    #expect(error?.message.contains("not positive definite") == true)
    #expect(
      distance(
        try algebra.solve(a, b, assuming: .positiveDefinite),
        Matrix<Float>(rows: 2, columns: 1, [1, 1])) < 1e-6)
  }

  @Test("Systems that cannot be solved are refused")
  func refusals() throws {
    let algebra = try Backend.shared
    let b = Matrix<Float>(rows: 2, columns: 1, [1, 1])
    let singular = Matrix<Float>(rows: 2, columns: 2, [1, 2, 2, 4])
    let error = #expect(throws: TinctureError.self) { try algebra.solve(singular, b) }
    #expect(error?.message.contains("singular") == true)
    #expect(throws: TinctureError.self) { try algebra.solve(Matrix<Float>.identity(3), b) }
    #expect(throws: TinctureError.self) { try algebra.solve(uniform(2, 3, as: Float.self), b) }
    let infinite = Matrix<Float>(rows: 2, columns: 1, [1, .infinity])
    #expect(throws: TinctureError.self) { try algebra.solve(Matrix<Float>.identity(2), infinite) }
  }
}

@Suite("Assignments")
struct AssignmentTests {
  /// The least sum over all injections, by trying them.
  private func leastCost(_ costs: Matrix<Double>) -> Double {
    let a = costs.rows <= costs.columns ? costs : costs.transposed()
    func least(_ row: Int, _ used: Int) -> Double {
      guard row < a.rows else { return 0 }
      return (0..<a.columns).filter { used & 1 << $0 == 0 }
        .map { a[row, $0] + least(row + 1, used | 1 << $0) }.min() ?? 0
    }
    return least(0, 0)
  }

  @Test("The cost is the least of all", arguments: 0...6, 0...6)
  func bruteForce(rows: Int, columns: Int) throws {
    for seed in 0..<6 {
      var costs = uniform(rows, columns, seed: UInt64(seed), as: Double.self)
      // Coarse costs, so that many assignments tie.
      if seed % 2 == 0 { costs.change { x in for i in x.indices { x[i] = (4 * x[i]).rounded() } } }
      let found = try Assignment(minimizing: costs)
      #expect(abs(found.cost - leastCost(costs)) < 1e-12)
      let taken = found.columns.compactMap(\.self)
      #expect(taken.count == min(rows, columns) && Set(taken).count == taken.count)
      let sum = found.columns.enumerated().reduce(0) { total, pair in
        total + (pair.element.map { costs[pair.offset, $0] } ?? 0)
      }
      #expect(abs(sum - found.cost) < 1e-12)
      var values = costs
      values.scale(by: -1)
      #expect(try Assignment(maximizing: values).columns == found.columns)
    }
  }

  @Test("A permutation is found again")
  func permutation() throws {
    let n = 200
    var values = uniform(n, n, as: Float.self)
    for i in 0..<n { values[i, (7 * i + 3) % n] += 3 }
    #expect(try Assignment(maximizing: values).columns == (0..<n).map { (7 * $0 + 3) % n })
  }

  @Test("Costs at the ends of the range, and costs that are no numbers")
  func range() throws {
    let huge = Matrix<Double>(rows: 2, columns: 2, [1.7e308, -1.7e308, -1.7e308, 1.7e308])
    #expect(try Assignment(minimizing: huge).columns == [1, 0])
    let bad = Matrix<Double>(rows: 2, columns: 2, [1, 2, 3, .nan])
    let error = #expect(throws: TinctureError.self) { try Assignment(minimizing: bad) }
    #expect(error?.message.contains("row 1, column 1") == true)
  }
}
