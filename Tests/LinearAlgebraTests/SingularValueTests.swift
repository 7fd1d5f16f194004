import Testing
import TinctureLinearAlgebra
import TinctureTensors

@Suite("Singular value decompositions", .needsBLAS)
struct SingularValueTests {
  @Test(
    "Factors are orthonormal, ordered and give the matrix back", arguments: References.all.general)
  func references(of reference: References.General) throws {
    try check(reference, Double.self)
    try check(reference, Float.self)
  }

  private func check<Element: MatrixElement>(
    _ reference: References.General, _ type: Element.Type
  ) throws {
    let algebra = try Backend.shared
    let a = reference.matrix(type)
    let svd = try algebra.svd(a)
    let rounding = 40 * Double(Element.ulpOfOne)
    let largest = reference.singularValues.first ?? 0
    for (found, wanted) in zip(svd.singularValues, reference.singularValues) {
      #expect((Double(found) - wanted).magnitude <= rounding * largest)
    }
    #expect(zip(svd.singularValues, svd.singularValues.dropFirst()).allSatisfy { $0 >= $1 })
    #expect(svd.singularValues.allSatisfy { $0 >= 0 })
    #expect(columnError(svd.u) < rounding)
    #expect(columnError(svd.vt.transposed()) < rounding)
    #expect(distance(product(svd), a) <= rounding * largest)
    #expect(hasFixedSigns(svd.u))
    let alone = try algebra.singularValues(a)
    for (one, other) in zip(alone, svd.singularValues) {
      #expect(Double((one - other).magnitude) <= rounding * largest)
    }
  }

  @Test(
    "Shapes of all kinds are factorised",
    arguments: [(0, 0), (0, 4), (4, 0), (1, 1), (1, 9), (9, 1), (64, 64), (200, 30), (30, 200)])
  func shapes(rows: Int, columns: Int) throws {
    let algebra = try Backend.shared
    let a = uniform(rows, columns, as: Float.self)
    let svd = try algebra.svd(a)
    #expect(svd.u.rows == rows && svd.vt.columns == columns)
    #expect(svd.rank == min(rows, columns))
    #expect(distance(product(svd), a) < 1e-5)
    #expect(try algebra.singularValues(a).count == min(rows, columns))
  }

  @Test("A zero matrix has orthonormal factors and rank 0")
  func zero() throws {
    let svd = try Backend.shared.svd(Matrix<Float>(rows: 7, columns: 5))
    #expect(svd.singularValues == [Float](repeating: 0, count: 5))
    #expect(svd.numericalRank() == 0)
    #expect(columnError(svd.u) < 1e-6)
  }

  @Test("The numerical rank counts what rounding does not explain")
  func numericalRank() throws {
    let a = try withSpectrum([4, 2, 1], rows: 40, columns: 25, as: Double.self)
    let svd = try Backend.shared.svd(a)
    #expect(svd.numericalRank() == 3)
    #expect(svd.numericalRank(tolerance: 0.3) == 2)
    #expect(svd.prefix(3).u.columns == 3)
    #expect(distance(product(svd.prefix(3)), a) < 1e-14)
  }

  @Test("Extents that the libraries cannot address are refused")
  func extents() throws {
    let a = Matrix<Float>(rows: 1 << 31, columns: 0)
    let error = #expect(throws: TinctureError.self) { try Backend.shared.svd(a) }
    #expect(error?.message.contains("too large") == true)
  }

  @Test("An element that is not finite is named", arguments: [Float.nan, .infinity, -.infinity])
  func notFinite(value: Float) throws {
    let algebra = try Backend.shared
    var a = uniform(30, 20, as: Float.self)
    a[17, 3] = value
    a[20, 1] = .nan
    let error = #expect(throws: TinctureError.self) { try algebra.svd(a) }
    #expect(error?.message.contains("row 17, column 3") == true)
    #expect(throws: TinctureError.self) { try algebra.singularValues(a) }
    #expect(throws: TinctureError.self) { try algebra.qr(a) }
  }
}
