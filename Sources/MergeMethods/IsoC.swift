internal import TinctureLinearAlgebra
public import TinctureMerging
public import TinctureTensors

/// Gives all directions of the summed task vectors the same weight.
///
/// For a matrix Σ wᵢ τᵢ = U diag(σ) Vᵀ with k = min(m, n) singular values, Δ = mean(σ) U Vᵀ; for other
/// tensors Δ = mean(wᵢ τᵢ); θ = θ₀ + α Δ. Matrices are on the scale of the sum and other tensors on that of
/// the mean, as published. The mean is over all k singular values, zeros included. A sum of lower
/// rank leaves directions open: they stay zero, or with `null_space: reference` get arbitrary vectors of full
/// weight. Shapes: matrices m × n, one decomposition each, O(m n k), whatever the number of models.
/// Source: Marczak et al., arXiv:2502.04959.
public struct IsoC: MergeMethod {
  /// The description of the method.
  public let info = MethodInfo(
    name: "iso_c", aliases: ["isotropic"], title: "Iso-C",
    summary: "Gives all singular directions of the summed task vectors the same weight.",
    formula: "Σ wᵢ τᵢ = U diag(σ) Vᵀ;  θ = θ₀ + α mean(σ) U Vᵀ;  not a matrix: θ₀ + α mean(wᵢ τᵢ)",
    source: "Marczak et al. 2025, No Task Left Behind", link: "https://arxiv.org/abs/2502.04959",
    base: .required, models: 1...Int.max, streaming: .tensor,
    parameters: [
      Spectral.weight, Spectral.alpha, Spectral.matrices, Spectral.nullSpace, Spectral.tolerance,
      Spectral.precision,
    ])

  /// Creates the method.
  public init() {}

  /// Needs BLAS and LAPACK.
  public func requireFacilities() throws(TinctureError) { _ = try Backend.shared }

  /// The sum, its factors and their product.
  public func workingMemory(_ parameters: ResolvedParameters, _ scope: WorkingScope)
    -> WorkingMemory
  {
    Spectral.memory(
      parameters, scope, Spectral.precision(parameters, scope.shape), matrices: 2, factors: 1,
      squares: 0)
  }

  /// Makes one tensor.
  public func merge(_ inputs: MergeInputs, state: Void) throws(TinctureError) {
    try inputs.mergeMatrices(by: self)
  }

  /// mean(σ) U Vᵀ.
  static func flattened<Element: MatrixElement>(
    _ svd: SVD<Element>, of tasks: TaskMatrices<Element>
  ) throws(TinctureError) -> Matrix<Element> {
    var result = try tasks.algebra.multiply(svd.u, svd.vt)
    let sum = svd.singularValues.reduce(0) { $0 + Double($1) }
    result.scale(by: Element(sum / Double(tasks.smallerExtent)))
    return result
  }
}

extension IsoC: MatrixRule {
  /// mean(σ) U Vᵀ of the sum.
  func merged<Element: MatrixElement>(
    _ tasks: TaskMatrices<Element>
  ) throws(TinctureError) -> Matrix<Element>? {
    let sum = try tasks.sum()
    guard sum.largestMagnitude > 0 else { return nil }
    guard !Spectral.completes(tasks.inputs.step.parameters) else {
      return try Self.flattened(tasks.decompose(sum), of: tasks)
    }
    return try tasks.algebra.isotropic(sum, keepingAbove: tasks.inputs[Spectral.tolerance])
  }
}
