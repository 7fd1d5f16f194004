internal import TinctureLinearAlgebra
internal import TinctureTensors

/// Changes in coordinates that they have in common, so that elements can be compared between them.
struct AlignedCoordinates {
  /// The coordinates of each change.
  let tasks: [ContiguousArray<Float>]
  /// How many rows and columns the coordinates have.
  let rows: Int
  let columns: Int
  /// What makes a change of coordinates C: `left` · C, and C · `right` where there is one.
  let left: Matrix<Double>
  let right: Matrix<Double>?

  /// The rank of the result.
  var rank: Int { rows }

  /// The factors of merged coordinates.
  func factors(_ merged: ContiguousArray<Float>, _ algebra: Backend) throws(TinctureError)
    -> FactorPair
  {
    let core = Matrix(rows: rows, columns: columns, merged.map { Double($0) })
    guard let right else { return FactorPair(down: core, up: left) }
    return FactorPair(down: try algebra.multiply(core, right), up: left)
  }
}

extension LayerCombination {
  /// KnOTS: [Δ₁ … Δ_T] = U diag(σ) [V₁ … V_T], Zᵢ = Uᵀ Δᵢ, with Δᵢ = sᵢ Bᵢ Aᵢ.
  ///
  /// U comes from the factors: [B₁ … B_T] = Q R, Σ Rᵢ sᵢ² Aᵢ Aᵢᵀ Rᵢᵀ = E diag(σ²) Eᵀ, U = Q E, and
  /// Zᵢ = Eᵀ Rᵢ sᵢ Aᵢ. Directions with σ ≤ 1e-5 are left out. Source: Stoica et al., arXiv:2410.19735.
  ///
  /// - Complexity: O((out + in) (Σ rᵢ)²).
  func knots() throws(TinctureError) -> AlignedCoordinates {
    let qr = try algebra.qr(Matrix.joined(pairs.map(\.up), rows: layer.outputs))
    var parts: [Matrix<Double>] = []
    var sum = Matrix<Double>(rows: qr.r.rows, columns: qr.r.rows)
    var start = 0
    for pair in pairs {
      var r = qr.r.columns(start..<start + pair.rank)
      r.scale(by: pair.scale)
      start += pair.rank
      let part = try algebra.multiply(r, pair.down)
      sum.add(try algebra.gram(part, of: .rows))
      parts.append(part)
    }
    let eigen = try algebra.eigh(sum)
    // Squares below rounding are no singular values.
    let limit = max(1e-10, 1e-14 * (eigen.values.first ?? 0))
    let rank = eigen.values.prefix { $0 > limit }.count
    let basis = eigen.vectors.columns(0..<rank)
    var tasks: [ContiguousArray<Float>] = []
    for part in parts {
      let z = try algebra.multiply(basis, part, transposing: .first)
      tasks.append(ContiguousArray(z.array.map { Float($0) }))
    }
    return AlignedCoordinates(
      tasks: tasks, rows: rank, columns: layer.inputCount, left: try algebra.multiply(qr.q, basis),
      right: nil)
  }

  /// Core space: Mᵢ = Uᵀ sᵢ Bᵢ Aᵢ V for U, V the singular vectors of [B₁ … B_T] and of [A₁; …; A_T].
  ///
  /// Nothing is lost by it: U Mᵢ Vᵀ is the change again. Source: Panariello et al., arXiv:2509.17786.
  ///
  /// - Complexity: O((out + in) (Σ rᵢ)²).
  func core() throws(TinctureError) -> AlignedCoordinates {
    let u = try algebra.svd(Matrix.joined(pairs.map(\.up), rows: layer.outputs)).u
    let vt = try algebra.svd(Matrix.stacked(pairs.map(\.down), columns: layer.inputCount)).vt
    var tasks: [ContiguousArray<Float>] = []
    for pair in pairs {
      let left = try algebra.multiply(u, pair.up, transposing: .first)
      let right = try algebra.multiply(pair.down, vt, transposing: .second)
      var core = try algebra.multiply(left, right)
      core.scale(by: pair.scale)
      tasks.append(ContiguousArray(core.array.map { Float($0) }))
    }
    return AlignedCoordinates(
      tasks: tasks, rows: u.columns, columns: vt.rows, left: u, right: vt)
  }
}
