internal import TinctureLinearAlgebra
public import TinctureMerging
public import TinctureTensors

/// Merges linear layers so that the outputs come nearest to those of each model on its own inputs.
///
/// With the Gram matrix Gᵢ = Xᵢᵀ Xᵢ / N of the inputs of a layer, G̃ᵢ = Gᵢ with the elements beside the diagonal
/// multiplied by ρ, and weights [out, in]: Wᵀ = (Σ cᵢ G̃ᵢ)⁻¹ Σ cᵢ G̃ᵢ Wᵢᵀ. It is solved for the distance from the
/// weighted mean W̄ of the models, which is the same where Σ G̃ is regular; directions that no input has are
/// averaged. A system that single precision cannot tell from a singular one gets `jitter` times its mean
/// diagonal, and the pseudo-inverse should that not help. Weights stored [in, out] are recognised by their Gram
/// matrix. Tensors without Gram matrices, biases and factors of normalisations among them, are averaged.
///
/// In single precision but for sums. Some outputs are computed in double precision; where they show that single
/// precision is not enough, the layer is merged again with all of it in double precision.
/// O(in³ + N · out · in²). Source: Jin et al., arXiv:2212.09849.
public struct RegMean: MergeMethod {
  static let ratio = Parameter<Double>(
    "reduce_non_diagonal_ratio", default: 0.95, in: .fraction,
    "What elements beside the diagonal of Gram matrices are multiplied by; 1 leaves them.")
  static let jitter = Parameter<Double>(
    "jitter", default: 1e-6, in: .fraction,
    "What is added to the diagonal of a singular system, as a share of its mean.")
  static let convolutions = Parameter<Bool>(
    "convolutions", default: false,
    "Whether convolutions with Gram matrices are merged by them, too, and not averaged.")

  /// The description of the method.
  public let info: MethodInfo

  private static let formula =
    "Wᵀ = (Σ cᵢ G̃ᵢ)⁻¹ Σ cᵢ G̃ᵢ Wᵢᵀ;  G̃ᵢ = ρ Gᵢ + (1 − ρ) diag Gᵢ;  without Gram matrix: mean"

  /// RegMean.
  public static let regMean = RegMean(
    MethodInfo(
      name: "regmean", aliases: ["reg_mean"], title: "RegMean",
      summary: "Merges linear layers so that outputs on each model's inputs change least.",
      formula: formula, source: "Jin et al. 2023, Dataless knowledge fusion",
      link: "https://arxiv.org/abs/2212.09849", base: .none, models: 1...Int.max,
      streaming: .tensor, statistics: .gram,
      parameters: [
        ratio, StatisticsCoefficients.coefficients, jitter, convolutions, RegressionSettings.layout,
      ],
      presets: presets))

  /// RegMean++: RegMean by what enters each layer behind the layers that are merged already.
  ///
  /// Source: arXiv:2508.03121.
  public static let plusPlus = RegMean(
    MethodInfo(
      name: "regmean_plus_plus", aliases: ["regmean++"], title: "RegMean++",
      summary: "Merges linear layers by the inputs that they have behind merged layers.",
      formula: formula + ";  Gᵢ collected layer by layer behind merged layers",
      source: "RegMean++ 2025", link: "https://arxiv.org/abs/2508.03121", base: .none,
      models: 1...Int.max, streaming: .tensor, statistics: .mergedGram,
      parameters: [
        ratio, StatisticsCoefficients.coefficients, jitter, convolutions, RegressionSettings.layout,
      ],
      presets: [
        .init(
          "fusion_bench", [("reduce_non_diagonal_ratio", .number(0.95))],
          "FusionBench's and the authors' setting; `stats merged-gram` has the same ratio.")
      ]))

  private init(_ info: MethodInfo) { self.info = info }

  private static let presets: [MethodInfo.Preset] = [
    .init(
      "fusion_bench", [("reduce_non_diagonal_ratio", .number(0.95))],
      "FusionBench's setting for CLIP."),
    .init(
      "fusion_bench_generic", [("reduce_non_diagonal_ratio", .number(0.1))],
      "FusionBench's setting for other models."),
    .init(
      "official", [("reduce_non_diagonal_ratio", .number(1))],
      "The authors' code without configuration: Gram matrices as they are."),
    .init(
      "official_language", [("reduce_non_diagonal_ratio", .number(0.1))],
      "The authors' configurations for RoBERTa, T5 and DeBERTa on emotions."),
    .init(
      "official_entities", [("reduce_non_diagonal_ratio", .number(0.9))],
      "The authors' configuration for DeBERTa on named entities."),
    .init(
      "mergelm", [("reduce_non_diagonal_ratio", .number(1))],
      "MergeLM: Gram matrices as they are."),
  ]

  /// Needs BLAS and LAPACK.
  public func requireFacilities() throws(TinctureError) { _ = try Backend.shared }

  /// Some coefficient must be above zero.
  public func objection(to parameters: ResolvedParameters, modelCount: Int) -> String? {
    StatisticsCoefficients.objection(to: parameters)
  }

  /// The mean and one model's distance from it, and the system.
  public func workingMemory(_ parameters: ResolvedParameters, _ scope: WorkingScope)
    -> WorkingMemory
  {
    guard scope.shape.rank == 2 || parameters[Self.convolutions] else { return WorkingMemory() }
    return RegressionSettings.memory(
      scope, scope.isFallback ? .double : .single, distancesCancel: true,
      usesEigenvectors: scope.isFallback)
  }

  /// Makes one tensor.
  public func merge(_ inputs: MergeInputs, state: Void) throws(TinctureError) {
    let shares = inputs.coefficientShares
    guard inputs.hasGramMatrices(withConvolutions: inputs[Self.convolutions]) else {
      return try inputs.produceCombination(shares)
    }
    var weight = try inputs.combination(shares)
    if !weight.frobeniusNorm.isFinite {
      // Every element depends on all, so that the whole tensor is no number.
      weight.scale(by: .nan)
    } else if inputs.isFallback {
      var regression = try LayerRegression<Double>(inputs, distancesCancel: true)
      try add(inputs, to: &regression, from: weight)
      try regression.addSolution(
        to: &weight, jitter: inputs[Self.jitter], tolerance: Self.tolerance)
    } else {
      var regression = try LayerRegression<Float>(inputs, sampling: 8, distancesCancel: true)
      try add(inputs, to: &regression, from: weight)
      guard try regression.addSolution(to: &weight, tolerance: Self.tolerance) else {
        throw inputs.fallBack()
      }
    }
    try inputs.produce(ontoBase: weight, times: 1)
  }

  /// The largest error of sampled outputs with which single precision is good enough, and the share of the largest
  /// eigenvalue from which on eigenvectors count.
  private static let tolerance = 1e-6

  private func add<Element: MatrixElement>(
    _ inputs: MergeInputs, to regression: inout LayerRegression<Element>,
    from mean: Matrix<Double>
  ) throws(TinctureError) {
    for (model, share) in inputs.coefficientShares.enumerated() where share > 0 {
      try inputs.checkInterruption()
      try regression.add(model, from: mean, coefficient: share, ratio: inputs[Self.ratio])
    }
  }
}

extension MergeInputs {
  /// A combination of the models as a matrix.
  fileprivate func combination(_ weights: [Double]) throws(TinctureError) -> Matrix<Double> {
    let rows = step.shape.extents[0]
    var result = Matrix<Double>(rows: rows, columns: elementCount / max(1, rows))
    try scan(.values) { (block) throws(TinctureError) in
      for model in weights.indices {
        result.add(block[model: model], times: weights[model], at: block.start)
      }
    }
    return result
  }
}
