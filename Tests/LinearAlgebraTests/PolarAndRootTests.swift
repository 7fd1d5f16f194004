import Testing
import TinctureLinearAlgebra
import TinctureTensors

@Suite("Polar factors and roots", .needsBLAS)
struct PolarAndRootTests {
  @Test("Polar factors agree with the references", arguments: References.all.general)
  func references(of reference: References.General) throws {
    try check(reference, Double.self)
    try check(reference, Float.self)
  }

  private func check<Element: MatrixElement>(
    _ reference: References.General, _ type: Element.Type
  ) throws {
    guard let polar = reference.polar else { return }
    let algebra = try Backend.shared
    let wanted = Matrix<Double>(rows: reference.rows, columns: reference.columns, polar)
    let condition = Spectrum(reference.singularValues).conditionNumber
    let limit = 40 * Double(Element.ulpOfOne) * condition
    let a = reference.matrix(type)
    let found = try algebra.polarByNewtonSchulz(a)
    #expect(found.route == .newtonSchulz)
    #expect(distance(found.factor, wanted) < limit)
    #expect(distance(try algebra.polarBySVD(a).factor, wanted) < limit)
  }

  @Test(
    "Products and singular values find the same factor",
    arguments: [(1, 1), (1, 8), (8, 1), (96, 96), (150, 40), (40, 150)])
  func routes(rows: Int, columns: Int) throws {
    let algebra = try Backend.shared
    let a = uniform(rows, columns, seed: 9, as: Double.self)
    let (fast, slow) = (try algebra.polarByNewtonSchulz(a), try algebra.polarBySVD(a))
    #expect(fast.route == .newtonSchulz)
    #expect(fast.steps <= 16)
    #expect(distance(fast.factor, slow.factor) < 1e-10)
    let tall = rows < columns ? fast.factor.transposed() : fast.factor
    #expect(columnError(tall) < 1e-13)
  }

  @Test("A condition of 1,000 still takes products alone", arguments: Precision.allCases)
  func condition(precision: Precision) throws {
    if precision == .single {
      try checkCondition(Float.self)
    } else {
      try checkCondition(Double.self)
    }
  }

  private func checkCondition<Element: MatrixElement>(_ type: Element.Type) throws {
    let values = (0..<60).map { 1 - 0.999 * Double($0) / 59 }
    let a = try withSpectrum(values, rows: 80, columns: 60, as: type)
    let found = try Backend.shared.polarByNewtonSchulz(a)
    #expect(found.route == .newtonSchulz)
    #expect(columnError(found.factor) < 40 * Double(Element.ulpOfOne))
  }

  @Test("A smaller condition takes fewer steps, a larger one than expected is noticed")
  func expectations() throws {
    let algebra = try Backend.shared
    let values = (0..<20).map { 1 - 0.8 * Double($0) / 19 }
    let a = try withSpectrum(values, rows: 30, columns: 20, as: Double.self)
    let (few, many) = (
      try algebra.polarByNewtonSchulz(a, condition: 20), try algebra.polarByNewtonSchulz(a)
    )
    #expect(few.route == .newtonSchulz && few.steps < many.steps)
    #expect(distance(few.factor, many.factor) < 1e-13)
    let steep = try withSpectrum([1, 1e-7], rows: 9, columns: 2, as: Double.self)
    let found = try algebra.polarByNewtonSchulz(steep)
    #expect(found.route == .svd && found.rank == 2)
  }

  @Test("A deficient matrix is decomposed; its null space is dropped or completed")
  func deficient() throws {
    let algebra = try Backend.shared
    let a = try withSpectrum([3, 1, 0.5], rows: 12, columns: 8, as: Double.self)
    let dropped = try algebra.polarByNewtonSchulz(a)
    #expect(dropped.route == .svd && dropped.rank == 3 && dropped.steps == 0)
    let values = try algebra.singularValues(dropped.factor)
    for (value, wanted) in zip(values, [1, 1, 1, 0, 0, 0, 0, 0] as [Double]) {
      #expect(abs(value - wanted) < 1e-14)
    }
    let completed = try algebra.polarByNewtonSchulz(a, nullSpace: .completed)
    #expect(completed.rank == 8)
    #expect(columnError(completed.factor) < 1e-14)
  }

