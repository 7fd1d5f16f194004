import Testing
import TinctureLinearAlgebra
import TinctureTensors

@Suite("Eigenvalues and QR", .needsBLAS)
struct EigenTests {
  @Test("Eigenvalues agree with the references", arguments: References.all.symmetric)
  func references(of reference: References.Symmetric) throws {
    try check(reference, Double.self)
    try check(reference, Float.self)
  }

  private func check<Element: MatrixElement>(
    _ reference: References.Symmetric, _ type: Element.Type
  ) throws {
    let a = reference.matrix(type)
    let found = try Backend.shared.eigh(a)
    let rounding = 40 * Double(Element.ulpOfOne)
    let largest = reference.eigenvalues.map(\.magnitude).max() ?? 0
    for (value, wanted) in zip(found.values, reference.eigenvalues) {
      #expect((Double(value) - wanted).magnitude <= rounding * largest)
    }
    #expect(columnError(found.vectors) < rounding)
    #expect(hasFixedSigns(found.vectors))
    let svd = SVD(
      u: found.vectors, singularValues: found.values, vt: found.vectors.transposed())
    #expect(distance(product(svd), a) <= rounding * largest)
  }

  @Test("Small and empty matrices", arguments: [0, 1, 2, 65])
  func sizes(n: Int) throws {
    let algebra = try Backend.shared
    let a = try algebra.gram(uniform(n, 3, as: Double.self), of: .rows)
    let found = try algebra.eigh(a)
    #expect(found.values.count == n)
    #expect(abs(found.values.reduce(0, +) - a.trace) < 1e-12 * max(1, a.trace))
  }

  @Test("The leading eigenvectors are those of the whole", arguments: References.all.symmetric)
  func leading(of reference: References.Symmetric) throws {
    try checkLeading(reference.matrix(Double.self))
    try checkLeading(reference.matrix(Float.self))
  }

  private func checkLeading<Element: MatrixElement>(_ a: Matrix<Element>) throws {
    let algebra = try Backend.shared
    let whole = try algebra.eigh(a)
    let largest = whole.values.map { Double($0.magnitude) }.max() ?? 0
    let rounding = 100 * Double(Element.ulpOfOne) * Double(max(1, a.rows))
    for count in [0, 1, a.rows / 4, a.rows / 2, a.rows, a.rows + 3] {
      let found = try algebra.eigh(a, leading: count)
      #expect(found.values.count == min(count, a.rows))
      for (value, wanted) in zip(found.values, whole.values) {
        #expect(Double((value - wanted).magnitude) <= rounding * largest)
      }
      #expect(columnError(found.vectors) < rounding)
      #expect(hasFixedSigns(found.vectors))
      // A V = V diag(λ), also where eigenvalues coincide and vectors are not unique.
      var scaled = found.vectors
      scaled.scaleColumns(by: found.values)
      var rest = try algebra.multiply(a, found.vectors)
      rest.add(scaled, times: -1)
      #expect(Double(rest.largestMagnitude) <= rounding * largest)
    }
  }

  @Test("A matrix that is not square or not symmetric is refused")
  func refusals() throws {
    let algebra = try Backend.shared
    #expect(throws: TinctureError.self) { try algebra.eigh(uniform(3, 4, as: Float.self)) }
    var a = Matrix<Float>.identity(5)
    a[4, 2] = 0.25
    let error = #expect(throws: TinctureError.self) { try algebra.eigh(a) }
    #expect(error?.message.contains("row 4, column 2") == true)
  }

  @Test(
    "QR has orthonormal columns and a diagonal without negative elements",
    arguments: [(0, 3), (3, 0), (1, 4), (4, 1), (6, 6), (90, 7), (7, 90)])
  func qr(rows: Int, columns: Int) throws {
    try checkQR(uniform(rows, columns, as: Float.self))
    try checkQR(uniform(rows, columns, as: Double.self))
  }

  @Test("QR of hard matrices", arguments: References.all.general)
  func hardQR(reference: References.General) throws {
    try checkQR(reference.matrix(Double.self))
    try checkQR(reference.matrix(Float.self))
  }

  private func checkQR<Element: MatrixElement>(_ a: Matrix<Element>) throws {
    let (k, rounding) = (a.smallerExtent, 40 * Double(Element.ulpOfOne))
    let found = try Backend.shared.qr(a)
    #expect(found.q.rows == a.rows && found.q.columns == k)
    #expect(found.r.rows == k && found.r.columns == a.columns)
    #expect(columnError(found.q) < rounding)
    #expect(distance(plainProduct(found.q, found.r), a) <= rounding * max(1e-30, a.frobeniusNorm))
    for i in 0..<k {
      #expect(found.r[i, i] >= 0)
      for j in 0..<i { #expect(found.r[i, j] == 0) }
    }
  }
}
