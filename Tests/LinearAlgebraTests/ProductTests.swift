import Testing
import TinctureLinearAlgebra
import TinctureTensors

@Suite("Matrices and products")
struct ProductTests {
  @Test(
    "Products agree with three plain loops", .needsBLAS,
    arguments: [(1, 1, 1), (3, 5, 7), (17, 1, 4), (1, 33, 2), (40, 30, 20), (0, 3, 2), (3, 0, 2)])
  func products(m: Int, k: Int, n: Int) throws {
    try check(m, k, n, Float.self)
    try check(m, k, n, Double.self)
  }

  private func check<Element: MatrixElement>(
    _ m: Int, _ k: Int, _ n: Int, _ type: Element.Type
  ) throws {
    let algebra = try Backend.shared
    let (a, b) = (uniform(m, k, as: type), uniform(k, n, seed: 2, as: type))
    let wanted = plainProduct(a, b)
    let limit = Double(k + 1) * Double(Element.ulpOfOne)
    let (at, bt) = (a.transposed(), b.transposed())
    #expect(distance(try algebra.multiply(a, b), wanted) <= limit)
    #expect(distance(try algebra.multiply(at, b, transposing: .first), wanted) <= limit)
    #expect(distance(try algebra.multiply(a, bt, transposing: .second), wanted) <= limit)
    #expect(
      distance(try algebra.multiply(at, bt, transposing: [.first, .second]), wanted) <= limit)
    var sum = uniform(m, n, seed: 5, as: type)
    var expected = wanted
    expected.scale(by: 2)
    expected.add(sum.converted(to: Double.self), times: 0.5)
    try algebra.multiply(a, b, scale: 2, into: &sum, keeping: 0.5)
    #expect(distance(sum, expected) <= 3 * limit)
    for (side, first, second) in [(GramSide.rows, a, at), (.columns, at, a)] {
      let gram = try algebra.gram(a, of: side)
      #expect(distance(gram, plainProduct(first, second)) <= limit * Double(max(m, k)))
      #expect(gram == gram.transposed())
    }
  }

  @Test(
    "Chains of products do not depend on their order", .needsBLAS,
    arguments: [
      [4], [5, 2], [3, 40, 2], [30, 3, 25, 4], [2, 30, 3, 25, 4, 9], [0, 3, 2], [3, 0, 5, 2],
    ])
  func chains(extents: [Int]) throws {
    let algebra = try Backend.shared
    let all = extents + [7]
    let chain = (0..<extents.count).map {
      uniform(all[$0], all[$0 + 1], seed: UInt64($0), as: Float.self)
    }
    var wanted = chain[0].converted(to: Double.self)
    for next in chain.dropFirst() { wanted = plainProduct(wanted, next.converted(to: Double.self)) }
    let found = try algebra.multiply(chain: chain)
    let limit = 1e-6 * chain.dropFirst().reduce(1) { $0 * max(1, $1.frobeniusNorm) }
    #expect(found.rows == wanted.rows && found.columns == wanted.columns)
    #expect(distance(found, wanted) <= 4 * limit)
  }

  @Test("Chains that have a gap are refused", .needsBLAS)
  func brokenChain() throws {
    let algebra = try Backend.shared
    let chain = [Matrix<Float>(rows: 3, columns: 4), Matrix(rows: 5, columns: 2)]
    #expect(throws: TinctureError.self) { try algebra.multiply(chain: chain) }
  }

  @Test("Shapes that do not chain are refused", .needsBLAS)
  func shapes() throws {
    let algebra = try Backend.shared
    let a = Matrix<Float>(rows: 3, columns: 4)
    let error = #expect(throws: TinctureError.self) { try algebra.multiply(a, a) }
    #expect(error?.message.contains("3 × 4") == true)
    var wrong = Matrix<Float>(rows: 2, columns: 2)
    #expect(throws: TinctureError.self) {
      try algebra.multiply(a, a, transposing: .second, into: &wrong)
    }
  }

  @Test("Copies of a matrix do not see each other's changes")
  func values() {
    let a = Matrix<Float>(rows: 2, columns: 2, [1, 2, 3, 4])
    var b = a
    b[0, 1] = 9
    b.change { $0[3] = 7 }
    #expect(a.array == [1, 2, 3, 4])
    #expect(b.array == [1, 9, 3, 7])
    #expect(a != b)
    #expect(b.row(1)[0] == 3)
  }

  @Test("Parts, transposes and conversions")
  func parts() {
    let a = Matrix<Double>(rows: 3, columns: 4, (0..<12).map(Double.init))
    #expect(a.rows(1..<3).array == [4, 5, 6, 7, 8, 9, 10, 11])
    #expect(a.columns(1..<3).array == [1, 2, 5, 6, 9, 10])
    #expect(a.transposed().transposed() == a)
    #expect(a.transposed()[3, 2] == 11)
    #expect(a.converted(to: Float.self)[2, 3] == 11)
    #expect(uniform(37, 53, as: Float.self).transposed()[52, 36] == uniform(37, 53)[36, 52])
    #expect(a.trace == 15)
    #expect(Matrix<Float>.diagonal([2, 3]).array == [2, 0, 0, 3])
  }

  @Test("Norms do not overflow and see what is not finite")
  func norms() {
    #expect(Matrix<Float>(rows: 1, columns: 2, [3, -4]).frobeniusNorm == 5)
    #expect(Matrix<Double>(rows: 1, columns: 2, [3e300, -4e300]).frobeniusNorm == 5e300)
    let tiny = 100 * Double.leastNonzeroMagnitude
    #expect(Matrix<Double>(rows: 1, columns: 2, [tiny, 0]).frobeniusNorm == tiny)
    #expect(Matrix<Float>(rows: 0, columns: 2).frobeniusNorm == 0)
    #expect(Matrix<Float>(rows: 1, columns: 2, [1, .nan]).frobeniusNorm.isNaN)
    #expect(Matrix<Float>(rows: 2, columns: 2, [1, -2, -3, 1]).oneNorm == 4)
    #expect(Matrix<Float>(rows: 5, columns: 5, (0..<25).map { -Float($0) }).largestMagnitude == 24)
  }
}
