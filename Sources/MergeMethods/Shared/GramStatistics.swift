internal import TinctureLinearAlgebra
internal import TinctureMerging
internal import TinctureTensors

extension MergeInputs {
  /// Whether the step has Gram matrices of a layer that is not empty.
  func hasGramMatrices(withConvolutions: Bool) -> Bool {
    guard hasStatistics, elementCount > 0 else { return false }
    return step.shape.rank == 2 || (step.shape.rank > 2 && withConvolutions)
  }

  /// A model's Gram matrix, made exactly symmetric, shrunk and scaled.
  ///
  /// - Parameters:
  ///   - model: The position of the model in the step.
  ///   - extent: How many inputs the layer has.
  ///   - coefficient: What all elements are multiplied by.
  ///   - ratio: What elements beside the diagonal are multiplied by.
  /// - Returns: The matrix.
  /// - Throws: `checkpoint` when it is none, or an element is not finite; `io`.
  func gramMatrix(
    of model: Int, extent: Int, coefficient: Double = 1, ratio: Double = 1
  ) throws(TinctureError) -> Matrix<Double> {
    var result = Matrix<Double>(rows: extent, columns: extent)
    try scanStatistics(of: model) { (start, values) throws(TinctureError) in
      TaskMatrices.add(values, times: coefficient, at: start, to: &result)
    }
    var asymmetry = 0.0
    var least = 0.0
    result.change { elements in
      for row in 0..<extent {
        least = min(least, elements[row * extent + row])
        for column in 0..<row {
          let (upper, lower) = (column * extent + row, row * extent + column)
          asymmetry = max(asymmetry, (elements[upper] - elements[lower]).magnitude)
          let mean = ratio * (elements[upper] + elements[lower]) / 2
          elements[upper] = mean
          elements[lower] = mean
        }
      }
    }
    guard least >= 0, asymmetry <= 1e-3 * result.largestMagnitude else {
      throw TinctureError(
        .checkpoint, "This is no Gram matrix: it is not symmetric, or its diagonal is negative.",
        at: step.statistics[model].reader.place)
    }
    return result
  }
}
