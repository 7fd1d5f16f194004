internal import TinctureLinearAlgebra
internal import TinctureMerging
internal import TinctureTensors

/// A rule that merges task vectors of matrices in either precision.
protocol MatrixRule {
  /// The merged task vector; nil is zero.
  func merged<Element: MatrixElement>(
    _ tasks: TaskMatrices<Element>
  ) throws(TinctureError) -> Matrix<Element>?
}

extension MergeInputs {
  /// Merges a matrix by a method's rule in the precision that the parameters say, and any other tensor as
  /// ``mergeMatrices(_:)`` does.
  func mergeMatrices(by rule: some MatrixRule) throws(TinctureError) {
    guard try isMergedAsMatrix() else { return }
    let (weights, alpha) = (self[Spectral.weight], self[Spectral.alpha])
    switch Spectral.precision(step.parameters, step.shape) {
    case .single:
      let merged = try rule.merged(TaskMatrices<Float>(self, weights))
      try produce(ontoBase: merged, times: alpha)
    case .double:
      let merged = try rule.merged(TaskMatrices<Double>(self, weights))
      try produce(ontoBase: merged, times: alpha)
    }
  }
}
