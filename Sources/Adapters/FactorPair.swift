internal import TinctureLinearAlgebra
internal import TinctureTensors

/// The factors of one layer's change, s B A, in double precision.
struct FactorPair {
  /// A, `rank × in`.
  var down: Matrix<Double>
  /// B, `out × rank`.
  var up: Matrix<Double>
  /// s.
  var scale = 1.0

  var rank: Int { down.rows }

  /// The sum of weighted changes, exactly: factors below and beside each other.
  ///
  /// A = [w₁s₁A₁; …; w_T s_T A_T], B = [B₁ … B_T].
  static func joined(_ pairs: [FactorPair], _ weights: [Double]) -> FactorPair {
    let columns = pairs.first?.down.columns ?? 0
    let rows = pairs.first?.up.rows ?? 0
    let scaled = zip(pairs, weights).map { pair, weight in
      var down = pair.down
      down.scale(by: weight * pair.scale)
      return down
    }
    return FactorPair(
      down: .stacked(scaled, columns: columns), up: .joined(pairs.map(\.up), rows: rows))
  }

  /// The thin singular value decomposition of s B A, without the product.
  ///
  /// B = Q_B R_B, Aᵀ = Q_A R_A, R_B R_Aᵀ = U Σ Vᵀ; the result is (Q_B U) Σ (Q_A V)ᵀ. It has as many
  /// singular values as the smaller of rank and extents.
  ///
  /// - Complexity: O((out + in) rank²).
  func decomposed(_ algebra: Backend) throws(TinctureError) -> SVD<Double> {
    let left = try algebra.qr(up)
    let right = try algebra.qr(down.transposed())
    var core = try algebra.multiply(left.r, right.r, transposing: .second)
    core.scale(by: scale)
    let small = try algebra.svd(core)
    return SVD(
      u: try algebra.multiply(left.q, small.u), singularValues: small.singularValues,
      vt: try algebra.multiply(small.vt, right.q, transposing: .second))
  }

  /// The leading singular values of a decomposition, each spread over both factors: B = U √Σ, A = √Σ Vᵀ.
  init<Element: MatrixElement>(_ svd: SVD<Element>, rank: Int) {
    let cut = svd.prefix(min(rank, svd.rank))
    let roots = cut.singularValues.map { Double($0).squareRoot() }
    up = cut.u.converted(to: Double.self)
    up.scaleColumns(by: roots)
    down = cut.vt.converted(to: Double.self)
    down.scaleRows(by: roots)
  }

  init(down: Matrix<Double>, up: Matrix<Double>, scale: Double = 1) {
    self.down = down
    self.up = up
    self.scale = scale
  }

  /// The factors with rows and columns of zeros up to a rank.
  func padded(to rank: Int) -> FactorPair {
    guard rank > self.rank else { return self }
    let more = rank - self.rank
    return FactorPair(
      down: .stacked([down, Matrix(rows: more, columns: down.columns)], columns: down.columns),
      up: .joined([up, Matrix(rows: up.rows, columns: more)], rows: up.rows), scale: scale)
  }

  /// Rows of s B A as floats.
  func product(_ rows: Range<Int>, _ algebra: Backend) throws(TinctureError) -> Matrix<Float> {
    var part = up.rows(rows)
    part.scale(by: scale)
    return try algebra.multiply(part, down).converted(to: Float.self)
  }
}
