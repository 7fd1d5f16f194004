internal import TinctureLinearAlgebra
internal import TinctureTensors

/// The search for a matrix that is near to two others in the directions that each of them uses.
///
/// Minimises Σ cᵢ Lᵢ(X), Lᵢ(X) = ‖diag(σ) Uᵀ (X − τᵢ)‖² + ‖(X − τᵢ) V diag(σ)‖², over task vectors X.
struct DualProjection {
  /// Which of the two terms count.
  enum Sides { case both, left, right }

  /// One of the models.
  struct Model {
    /// The whole task vector.
    let task: Matrix<Double>
    /// The part of it that counts.
    let used: SVD<Double>
  }

  /// How steps are made.
  struct Descent {
    let weights: [Double]
    let balances: Bool
    let smoothing: Double
    let steps: Int
    let rate: Double
  }

  let models: [Model]
  /// Where the search begins, and what stays where no model uses a direction.
  let start: Matrix<Double>
  let sides: Sides
  let algebra: Backend

  private var usesLeft: Bool { sides != .right }
  private var usesRight: Bool { sides != .left }

  // MARK: In closed form

  /// The minimum for given weights.
  ///
  /// With the eigenvectors P of Σ cᵢ Aᵢ and Q of Σ cᵢ Bᵢ, Pᵀ X Q = Pᵀ R Q / (λₐ + λ_b), R = Σ cᵢ (Aᵢ τᵢ + τᵢ Bᵢ). R lies
  /// in the range of both; outside of both ranges X is the start, and between them zero, as the models
  /// themselves are.
  func minimum(weights: [Double]) throws(TinctureError) -> Matrix<Double> {
    let left = try usesLeft ? basis(weights) { $0.u } : nil
    let right = try usesRight ? basis(weights) { $0.vt.transposed() } : nil
    // σ³ on both sides at once: A τ = τ B for what is used of τ.
    var target = Matrix<Double>(rows: start.rows, columns: start.columns)
    for (model, weight) in zip(models, weights) {
      var scaled = model.used.u
      let factor = sides == .both ? 2 * weight : weight
      scaled.scaleColumns(by: model.used.singularValues.map { factor * $0 * $0 * $0 })
      try algebra.multiply(scaled, model.used.vt, into: &target)
    }
    switch (left, right) {
    case (let left?, let right?):
      var core = try projected(target, left.vectors, right.vectors)
      let kept = try projected(start, left.vectors, right.vectors)
      let floor = 1e-10 * ((left.values.first ?? 0) + (right.values.first ?? 0))
      for i in left.values.indices {
        for j in right.values.indices {
          let sum = left.values[i] + right.values[j]
          core[i, j] = sum > floor ? core[i, j] / sum : kept[i, j]
        }
      }
      // The start outside of both ranges.
      var result = start
      try subtractLeft(left.vectors, from: &result)
      try subtractRight(right.vectors, from: &result)
      try algebra.multiply(
        algebra.multiply(left.vectors, core), right.vectors.transposed(), into: &result)
      return result
    case (let left?, nil):
      var result = start
      try subtractLeft(left.vectors, from: &result)
      var core = try algebra.multiply(left.vectors, target, transposing: .first)
      core.scaleRows(by: left.values.map { 1 / $0 })
      try algebra.multiply(left.vectors, core, into: &result)
      return result
    case (nil, let right?):
      var result = start
      try subtractRight(right.vectors, from: &result)
      var core = try algebra.multiply(target, right.vectors)
      core.scaleColumns(by: right.values.map { 1 / $0 })
      try algebra.multiply(core, right.vectors, transposing: .second, into: &result)
      return result
    case (nil, nil): return start
    }
  }

  /// The eigenvectors of Σ cᵢ Fᵢ diag(σ²) Fᵢᵀ whose eigenvalues are not zero but for rounding.
  private func basis(
    _ weights: [Double], _ factor: (SVD<Double>) -> Matrix<Double>
  ) throws(TinctureError) -> (vectors: Matrix<Double>, values: [Double]) {
    var parts: [Matrix<Double>] = []
    var rows = 0
    for (model, weight) in zip(models, weights) {
      var part = factor(model.used)
      rows = part.rows
      part.scaleColumns(by: model.used.singularValues.map { weight.squareRoot() * $0 })
      parts.append(part)
    }
    let joined = Matrix.joined(parts, rows: rows)
    guard joined.columns > 0 else { return (joined, []) }
    // Long factors are reduced to their triangle, so that vectors stay orthonormal.
    let triangle = try joined.columns < rows ? algebra.qr(joined) : nil
    let eigen = try algebra.eigh(algebra.gram(triangle?.r ?? joined, of: .rows))
    let count = eigen.values.prefix { $0 > 1e-14 * (eigen.values.first ?? 0) && $0 > 0 }.count
    let vectors = eigen.vectors.columns(0..<count)
    let values = Array(eigen.values.prefix(count))
    guard let triangle else { return (vectors, values) }
    return (try algebra.multiply(triangle.q, vectors), values)
  }

  private func projected(
    _ matrix: Matrix<Double>, _ left: Matrix<Double>, _ right: Matrix<Double>
  ) throws(TinctureError) -> Matrix<Double> {
    try algebra.multiply(algebra.multiply(left, matrix, transposing: .first), right)
  }

  private func subtractLeft(
    _ vectors: Matrix<Double>, from matrix: inout Matrix<Double>
  ) throws(TinctureError) {
    let inside = try algebra.multiply(vectors, matrix, transposing: .first)
    try algebra.multiply(vectors, inside, scale: -1, into: &matrix)
  }

  private func subtractRight(
    _ vectors: Matrix<Double>, from matrix: inout Matrix<Double>
  ) throws(TinctureError) {
    let inside = try algebra.multiply(matrix, vectors)
    try algebra.multiply(inside, vectors, transposing: .second, scale: -1, into: &matrix)
  }
}
