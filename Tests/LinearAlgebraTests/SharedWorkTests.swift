import Testing
import TinctureTensors

@testable import TinctureLinearAlgebra

/// Work large enough to be cut into pieces and to be shared.
@Suite("Work that is shared with spare threads", .needsBLAS)
struct SharedWorkTests {
  /// What a body makes without help, which must be what it makes with help.
  static func withAndWithoutHelp<Value: Equatable>(_ body: () throws -> Value) throws -> Value {
    let alone = try body()
    SpareThreads.shared.offer(3)
    defer { SpareThreads.shared.takeBack(3) }
    #expect(try body() == alone)
    return alone
  }

  static func column(_ length: Int, seed: UInt64) -> Matrix<Double> {
    uniform(length, 1, seed: seed)
  }

  @Test(
    "Products in pieces are products, with the same bits whoever helps",
    arguments: [(1100, 1030, 600), (700, 1500, 600)])
  func products(m: Int, n: Int, k: Int) throws {
    let algebra = try Backend.shared
    let (a, b): (Matrix<Double>, Matrix<Double>) = (uniform(m, k), uniform(k, n, seed: 2))
    let x = Self.column(n, seed: 3)
    let wanted = try algebra.multiply(a, algebra.multiply(b, x))
    let (at, bt) = (a.transposed(), b.transposed())
    let ways: [(Matrix<Double>, Matrix<Double>, Transposition)] = [
      (a, b, []), (at, b, .first), (a, bt, .second), (at, bt, [.first, .second]),
    ]
    for (first, second, transposing) in ways {
      let found = try Self.withAndWithoutHelp {
        var sum = Matrix<Double>(rows: m, columns: n)
        for i in 0..<m { sum[i, i % n] = 2 }
        try algebra.multiply(
          first, second, transposing: transposing, scale: 3, into: &sum, keeping: 0.5)
        return sum
      }
      var image = try algebra.multiply(found, x)
      for i in 0..<m { image[i, 0] = (image[i, 0] - x[i % n, 0]) / 3 }
      #expect(distance(image, wanted) < 1e-10)
    }
  }

  @Test("Gram matrices in pieces are Gram matrices", arguments: [GramSide.rows, .columns])
  func gram(side: GramSide) throws {
    let algebra = try Backend.shared
    let a: Matrix<Double> = side == .rows ? uniform(1200, 900) : uniform(900, 1200)
    let found = try Self.withAndWithoutHelp { try algebra.gram(a, of: side) }
    #expect(found == found.transposed())
    let x = Self.column(1200, seed: 3)
    let wanted =
      side == .rows
      ? try algebra.multiply(a, algebra.multiply(a, x, transposing: .first))
      : try algebra.multiply(a, algebra.multiply(a, x), transposing: .first)
    #expect(distance(try algebra.multiply(found, x), wanted) < 1e-9)
  }

  /// Symmetric matrices that are hard to make tridiagonal, or whose eigenvalues are.
  static let matrices: [(name: String, make: @Sendable () throws -> Matrix<Double>)] = [
    ("uniform", { symmetric(uniform(1060, 1060)) }),
    ("of low rank", { try Backend.shared.gram(uniform(1030, 40), of: .rows) }),
    (
      "graded",
      {
        let u = try Backend.shared.qr(uniform(1024, 1024, seed: 2, as: Double.self)).q
        var scaled = u
        scaled.scaleColumns(
          by: (0..<1024).map { Double(sign: .plus, exponent: -$0 / 26, significand: 1) })
        return symmetric(try Backend.shared.multiply(scaled, u, transposing: .second))
      }
    ),
    ("zero", { Matrix(rows: 1025, columns: 1025) }),
    ("identity", { .identity(1025) }),
    (
      "of two parts",
      {
        var a = symmetric(uniform(1040, 1040, seed: 4))
        for i in 0..<500 { for j in 500..<1040 { (a[i, j], a[j, i]) = (0, 0) } }
        return a
      }
    ),
    (
      "huge",
      {
        var a = symmetric(uniform(1027, 1027, seed: 5))
        a.scale(by: 1e290)
        return a
      }
    ),
    (
      "tiny",
      {
        var a = symmetric(uniform(1024, 1024, seed: 6))
        a.scale(by: 1e-300)
        a.scale(by: 1e-9)
        return a
      }
    ),
  ]

  static func symmetric(_ a: Matrix<Double>) -> Matrix<Double> {
    var sum = a
    sum.add(a.transposed(), times: 1)
    return sum
  }

  @Test("Large symmetric matrices become what has their eigenvalues", arguments: 0..<8)
  func decompositions(_ index: Int) throws {
    let algebra = try Backend.shared
    let a = try Self.matrices[index].make()
    let n = a.rows
    let scale = a.largestMagnitude
    let found = try Self.withAndWithoutHelp {
      let found = try algebra.eigh(a, leading: n)
      return [found.values, found.vectors.array]
    }
    let (values, vectors) = (found[0], Matrix(rows: n, columns: n, found[1]))
    // LAPACK's own way gives the same eigenvalues.
    let known = try algebra.eigh(a).values
    // Numbers near the smallest have fewer digits.
    let rounding = max(
      4 * Double(n) * Double.ulpOfOne * max(scale, known[0].magnitude),
      2048 * .leastNonzeroMagnitude)
    #expect(zip(values, known).allSatisfy { ($0 - $1).magnitude <= rounding })
    let products = try algebra.gram(vectors, of: .columns)
    #expect(distance(products, Matrix<Double>.identity(n)) < 1e-11)
    var image = try algebra.multiply(a, vectors)
    var scaled = vectors
    scaled.scaleColumns(by: values)
    image.add(scaled, times: -1)
    #expect(image.largestMagnitude <= rounding)
  }

  @Test("Reflections make the matrix tridiagonal, with the same bits whoever helps")
  func reflections() throws {
    let algebra = try Backend.shared
    let a = Self.symmetric(uniform(1100, 1100, seed: 7))
    let found = try Self.withAndWithoutHelp {
      let found = Tridiagonalization(a, algebra)
      return [found.diagonal, found.beside, found.factors, found.reflections.array]
    }
    // Orthogonal changes keep the trace and the sum of squares.
    let trace = (0..<1100).reduce(0) { $0 + a[$1, $1] }
    let squares = found[1].reduce(0) { $0 + 2 * $1 * $1 } + found[0].reduce(0) { $0 + $1 * $1 }
    #expect((found[0].reduce(0, +) - trace).magnitude < 1e-9)
    #expect((squares.squareRoot() / a.frobeniusNorm - 1).magnitude < 1e-12)
    #expect(found[2].allSatisfy { $0 == 0 || (1...2).contains($0) })
  }
}
