internal import TinctureLinearAlgebra
public import TinctureMerging
public import TinctureTensors

/// TSV-M with tasks weighed by their outliers and ranks by how sparse their changes are; experimental.
///
/// The abstract of the paper names two additions to TSV-M, weights of task vectors by outliers and ranks of
/// layers by sparsity, and its formulas could not be had: those here are this library's own. For each matrix:
///
/// - ωᵢ is the share of ‖τᵢ‖² in elements beyond `outlier_threshold` times the root mean square of τᵢ; the task vector
///   counts T ωᵢᵖ / Σ ωⱼᵖ times, p = `outlier_strength`. Where no task has such elements all count once.
/// - dᵢ = (π / 2) ‖τᵢ‖₁² / (n ‖τᵢ‖²), 1 for normally distributed elements and less for sparse ones; the task keeps
///   ⌊min(1, dᵢ)^q k / T⌋ singular values, at least one, k = min(m, n) and q = `sparsity_strength`.
///
/// Then as TSV-M, which p = q = 0 gives. For other tensors Δ = mean(wᵢ τᵢ). Cost: as TSV-M and two passes.
/// Source: Yang et al., arXiv:2502.06876, its abstract.
public struct Resm: MergeMethod {
  static let threshold = Parameter<Double>(
    "outlier_threshold", default: 3, in: .atLeast(0),
    "From how many root mean squares on an element is an outlier.")
  static let outliers = Parameter<Double>(
    "outlier_strength", default: 1, in: .atLeast(0),
    "The power of the outliers' share in a task's weight; 0 for equal weights.")
  static let sparsity = Parameter<Double>(
    "sparsity_strength", default: 1, in: .atLeast(0),
    "The power of the density of a task's changes in its rank; 0 for equal ranks.")

  /// The description of the method.
  public let info = MethodInfo(
    name: "resm", aliases: ["r_tsvm"], title: "RESM",
    summary:
      "TSV-M with tasks weighed by outliers and ranks chosen by sparsity; formulas are our own.",
    formula:
      "as tsv_m with wᵢ ∝ ωᵢᵖ, ωᵢ = ‖outliers of τᵢ‖² / ‖τᵢ‖²;"
      + "  rᵢ = ⌊min(1, π ‖τᵢ‖₁² / (2 n ‖τᵢ‖²))^q min(m, n) / T⌋",
    source: "Yang et al. 2025, Mix Data or Merge Models? (abstract)",
    link: "https://arxiv.org/abs/2502.06876",
    base: .required, models: 1...Int.max, streaming: .tensor, isExperimental: true,
    parameters: [
      Spectral.weight, Spectral.alpha, threshold, outliers, sparsity, Spectral.matrices,
      Spectral.nullSpace, Spectral.tolerance,
    ])

  /// Creates the method.
  public init() {}

  /// Needs BLAS and LAPACK.
  public func requireFacilities() throws(TinctureError) { _ = try Backend.shared }

  /// As TSV-M.
  public func workingMemory(_ parameters: ResolvedParameters, _ scope: WorkingScope)
    -> WorkingMemory
  {
    Spectral.memory(parameters, scope, matrices: 1, factors: 4, squares: 4)
  }

  /// Makes one tensor.
  public func merge(_ inputs: MergeInputs, state: Void) throws(TinctureError) {
    try inputs.mergeMatrices { (tasks: TaskMatrices<Double>) throws(TinctureError) in
      guard tasks.count > 1 else { return try tasks.read(0) }
      let traits = try Self.traits(inputs)
      let total = traits.reduce(0) { $0 + $1.weight }
      var parts: [SVD<Double>] = []
      for (model, trait) in traits.enumerated() {
        let rank = Int(trait.share * Double(tasks.smallerExtent) / Double(tasks.count))
        var task = try tasks.read(model)
        guard task.largestMagnitude > 0, trait.weight > 0 || total == 0 else { continue }
        if total > 0 { task.scale(by: Double(tasks.count) * trait.weight / total) }
        parts.append(try tasks.decompose(task, rank: max(1, rank)))
      }
      guard !parts.isEmpty else { return nil }
      return try JoinedDirections(parts).orthogonalized(tasks)
    }
  }

  /// What weights and ranks depend on: ωᵖ and min(1, d)^q of each task vector.
  static func traits(
    _ inputs: MergeInputs
  ) throws(TinctureError) -> [(weight: Double, share: Double)] {
    let count = inputs.modelCount
    var squares = [Double](repeating: 0, count: count)
    var magnitudes = squares
    try inputs.scan(.taskVectors) { (block) throws(TinctureError) in
      for model in 0..<count {
        Kernels.addDot(block[model: model], block[model: model], to: &squares[model])
        Kernels.addMagnitudes(block[model: model], to: &magnitudes[model])
      }
    }
    let elements = Double(inputs.elementCount)
    let limits = squares.map { inputs[threshold] * ($0 / elements).squareRoot() }
    var beyond = [Double](repeating: 0, count: count)
    try inputs.scan(.taskVectors) { (block) throws(TinctureError) in
      for model in 0..<count {
        let x = block[model: model]
        for i in 0..<x.count where Double(x[i].magnitude) > limits[model] {
          beyond[model] += Double(x[i]) * Double(x[i])
        }
      }
    }
    return (0..<count).map { model in
      guard squares[model] > 0 else { return (0, 0) }
      let density = magnitudes[model] * magnitudes[model] / (elements * squares[model])
      return (
        Powers.power(beyond[model] / squares[model], inputs[outliers]),
        Powers.power(min(1, density * .pi / 2), inputs[sparsity])
      )
    }
  }
}
