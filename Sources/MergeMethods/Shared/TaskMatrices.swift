internal import TinctureLinearAlgebra
internal import TinctureMerging
internal import TinctureTensors

/// The task vectors of a matrix, read one at a time or summed up, in the precision that it is merged in.
struct TaskMatrices<Element: MatrixElement> {
  /// The inputs of the step.
  let inputs: MergeInputs
  /// The library.
  let algebra: Backend
  private let weights: [Double]

  init(_ inputs: MergeInputs, _ weights: [Double]) throws(TinctureError) {
    self.inputs = inputs
    self.weights = weights
    algebra = try Backend.shared
  }

  /// The number of models.
  var count: Int { inputs.modelCount }
  /// The number of rows.
  var rows: Int { inputs.step.shape.extents[0] }
  /// The number of columns; those of filters are all extents but the first.
  var columns: Int { inputs.step.shape.extents.dropFirst().reduce(1, *) }
  /// The smaller of both.
  var smallerExtent: Int { min(rows, columns) }

  /// The weighted task vector of a model.
  ///
  /// - Complexity: One pass over the base and the model.
  func read(_ model: Int) throws(TinctureError) -> Matrix<Element> {
    var result = Matrix<Element>(rows: rows, columns: columns)
    let weight = weights[model]
    try inputs.scan(.taskVectors, models: model..<model + 1) { (block) throws(TinctureError) in
      result.add(block[model: 0], times: weight, at: block.start)
    }
    return result
  }

  /// The sum of the weighted task vectors, added up in the precision of the matrix.
  ///
  /// - Complexity: One pass over all inputs.
  func sum() throws(TinctureError) -> Matrix<Element> {
    var result = Matrix<Element>(rows: rows, columns: columns)
    guard Element.precision == .double else {
      try inputs.scanWeightedSum(.taskVectors, weights.map { Float($0) }) { sum, start in
        result.set(sum, at: start)
      }
      return result
    }
    try inputs.scan(.taskVectors) { (block) throws(TinctureError) in
      for model in 0..<block.modelCount {
        result.add(block[model: model], times: weights[model], at: block.start)
      }
    }
    return result
  }

  /// The leading singular values and vectors.
  ///
  /// By the smaller Gram matrix: in double precision, which loses nothing that single-precision inputs hold, or as
  /// accurate as decompositions in single precision are. Singular values up to the parameter `tolerance` times the
  /// largest are left out, unless the published code's arbitrary vectors for them are wanted.
  ///
  /// - Parameters:
  ///   - matrix: The matrix.
  ///   - rank: How many at most.
  ///   - similar: The decomposition of a matrix whose singular values are probably similar; where they lie close
  ///     together, a quicker route is tried.
  /// - Returns: The decomposition.
  /// - Throws: An error if the library fails.
  /// - Complexity: O(m n k) for the smaller extent k.
  func decompose(
    _ matrix: Matrix<Element>, rank: Int = .max, like similar: SVD<Element>? = nil
  ) throws(TinctureError) -> SVD<Element> {
    guard Spectral.completes(inputs.step.parameters) else {
      return try algebra.leadingDirections(
        matrix, keepingAbove: inputs[Spectral.tolerance], rank: rank,
        isFlat: similar.map { $0.rank == rank && $0.isFlat } ?? false)
    }
    let whole = try algebra.svd(matrix)
    return whole.prefix(min(rank, whole.rank))
  }
}

extension SVD {
  /// Whether the smallest singular value is well above a quarter of the largest.
  fileprivate var isFlat: Bool {
    guard let first = singularValues.first, let last = singularValues.last else { return false }
    return Double(last) > 0.28 * Double(first)
  }
}

extension Backend {
  /// Singular values and vectors by Gram matrices, in the precision of the matrix.
  func leadingDirections<Element: MatrixElement>(
    _ matrix: Matrix<Element>, keepingAbove share: Double, rank: Int = .max, isFlat: Bool = false
  ) throws(TinctureError) -> SVD<Element> {
    guard Element.precision == .single else {
      return try svdByGram(matrix, keepingAbove: share, rank: rank)
    }
    return try svdInSingle(
      matrix.converted(to: Float.self), keepingAbove: share, rank: rank, isFlat: isFlat
    ).converted(to: Element.self)
  }

  /// mean(σ) U Vᵀ for a matrix U diag(σ) Vᵀ, without the directions in which it is zero.
  ///
  /// - Parameters:
  ///   - matrix: The matrix.
  ///   - share: Singular values up to this share of the largest count as zero.
  /// - Returns: The matrix with all its singular values made equal.
  /// - Throws: An error if the library fails.
  func isotropic<Element: MatrixElement>(
    _ matrix: Matrix<Element>, keepingAbove share: Double
  ) throws(TinctureError) -> Matrix<Element> {
    guard Element.precision == .single else {
      var (factor, values) = try polarByGram(
        matrix.converted(to: Double.self), keepingAbove: share)
      factor.scale(by: values.reduce(0, +) / Double(matrix.smallerExtent))
      return factor.converted(to: Element.self)
    }
    var (factor, values) = try polarInSingle(
      matrix.converted(to: Float.self), keepingAbove: share)
    let sum = values.reduce(0) { $0 + Double($1) }
    factor.scale(by: Float(sum / Double(matrix.smallerExtent)))
    return factor.converted(to: Element.self)
  }
}
