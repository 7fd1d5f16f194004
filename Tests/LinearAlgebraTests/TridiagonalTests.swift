import Testing
import TinctureTensors

@testable import TinctureLinearAlgebra

/// A tridiagonal matrix on which solvers are tried.
struct Tridiagonal: Sendable, CustomTestStringConvertible {
  let testDescription: String
  var diagonal: [Double]
  var beside: [Double]

  init(_ name: String, _ diagonal: [Double], _ beside: [Double]) {
    testDescription = name
    self.diagonal = diagonal
    self.beside = beside
  }

  /// Copies with weak links between them.
  func repeated(_ count: Int, link: Double) -> Tridiagonal {
    Tridiagonal(
      "\(count) times \(testDescription), linked by \(link)",
      (0..<count).flatMap { _ in diagonal },
      (0..<count).flatMap { $0 == 0 ? beside : [link] + beside })
  }

  func product(_ z: Span<Double>) -> [Double] {
    diagonal.indices.map { i in
      var sum = diagonal[i] * z[i]
      if i > 0 { sum += beside[i - 1] * z[i - 1] }
      if i + 1 < diagonal.count { sum += beside[i] * z[i + 1] }
      return sum
    }
  }

  static let wilkinson = Tridiagonal(
    "Wilkinson's", (-10...10).map { Double(abs($0)) }, [Double](repeating: 1, count: 20))

  static let all: [Tridiagonal] = [
    Tridiagonal("one row", [-3], []),
    Tridiagonal("zeros", [Double](repeating: 0, count: 33), [Double](repeating: 0, count: 32)),
    Tridiagonal("identity", [Double](repeating: 1, count: 50), [Double](repeating: 0, count: 49)),
    Tridiagonal(
      "second differences", [Double](repeating: 2, count: 150),
      [Double](repeating: -1, count: 149)),
    Tridiagonal(
      "huge", (0..<40).map { 1e200 * Double($0 % 7) }, [Double](repeating: 3e199, count: 39)),
    Tridiagonal(
      "tiny", (0..<40).map { 1e-200 * Double($0 % 7) }, [Double](repeating: 3e-201, count: 39)),
    Tridiagonal(
      "graded", (0..<61).map { .exp10(-Double($0) / 5) }, (0..<60).map { .exp10(-Double($0) / 5) }),
    Tridiagonal(
      "half of it zero", (0..<80).map { $0 < 40 ? Double($0) : 0 },
      zip(0..., [Double](repeating: 1, count: 79)).map { $0 < 39 ? $1 : 0 }),
    wilkinson, wilkinson.repeated(2, link: 0), wilkinson.repeated(2, link: 1e-14),
    // Values in three clusters, of which one lies across the border of a piece.
    Tridiagonal("three rows", [1, 2, 3], [0.5, 0.5]).repeated(120, link: 1e-5),
  ]

  /// Those that may be left to other solvers.
  static let hopeless = [
    wilkinson.repeated(6, link: 0), wilkinson.repeated(6, link: 1e-14),
    wilkinson.repeated(6, link: 1e-8), wilkinson.repeated(10, link: 1e-4),
  ]
}

extension Double {
  fileprivate static func exp10(_ exponent: Double) -> Double {
    var power = 1.0
    // Exact enough for a test, without the C library.
    for _ in 0..<Int((exponent.magnitude * 5).rounded()) { power *= 1.584_893_192_461_113_5 }
    return exponent < 0 ? 1 / power : power
  }
}

