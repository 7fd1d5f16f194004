import Testing
import TinctureLinearAlgebra
import TinctureTensors

@Suite("Systems of Gram matrices", .needsBLAS)
struct GramSystemTests {
  private func gram(_ n: Int, samples: Int, seed: UInt64 = 1) throws -> Matrix<Double> {
    try Backend.shared.gram(uniform(samples, n, seed: seed, as: Double.self), of: .columns)
  }

  @Test("A regular system is solved, and the matrix is as before", arguments: [0, 1, 5, 33])
  func regular(n: Int) throws {
    let whole = try gram(n, samples: 2 * n + 1)
    let right = uniform(4, n, seed: 2, as: Double.self)
    var system = whole
    let found = try #require(try Backend.shared.solve(gram: &system, rows: right, jitter: 0))
    #expect(system == whole)
    #expect(distance(plainProduct(found, whole), right) < 1e-10)
  }

  @Test("A singular system is raised, or has no solution; what is always zero gets zero")
  func singular() throws {
    let algebra = try Backend.shared
    var whole = try gram(6, samples: 3)
    for i in 0..<6 { (whole[2, i], whole[i, 2]) = (0, 0) }
    let wanted = try algebra.multiply(uniform(2, 6, seed: 3, as: Double.self), whole)
    var system = whole
    #expect(try algebra.solve(gram: &system, rows: wanted, jitter: 0) == nil)
    #expect(system == whole)
    let found = try #require(try algebra.solve(gram: &system, rows: wanted, jitter: 1e-6))
    #expect(system == whole)
    #expect(distance(plainProduct(found, whole), wanted) < 1e-4)
    #expect(found[0, 2] == 0 && found[1, 2] == 0)
    let shortest = try algebra.pseudoSolve(gram: whole, rows: wanted, tolerance: 1e-6)
    #expect(distance(plainProduct(shortest, whole), wanted) < 1e-10)
    #expect(distance(shortest, found) < 1e-3)
  }

  @Test("Rows in double precision show what single precision is worth", arguments: [1, 7, 40])
  func single(n: Int) throws {
    let algebra = try Backend.shared
    var whole = try gram(n, samples: 3 * n)
    let right = uniform(5, n, seed: 4, as: Double.self)
    var (rows, samples) = (right.converted(to: Float.self), right.rows(1..<3))
    #expect(try algebra.solveInSingle(gram: whole, rows: &rows, samples: &samples))
    let wanted = try #require(try algebra.solve(gram: &whole, rows: right, jitter: 0))
    #expect(distance(rows.converted(to: Double.self), wanted) < 1e-3 * wanted.largestMagnitude)
    #expect(distance(samples, wanted.rows(1..<3)) < 1e-9 * wanted.largestMagnitude)
  }

  @Test("Systems that single precision cannot tell from singular ones are left alone")
  func undecided() throws {
    let algebra = try Backend.shared
    let right = uniform(3, 12, seed: 5, as: Double.self)
    for samples in [4, 11] {
      var (rows, sampled) = (right.converted(to: Float.self), right)
      #expect(
        try !algebra.solveInSingle(
          gram: gram(12, samples: samples), rows: &rows, samples: &sampled))
    }
    // Hilbert's matrix, whose condition is 1e16.
    var hilbert = Matrix<Double>(rows: 12, columns: 12)
    for i in 0..<12 { for j in 0..<12 { hilbert[i, j] = 1 / Double(i + j + 1) } }
    var (rows, sampled) = (right.converted(to: Float.self), right)
    #expect(try !algebra.solveInSingle(gram: hilbert, rows: &rows, samples: &sampled))
  }

  @Test("Shapes that do not fit and numbers that are none are refused")
  func refused() throws {
    let algebra = try Backend.shared
    var whole = try gram(4, samples: 9)
    #expect(throws: TinctureError.self) {
      try algebra.solve(gram: &whole, rows: uniform(2, 3, as: Double.self), jitter: 0)
    }
    whole[1, 1] = .nan
    #expect(throws: TinctureError.self) {
      try algebra.solve(gram: &whole, rows: uniform(2, 4, as: Double.self), jitter: 0)
    }
  }

  @Test("A matrix becomes the mean of itself and its transpose", arguments: [1, 15, 16, 17, 50])
  func symmetric(n: Int) {
    let original = uniform(n, n, seed: 6, as: Float.self)
    var found = original
    let difference = found.symmetrize(scalingOffDiagonal: 0.5)
    var largest: Float = 0
    for i in 0..<n {
      for j in 0..<n {
        let (a, b) = (original[i, j], original[j, i])
        largest = max(largest, abs(a - b))
        #expect(found[i, j] == (i == j ? a : 0.25 * (a + b)))
      }
    }
    #expect(difference == largest)
    // Once symmetric, it stays.
    var again = found
    #expect(again.symmetrize() == 0 && again == found)
  }

  @Test(
    "A sum takes symmetric matrices in, and the first from each", arguments: [1, 15, 16, 33, 80])
  func sums(n: Int) {
    check(n, Float.self, within: 1e-6)
    check(n, Double.self, within: 1e-14)
  }

  private func check<Element: MatrixElement>(
    _ n: Int, _ type: Element.Type, within tolerance: Double
  ) {
    let originals = (0..<3).map { uniform(n, n, seed: 20 + UInt64($0), as: Element.self) }
    var sum = GramSum(extent: n)
    var wanted = Matrix<Double>(rows: n, columns: n)
    var reference: Matrix<Element>?
    for (place, original) in originals.enumerated() {
      var plain = original
      let factor = 0.5 + Double(place)
      let difference = plain.symmetrize(scalingOffDiagonal: 0.75)
      wanted.add(widening: plain, times: factor)
      if let reference { plain.add(reference, times: -1) }
      var matrix = original
      let found = sum.add(
        symmetrizing: &matrix, times: factor, scalingOffDiagonal: 0.75, minus: reference)
      #expect(found == difference)
      #expect(
        distance(matrix.converted(to: Double.self), plain.converted(to: Double.self)) < tolerance)
      if reference == nil { reference = matrix }
    }
    #expect(sum.extent == n)
    let total = sum.take()
    #expect(distance(total, wanted) < 4 * tolerance)
    #expect(total == total.transposed())
  }
}
