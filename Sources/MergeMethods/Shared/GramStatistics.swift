internal import TinctureLinearAlgebra
internal import TinctureMerging
internal import TinctureTensors

extension MergeInputs {
  /// Whether the step has Gram matrices of a layer that is not empty.
  func hasGramMatrices(withConvolutions: Bool) -> Bool {
    guard hasStatistics, elementCount > 0 else { return false }
    return step.shape.rank == 2 || (step.shape.rank > 2 && withConvolutions)
  }

  /// A model's Gram matrix, made exactly symmetric.
  ///
  /// - Parameters:
  ///   - model: The position of the model in the step.
  ///   - extent: How many inputs the layer has.
  /// - Returns: The matrix.
  /// - Throws: `checkpoint` when it is none, or an element is not finite; `io`.
  func gramMatrix(of model: Int, extent: Int) throws(TinctureError) -> Matrix<Double> {
    var result = Matrix<Double>(rows: extent, columns: extent)
    try readGramMatrix(of: model, into: &result) { $0.symmetrize() }
    return result
  }

  /// Reads a model's Gram matrix.
  ///
  /// - Parameters:
  ///   - model: The position of the model in the step.
  ///   - result: Takes the matrix, whose extents it has.
  ///   - symmetrize: Makes it symmetric and tells how far it was from that.
  /// - Throws: `checkpoint` when it is none, or an element is not finite; `io`.
  func readGramMatrix<Element: MatrixElement>(
    of model: Int, into result: inout Matrix<Element>,
    _ symmetrize: (inout Matrix<Element>) -> Element
  ) throws(TinctureError) {
    try scanStatistics(of: model) { (start, values) throws(TinctureError) in
      result.set(values, at: start)
    }
    // No element of a Gram matrix is larger than the largest of its diagonal.
    let diagonal = (0..<result.rows).map { result[$0, $0] }
    let asymmetry = symmetrize(&result)
    guard let least = diagonal.min(), let largest = diagonal.max() else { return }
    guard least >= 0, asymmetry <= Element(1e-3) * largest else {
      throw TinctureError(
        .checkpoint,
        "This is no Gram matrix: it is not symmetric, or its diagonal is negative.",
        at: step.statistics[model].reader.place)
    }
  }
}