@Suite("Tridiagonal matrices", .needsBLAS)
struct TridiagonalTests {
  @Test(
    "Vectors are orthonormal eigenvectors, also of close eigenvalues", arguments: Tridiagonal.all)
  func decompositions(of matrix: Tridiagonal) throws {
    let n = matrix.diagonal.count
    let tridiagonal = try #require(
      TridiagonalMatrix(diagonal: matrix.diagonal, beside: matrix.beside))
    let scale = (matrix.diagonal + matrix.beside).map(\.magnitude).max() ?? 0
    let rounding = 40 * Double(n) * Double.ulpOfOne
    let whole = try #require(tridiagonal.leading(n, Backend.shared))
    let trace = matrix.diagonal.reduce(0, +)
    #expect((whole.values.reduce(0, +) - trace).magnitude <= rounding * Double(n) * scale)
    for count in Set([1, n / 3, n]) where count > 0 {
      let found = try #require(tridiagonal.leading(count, Backend.shared))
      #expect(found.values == Array(whole.values.suffix(count)))
      #expect(columnError(found.vectors.transposed()) <= rounding)
      for index in 0..<count {
        let z = found.vectors.row(index)
        let image = matrix.product(z)
        let worst = (0..<n).map { (image[$0] - found.values[index] * z[$0]).magnitude }.max()
        #expect(worst ?? 0 <= rounding * scale)
      }
    }
  }

  @Test("Vectors in single precision are as orthonormal as that allows", arguments: Tridiagonal.all)
  func single(of matrix: Tridiagonal) throws {
    let n = matrix.diagonal.count
    let tridiagonal = try #require(
      TridiagonalMatrix(diagonal: matrix.diagonal, beside: matrix.beside))
    let scale = (matrix.diagonal + matrix.beside).map(\.magnitude).max() ?? 0
    let found = try #require(tridiagonal.leading(n, Backend.shared, as: Float.self))
    let vectors = found.vectors.converted(to: Double.self)
    #expect(columnError(vectors.transposed()) <= Double(n).squareRoot() * Double(Float.ulpOfOne))
    for index in 0..<n {
      let z = vectors.row(index)
      let image = matrix.product(z)
      let worst = (0..<n).map { (image[$0] - found.values[index] * z[$0]).magnitude }.max()
      #expect(worst ?? 0 <= 4 * Double(Float.ulpOfOne) * scale)
    }
  }

  @Test("Eigenvalues of second differences are known")
  func knownValues() throws {
    let n = 150
    let matrix = try #require(Tridiagonal.all.first { $0.testDescription == "second differences" })
    let tridiagonal = try #require(
      TridiagonalMatrix(diagonal: matrix.diagonal, beside: matrix.beside))
    let found = try #require(tridiagonal.leading(70, Backend.shared))
    for (index, value) in found.values.reversed().enumerated() {
      // 2 + 2 cos(kπ/(n + 1)) = 4 cos²(kπ/(2n + 2))
      let half = Double(index + 1) * .pi / Double(2 * n + 2)
      var cosine = 1.0
      for k in stride(from: 24, to: 0, by: -2) {
        cosine = 1 - half * half / Double(k * (k - 1)) * cosine
      }
      #expect((value - 4 * cosine * cosine).magnitude < 1e-14)
    }
  }

  @Test(
    "Where vectors cannot be told apart the whole is decomposed", arguments: Tridiagonal.hopeless)
  func fallback(of matrix: Tridiagonal) throws {
    let n = matrix.diagonal.count
    var a = Matrix<Double>.diagonal(matrix.diagonal)
    for i in 0..<n - 1 { (a[i, i + 1], a[i + 1, i]) = (matrix.beside[i], matrix.beside[i]) }
    for count in [n / 3, n / 2] {
      let found = try Backend.shared.eigh(a, leading: count)
      #expect(columnError(found.vectors) < 1e-12)
      for index in 0..<count {
        let z = (0..<n).map { found.vectors[$0, index] }
        let image = matrix.product(z.span)
        for i in 0..<n { #expect((image[i] - found.values[index] * z[i]).magnitude < 1e-11) }
      }
    }
  }

  @Test("Numbers that are not finite have no eigenvalues")
  func notFinite() {
    #expect(TridiagonalMatrix(diagonal: [1, .nan], beside: [0]) == nil)
    #expect(TridiagonalMatrix(diagonal: [1, 1], beside: [.infinity]) == nil)
    #expect(TridiagonalMatrix(diagonal: [], beside: []) == nil)
  }

  @Test("Leading vectors of matrices whose eigenvalues coincide", arguments: [7, 40, 96])
  func projections(rank: Int) throws {
    let algebra = try Backend.shared
    let q = try algebra.qr(uniform(200, rank, as: Double.self)).q
    let a = try algebra.multiply(q, q, transposing: .second)
    for count in [rank / 2, rank, 100] {
      let found = try algebra.eigh(a, leading: count)
      for (index, value) in found.values.enumerated() {
        #expect((value - (index < rank ? 1 : 0)).magnitude < 1e-13)
      }
      #expect(columnError(found.vectors) < 1e-12)
      var rest = try algebra.multiply(a, found.vectors)
      var scaled = found.vectors
      scaled.scaleColumns(by: found.values)
      rest.add(scaled, times: -1)
      #expect(rest.largestMagnitude < 1e-12)
    }
  }
}
