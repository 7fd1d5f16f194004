internal import TinctureLinearAlgebra
internal import TinctureTensors

/// How much a merged task vector x disturbs each task in the directions of inputs that the task uses.
///
/// L(x) = Σ ‖(x − aᵢ) Tᵢᵀ‖² for targets aᵢ and directions Tᵢ, or tr(x C xᵀ) − 2 ⟨x, Q⟩ and a constant, with C = Σ Tᵢᵀ Tᵢ
/// and Q = Σ aᵢ Tᵢᵀ Tᵢ. Its gradient 2 (x C − Q) needs neither tasks nor targets again. C is held whole, n × n,
/// or as the rows of all Tᵢ where these are fewer than half of the columns, which is cheaper then.
struct InterferenceForm {
  /// How steps are made.
  struct Descent {
    /// The size of which step follows from the gradient.
    enum Optimizer {
      case adam
      case momentum(Double)
    }

    let optimizer: Optimizer
    let rate: Double
    let steps: Int
  }

  private var target: Matrix<Double>
  private var products: Matrix<Double>?
  private var directions: [Matrix<Double>] = []
  private let algebra: Backend

  /// Begins with nothing to disturb.
  ///
  /// - Parameters:
  ///   - rows: The rows of task vectors.
  ///   - columns: Their columns.
  ///   - directionCount: How many rows all Tᵢ will have together.
  ///   - algebra: The library.
  init(rows: Int, columns: Int, directionCount: Int, _ algebra: Backend) {
    target = Matrix(rows: rows, columns: columns)
    products = 2 * directionCount < columns ? nil : Matrix(rows: columns, columns: columns)
    self.algebra = algebra
  }

  private var columns: Int { target.columns }

  /// Adds a task.
  ///
  /// - Parameters:
  ///   - wanted: The task vector that disturbs it not at all.
  ///   - directions: The directions in which it can be disturbed, as rows with their weights.
  /// - Throws: An error if the library fails.
  mutating func add(
    _ wanted: Matrix<Double>, along directions: Matrix<Double>
  ) throws(TinctureError) {
    var gram: Matrix<Double>?
    if products != nil {
      let own = try algebra.gram(directions, of: .columns)
      products?.add(own)
      gram = own
    } else {
      self.directions.append(directions)
    }
    if let gram, 2 * directions.rows >= columns {
      try algebra.multiply(wanted, gram, into: &target)
    } else {
      let image = try algebra.multiply(wanted, directions, transposing: .second)
      try algebra.multiply(image, directions, into: &target)
    }
  }

  /// x C − Q, half of the gradient.
  private func slope(at point: Matrix<Double>) throws(TinctureError) -> Matrix<Double> {
    var result = target
    if let products {
      try algebra.multiply(point, products, into: &result, keeping: -1)
    } else {
      let stack = Matrix.stacked(directions, columns: columns)
      let image = try algebra.multiply(point, stack, transposing: .second)
      try algebra.multiply(image, stack, into: &result, keeping: -1)
    }
    return result
  }

  // MARK: Step by step

  /// The published search, in single precision.
  ///
  /// Only what is added to the start is searched for, so that little is lost where the terms of the gradient
  /// cancel.
  ///
  /// - Parameters:
  ///   - start: Where it begins.
  ///   - plan: How steps are made.
  ///   - check: Called before each step; may stop the search.
  /// - Returns: Where it ends.
  /// - Throws: An error if the library fails, or what `check` throws.
  /// - Complexity: O(m n²) for each step, or O(m n r) for r directions.
  func descent(
    from start: Matrix<Double>, _ plan: Descent,
    check: () throws(TinctureError) -> Void = {}
  ) throws(TinctureError) -> Matrix<Double> {
    var first = try slope(at: start).converted(to: Float.self)
    first.scale(by: 2)
    let dense = products?.converted(to: Float.self)
    let stack =
      dense == nil ? Matrix.stacked(directions, columns: columns).converted(to: Float.self) : nil
    var change = Matrix<Float>(rows: start.rows, columns: start.columns)
    var optimizer = Steps(plan, count: change.count)
    for step in 0..<plan.steps {
      try check()
      var gradient = first
      if step > 0 {
        if let dense {
          try algebra.multiply(change, dense, scale: 2, into: &gradient)
        } else if let stack {
          let image = try algebra.multiply(change, stack, transposing: .second)
          try algebra.multiply(image, stack, scale: 2, into: &gradient)
        }
      }
      optimizer.step(&change, along: gradient)
    }
    var result = start
    result.add(change.converted(to: Double.self))
    return result
  }

  // MARK: At once

  /// Moves the start towards the minimum by a share of the way in each eigenvector of C.
  ///
  /// x − (x C − Q) V diag(f / max(λ, 1e-8)) Vᵀ. What the flow x′ = Q − x C reaches in the time s has
  /// f = 1 − exp(−λ s); f = 1 is the minimum.
  ///
  /// - Parameters:
  ///   - start: Where it begins.
  ///   - shares: f for the eigenvalues λ of C, largest first, n of them.
  /// - Returns: Where it ends.
  /// - Throws: An error if the library fails.
  /// - Complexity: O(n³ + m n²).
  func moved(
    from start: Matrix<Double>, _ shares: ([Double]) -> [Double]
  ) throws(TinctureError) -> Matrix<Double> {
    var values: [Double]
    let vectors: Matrix<Double>
    if let products {
      let eigen = try algebra.eigh(products)
      values = eigen.values.map { max(0, $0) }
      vectors = eigen.vectors
    } else {
      let svd = try algebra.svdByGram(
        Matrix.stacked(directions, columns: columns), keepingAbove: 1e-7)
      values = svd.singularValues.map { $0 * $0 }
      vectors = svd.vt.transposed()
    }
    let rank = values.count
    values += [Double](repeating: 0, count: columns - rank)
    let factors = zip(shares(values), values).prefix(rank).map { $0 / max($1, 1e-8) }
    var image = try algebra.multiply(slope(at: start), vectors)
    image.scaleColumns(by: Array(factors))
    var result = start
    try algebra.multiply(image, vectors, transposing: .second, scale: -1, into: &result)
    return result
  }

  /// Bytes for a form, for both ways from it, and for one task with its directions.
  static func memory(rows: Int, columns: Int) -> Int {
    let square = FactorizationMemory(rows: columns, columns: columns, precision: .double)
    return 8 * (8 * rows * columns + 5 * columns * columns) + square.eigh
  }
}

/// Steps of one of the optimisers.
private enum Steps {
  case adam(Adam)
  case momentum(velocity: Matrix<Float>?, share: Float, rate: Float)

  init(_ plan: InterferenceForm.Descent, count: Int) {
    switch plan.optimizer {
    case .adam: self = .adam(Adam(count: count, rate: plan.rate))
    case .momentum(let share):
      self = .momentum(velocity: nil, share: Float(share), rate: Float(plan.rate))
    }
  }

  mutating func step(_ point: inout Matrix<Float>, along gradient: Matrix<Float>) {
    switch self {
    case .adam(var adam):
      self = .momentum(velocity: nil, share: 0, rate: 0)
      adam.step(&point, along: gradient)
      self = .adam(adam)
    case .momentum(let old, let share, let rate):
      var velocity = gradient
      if let old { velocity.add(old, times: share) }
      point.add(velocity, times: -rate)
      self = .momentum(velocity: velocity, share: share, rate: rate)
    }
  }
}