  @Test("Zero and empty matrices")
  func zero() throws {
    let algebra = try Backend.shared
    let zero = Matrix<Float>(rows: 5, columns: 3)
    #expect(try algebra.polarByNewtonSchulz(zero).factor == zero)
    #expect(columnError(try algebra.polarByNewtonSchulz(zero, nullSpace: .completed).factor) < 1e-6)
    #expect(try algebra.polarByNewtonSchulz(Matrix<Float>(rows: 0, columns: 3)).factor.count == 0)
  }

  @Test("Elements near the ends of the range", arguments: [1e-300, 1e-160, 1e160, 1e300])
  func range(scale: Double) throws {
    var a = uniform(20, 20, as: Double.self)
    let wanted = try Backend.shared.polarByNewtonSchulz(a).factor
    a.scale(by: scale)
    #expect(distance(try Backend.shared.polarByNewtonSchulz(a).factor, wanted) < 1e-11)
  }

  @Test("Roots agree with the references", arguments: References.all.symmetric)
  func roots(of reference: References.Symmetric) throws {
    try checkRoots(reference, Double.self)
    try checkRoots(reference, Float.self)
  }

  private func checkRoots<Element: MatrixElement>(
    _ reference: References.Symmetric, _ type: Element.Type
  ) throws {
    let algebra = try Backend.shared
    let a = reference.matrix(type)
    guard let root = reference.root, let inverseRoot = reference.inverseRoot else {
      if reference.name == "indefinite" {
        #expect(throws: TinctureError.self) { try algebra.squareRoot(a) }
      } else {
        let root = try algebra.squareRoot(a)
        #expect(distance(plainProduct(root, root), a) < 100 * Double(Element.ulpOfOne))
      }
      return
    }
    let limit = 100 * Double(Element.ulpOfOne)
    let n = reference.rows
    #expect(distance(try algebra.squareRoot(a), Matrix<Double>(rows: n, columns: n, root)) < limit)
    #expect(
      distance(try algebra.inverseSquareRoot(a), Matrix<Double>(rows: n, columns: n, inverseRoot))
        < limit)
  }

  @Test(
    "The Gram route to the polar factor agrees with the decomposition",
    arguments: [(40, 9), (9, 40), (12, 12)])
  func polarByGram(rows: Int, columns: Int) throws {
    let algebra = try Backend.shared
    let a = uniform(rows, columns, as: Double.self)
    let (factor, values) = try algebra.polarByGram(a)
    let svd = try algebra.svd(a)
    #expect(distance(factor, try algebra.multiply(svd.u, svd.vt)) < 1e-9)
    #expect(zip(values, svd.singularValues).allSatisfy { abs($0 - $1) < 1e-10 })
    // What is missing stays zero.
    let flat = try algebra.multiply(a.columns(0..<4), a.rows(0..<4))
    let partial = try algebra.polarByGram(flat)
    #expect(partial.singularValues.count == 4)
    #expect(abs(partial.factor.frobeniusNorm - 2) < 1e-6)
    #expect(try algebra.polarByGram(Matrix(rows: 3, columns: 2)).singularValues.isEmpty)
  }

  @Test("A floor bounds inverse roots")
  func floor() throws {
    let algebra = try Backend.shared
    let a = Matrix<Double>.diagonal([4, 1, 0])
    let root = try algebra.inverseSquareRoot(a, floor: 1e-4)
    #expect(abs(root[0, 0] - 0.5) < 1e-14 && abs(root[1, 1] - 1) < 1e-14)
    #expect(abs(root[2, 2] - 50) < 1e-12)
    #expect(abs(try algebra.squareRoot(a, floor: 0.25)[2, 2] - 1) < 1e-14)
    #expect(throws: TinctureError.self) {
      try algebra.inverseSquareRoot(Matrix<Float>(rows: 3, columns: 3))
    }
    #expect(try algebra.inverseSquareRoot(Matrix<Float>(rows: 0, columns: 0), floor: 1).count == 0)
  }
}
