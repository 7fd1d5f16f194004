internal import TinctureLinearAlgebra
public import TinctureMerging
public import TinctureTensors

/// Adds to the base the task vector of each layer that shifts the features of all tasks least.
///
/// Per layer T* minimises Σₜ cₜ ‖Xₜ (T − τₜ)‖², the drift of the features of each task t with inputs Xₜ. Linear layers
/// and convolutions: T* = (Σ cₜ Gₜ)⁺ Σ cₜ Gₜ τₜ with Gₜ = Xₜᵀ Xₜ and the pseudo-inverse over eigenvalues above
/// `tolerance` of the largest; factors of normalisations: T* = Σ cₜ sₜ τₜ / Σ cₜ sₜ with sₜ the mean square of the
/// normalised input; all other tensors, biases among them: the mean of τₜ. θ = θ₀ + λ T*.
///
/// Statistics are means over the rows of inputs, so that each task counts the same however many rows it has;
/// `coefficients` weigh them. Weights [out, in] or [in, out], convolutions [out, in, …]. In double precision,
/// O(in³ + T · out · in²). Source: "LOT merging", arXiv:2505.23859, from its stated objective.
public struct Lot: MergeMethod {
  static let lambda = Parameter<Double>(
    "lambda", default: 1, "What the merged task vector is multiplied by.")
  static let tolerance = Parameter<Double>(
    "tolerance", default: 1e-6, in: .fraction,
    "Eigenvalues of the sum of Gram matrices up to this share of the largest count as zero.")

  /// The description of the method.
  public let info = MethodInfo(
    name: "lot", aliases: ["lot_merging"], title: "LOT merging",
    summary: "Adds the task vector of each layer that shifts the tasks' features least.",
    formula:
      "T* = (Σ cₜ Gₜ)⁺ Σ cₜ Gₜ τₜ;  factors: Σ cₜ sₜ τₜ / Σ cₜ sₜ;  others: mean;  θ = θ₀ + λ T*",
    source: "LOT merging 2025, layer-wise optimal task vectors",
    link: "https://arxiv.org/abs/2505.23859", base: .required, models: 1...Int.max,
    streaming: .tensor, statistics: .gram,
    parameters: [
      lambda, StatisticsCoefficients.coefficients, tolerance, RegressionSettings.layout,
    ],
    presets: [
      .init("paper", [("lambda", .number(1.2))], "The scale for CLIP ViT-B/32."),
      .init("paper_large", [("lambda", .number(1.5))], "The scale for CLIP ViT-L/14."),
    ])

  /// Creates the method.
  public init() {}

  /// Needs BLAS and LAPACK.
  public func requireFacilities() throws(TinctureError) { _ = try Backend.shared }

  /// Some coefficient must be above zero.
  public func objection(to parameters: ResolvedParameters, modelCount: Int) -> String? {
    StatisticsCoefficients.objection(to: parameters)
  }

  /// One task vector and the system, or sums over the models.
  public func workingMemory(_ parameters: ResolvedParameters, _ scope: WorkingScope)
    -> WorkingMemory
  {
    guard scope.statisticsShape != nil else { return WorkingMemory() }
    guard scope.shape.rank >= 2 else {
      return WorkingMemory(vectors: MergeInputs.statisticsAverageVectors)
    }
    return RegressionSettings.memory(
      scope, .double, distancesCancel: false, usesEigenvectors: true)
  }

  /// Makes one tensor.
  public func merge(_ inputs: MergeInputs, state: Void) throws(TinctureError) {
    let shares = inputs.coefficientShares
    if inputs.hasStatistics, inputs.step.shape.rank < 2 {
      return try inputs.produceStatisticsAverage(
        .taskVectors, scales: shares, floors: shares.map { _ in StatisticsFloor() },
        shares: shares, factor: inputs[Self.lambda])
    }
    guard inputs.hasGramMatrices(withConvolutions: true) else {
      let factor = inputs[Self.lambda]
      return try inputs.produceCombination(shares.map { factor * $0 }, base: 1, .taskVectors)
    }
    guard try inputs.isFinite() else {
      return try inputs.produceCombination(shares.map { _ in .nan }, base: 1, .taskVectors)
    }
    var regression = try LayerRegression<Double>(inputs)
    for model in shares.indices where shares[model] > 0 {
      try regression.add(model, from: nil, coefficient: shares[model], ratio: 1)
    }
    let merged = try regression.pseudoSolution(tolerance: inputs[Self.tolerance])
    try inputs.produce(ontoBase: merged, times: inputs[Self.lambda])
  }
}
