import Testing
import TinctureLinearAlgebra
import TinctureTensors

extension Trait where Self == ConditionTrait {
  /// Skips a test where no BLAS is installed, and says how to install one.
  static var needsBLAS: Self {
    .enabled(
      if: Backend.isAvailable,
      "No BLAS was found: Scripts/install_engines installs OpenBLAS, or set TINCTURE_BLAS=PATH.")
  }
}

/// A matrix with uniform elements in [−1, 1), a function of the seed.
func uniform<Element: MatrixElement>(
  _ rows: Int, _ columns: Int, seed: UInt64 = 1, as type: Element.Type = Element.self
) -> Matrix<Element> {
  let random = CounterRandom(seed: seed, tensor: "\(rows)×\(columns)", purpose: "test")
  return Matrix(
    rows: rows, columns: columns,
    (0..<rows * columns).map { Element(2 * random.uniform(at: $0) - 1) })
}

/// A matrix with the given singular values.
func withSpectrum<Element: MatrixElement>(
  _ values: [Double], rows: Int, columns: Int, as type: Element.Type = Element.self
) throws -> Matrix<Element> {
  let algebra = try Backend.shared
  var u = try algebra.qr(uniform(rows, values.count, seed: 2, as: Double.self)).q
  let v = try algebra.qr(uniform(columns, values.count, seed: 3, as: Double.self)).q
  u.scaleColumns(by: values)
  return try algebra.multiply(u, v, transposing: .second).converted(to: type)
}

/// The product by three plain loops in double precision.
func plainProduct<Element: MatrixElement>(
  _ a: Matrix<Element>, _ b: Matrix<Element>
) -> Matrix<Double> {
  var c = Matrix<Double>(rows: a.rows, columns: b.columns)
  for i in 0..<a.rows {
    for j in 0..<b.columns {
      var sum = 0.0
      for k in 0..<a.columns { sum += Double(a[i, k]) * Double(b[k, j]) }
      c[i, j] = sum
    }
  }
  return c
}

/// The largest difference of two matrices' elements.
func distance<A: MatrixElement, B: MatrixElement>(_ a: Matrix<A>, _ b: Matrix<B>) -> Double {
  guard a.rows == b.rows, a.columns == b.columns else { return .infinity }
  return zip(a.array, b.array).map { (Double($0) - Double($1)).magnitude }.max() ?? 0
}

/// How far columns are from orthonormal: the largest element of |QᵀQ − I|.
func columnError<Element: MatrixElement>(_ q: Matrix<Element>) -> Double {
  distance(plainProduct(q.transposed(), q), Matrix<Double>.identity(q.columns))
}

/// U diag(σ) Vᵀ in double precision.
func product<Element: MatrixElement>(_ svd: SVD<Element>) -> Matrix<Double> {
  var u = svd.u.converted(to: Double.self)
  u.scaleColumns(by: svd.singularValues.map(Double.init))
  return plainProduct(u, svd.vt.converted(to: Double.self))
}

/// Whether the component of largest magnitude of each column is positive.
func hasFixedSigns<Element: MatrixElement>(_ vectors: Matrix<Element>) -> Bool {
  (0..<vectors.columns).allSatisfy { j in
    var largest: Element = 0
    for i in 0..<vectors.rows where vectors[i, j].magnitude > largest.magnitude {
      largest = vectors[i, j]
    }
    return largest >= 0
  }
}
