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
    try readGramMatrix(of: model, into: &result)
    return result
  }

  /// Reads a model's Gram matrix and makes it exactly symmetric.
  ///
  /// - Parameters:
  ///   - model: The position of the model in the step.
  ///   - ratio: What elements beside the diagonal are multiplied by.
  ///   - result: Takes the matrix, whose extents it has.
  /// - Throws: `checkpoint` when it is none, or an element is not finite; `io`.
  func readGramMatrix<Element: MatrixElement>(
    of model: Int, ratio: Double = 1, into result: inout Matrix<Element>
  ) throws(TinctureError) {
    try scanStatistics(of: model) { (start, values) throws(TinctureError) in
      result.set(values, at: start)
    }
    let asymmetry = result.symmetrize(scalingOffDiagonal: Element(ratio))
    let least = (0..<result.rows).reduce(Element(0)) { min($0, result[$1, $1]) }
    guard least >= 0, asymmetry <= Element(1e-3) * result.largestMagnitude else {
      throw TinctureError(
        .checkpoint,
        "This is no Gram matrix: it is not symmetric, or its diagonal is negative.",
        at: step.statistics[model].reader.place)
    }
  }
}
