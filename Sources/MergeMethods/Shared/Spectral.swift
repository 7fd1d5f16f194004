internal import TinctureLinearAlgebra
internal import TinctureMerging
internal import TinctureTensors

/// What methods have in common that merge matrices by their singular values.
///
/// Tensors with two axes are matrices; vectors, kernels of convolutions and other tensors are not taken
/// apart, and neither are matrices for which the recipe sets `spectral: false`, embeddings for instance.
enum Spectral {
  static let weight = PerModelParameter<Double>(
    "weight", default: 1, "What each task vector is multiplied by first.")
  static let alpha = Parameter<Double>(
    "alpha", default: 1, "What the merged task vector is multiplied by.")
  static let matrices = Parameter<Bool>(
    "spectral", default: true,
    "Whether tensors with two axes are merged as matrices; with false as all other tensors.")
  static let others = Parameter<String>(
    "others", default: "mean", of: ["mean", "base"],
    "What tensors get that are not merged as matrices: the mean of the task vectors, or nothing.")
  static let nullSpace = Parameter<String>(
    "null_space", default: "drop", of: ["drop", "reference"],
    "What directions get in which a matrix is zero: nothing, or the full weight of arbitrary vectors as"
      + " in the published code.")
  static let tolerance = Parameter<Double>(
    "tolerance", default: 1e-6, in: .between(1e-7, 1),
    "Singular values up to this share of the largest count as zero.")

  static let precision = Parameter<String>(
    "precision", default: "single", of: ["single", "double"],
    "How matrices of 256 rows and columns or more are decomposed; smaller ones always in double precision."
  )

  /// The precision that a matrix is merged in.
  ///
  /// Vectors that nothing determines are those of the double-precision decomposition.
  static func precision(_ parameters: ResolvedParameters, _ shape: Shape) -> Precision {
    let isLarge = shape.rank == 2 && shape.extents.allSatisfy { $0 >= 256 }
    return isLarge && parameters[precision] == "single" && !completes(parameters)
      ? .single : .double
  }

  /// Whether matrices with the published code's weight for directions that nothing determines are wanted.
  static func completes(_ parameters: ResolvedParameters) -> Bool {
    parameters[nullSpace] == "reference"
  }

  /// Bytes for a matrix of the step's shape and for what is computed with it; 0 for other tensors.
  ///
  /// - Parameters:
  ///   - parameters: The values of the step.
  ///   - scope: The sizes of the step.
  ///   - precision: The precision of what is held; decompositions may need double precision in any case.
  ///   - matrices: How many matrices of the tensor's shape are held at a time.
  ///   - factors: How many pairs of factors of full rank.
  ///   - squares: How many square matrices of the smaller extent.
  /// - Returns: The bytes, the largest decomposition included.
  static func memory(
    _ parameters: ResolvedParameters, _ scope: WorkingScope, _ precision: Precision = .double,
    matrices: Int, factors: Int, squares: Int
  ) -> WorkingMemory {
    guard scope.shape.rank == 2, parameters[Self.matrices] else { return WorkingMemory() }
    let (rows, columns) = (scope.shape.extents[0], scope.shape.extents[1])
    let short = min(rows, columns)
    let decomposition = FactorizationMemory(rows: rows, columns: columns, precision: .double)
    let held = matrices * rows * columns + factors * short * (rows + columns)
    let bytes = (precision == .single ? 4 : 8) * (held + squares * short * short)
    return WorkingMemory(
      bytes: bytes + (completes(parameters) ? decomposition.svd : decomposition.svdByGram))
  }
}

extension MergeInputs {
  /// Merges a matrix by a method's rule, and any other tensor by averaging its task vectors.
  ///
  /// θ = θ₀ + α Δ, where Δ is what `rule` makes of a matrix, or mean(wᵢ τᵢ), or zero with `others: base`. Numbers that are not finite
  /// and that the options let through make the whole matrix NaN, since every element depends on all.
  ///
  /// - Parameter rule: Makes the merged task vector; nil is zero.
  /// - Throws: What `rule` throws, or `io`, or `checkpoint` for an element that is not finite.
  func mergeMatrices(
    _ rule: (TaskMatrices<Double>) throws(TinctureError) -> Matrix<Double>?
  ) throws(TinctureError) {
    guard try isMergedAsMatrix() else { return }
    let merged = try rule(TaskMatrices(self, self[Spectral.weight]))
    try produce(ontoBase: merged, times: self[Spectral.alpha])
  }

  /// Writes tensors that are not merged as matrices, or not at all for numbers that are not finite.
  ///
  /// - Returns: Whether the tensor is still to be merged.
  func isMergedAsMatrix() throws(TinctureError) -> Bool {
    let alpha = self[Spectral.alpha]
    guard isMatrix else {
      guard self[Spectral.others] == "mean" else {
        try produceBase()
        return false
      }
      let shares = self[Spectral.weight].map { alpha * $0 / Double(modelCount) }
      try produceCombination(shares, base: 1, .taskVectors)
      return false
    }
    guard try isFinite() else {
      try produce(ontoBase: Matrix<Double>.notANumber(step.shape), times: alpha)
      return false
    }
    return true
  }

  /// Whether the tensor is a matrix with elements that the recipe does not exclude.
  var isMatrix: Bool { step.shape.rank == 2 && elementCount > 0 && self[Spectral.matrices] }

  /// Whether all inputs are finite; looks only where the options let others through.
  func isFinite() throws(TinctureError) -> Bool {
    guard letsNonFiniteThrough else { return true }
    var sum = 0.0
    try scan(.values) { (block) throws(TinctureError) in
      if hasBase { Kernels.addMagnitudes(block.base, to: &sum) }
      for model in 0..<block.modelCount { Kernels.addMagnitudes(block[model: model], to: &sum) }
    }
    return sum.isFinite
  }

  /// Writes the base, or zeros where there is none.
  func produceBase() throws(TinctureError) {
    try produce(ontoBase: Matrix<Double>?.none, times: 1)
  }

  /// Writes the base, where there is one, plus a multiple of a matrix; the base alone for nil.
  func produce<Element: MatrixElement>(
    ontoBase matrix: Matrix<Element>?, times factor: Double
  ) throws(TinctureError) {
    try produce(.values, models: 0..<0) { (block, output) throws(TinctureError) in
      if hasBase { Kernels.copy(block.base, to: &output) }
      guard let matrix else { return }
      matrix.add(block.start..<block.start + block.count, times: factor, to: &output)
    }
  }
}

extension Matrix where Element == Double {
  /// A matrix without a number.
  static func notANumber(_ shape: Shape) -> Matrix {
    let (rows, columns) = (shape.extents[0], shape.extents[1])
    return Matrix(rows: rows, columns: columns, repeatElement(.nan, count: rows * columns))
  }
}
