internal import TinctureLinearAlgebra
internal import TinctureMerging
internal import TinctureTensors

/// What methods that solve a ``LayerRegression`` have in common: how weights lie, and their memory.
enum RegressionSettings {
  static let layout = Parameter<String>(
    "weight_layout", default: "auto", of: ["auto", "out_in", "in_out"],
    "How weights are stored; auto goes by the size of the Gram matrix, and takes square weights as"
      + " [out, in] unless the file of statistics says otherwise.")

  /// Bytes for a step of these sizes; 0 for one without a Gram matrix.
  ///
  /// - Parameters:
  ///   - scope: The sizes of the step.
  ///   - precision: The precision of products.
  ///   - distancesCancel: Whether the first model's Gram matrix is kept.
  ///   - usesEigenvectors: Whether the system may be solved by its eigenvectors.
  /// - Returns: The bytes, and a vector to read statistics with.
  static func memory(
    _ scope: WorkingScope, _ precision: Precision, distancesCancel: Bool, usesEigenvectors: Bool
  ) -> WorkingMemory {
    guard let shape = scope.statisticsShape, shape.rank == 2, scope.shape.rank >= 2 else {
      return WorkingMemory()
    }
    let (width, elements) = (shape.extents[0], scope.elementCount)
    let bytes = precision == .single ? 4 : 8
    // The sum of Gram matrices, a model's and the first; the origin, a model's distance, the right-hand side.
    let products =
      (8 + bytes * (distancesCancel ? 2 : 1)) * width * width + (8 + 2 * bytes) * elements
    // The sum, in single precision a copy; the origin, the right-hand side, the solution and what turns it.
    var solution =
      (precision == .single ? 12 : 8) * width * width + (8 + 3 * bytes) * elements
    if usesEigenvectors {
      solution += FactorizationMemory(rows: width, columns: width, precision: .double).eigh
    }
    return WorkingMemory(vectors: 1, bytes: max(products, solution))
  }
}
