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
/// In double precision, O(in³ + N · out · in²). Source: Jin et al., arXiv:2212.09849.
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
        ratio, StatisticsCoefficients.coefficients, jitter, convolutions, LayerRegression.layout,
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
        ratio, StatisticsCoefficients.coefficients, jitter, convolutions, LayerRegression.layout,
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
    return LayerRegression.memory(scope, matrices: 2)
  }

  /// Makes one tensor.
  public func merge(_ inputs: MergeInputs, state: Void) throws(TinctureError) {
    let shares = inputs.coefficientShares
    guard inputs.hasGramMatrices(withConvolutions: inputs[Self.convolutions]) else {
      return try inputs.produceCombination(shares)
    }
    guard try inputs.isFinite() else {
      // Every element depends on all, so that the whole tensor is no number.
      return try inputs.produceCombination(shares.map { _ in .nan })
    }
    var regression = try LayerRegression(inputs)
    var merged = try regression.combination(shares, .values, models: 0..<shares.count)
    for model in shares.indices where shares[model] > 0 {
      var distance = try regression.combination(
        shares.map { _ in 1 }, .values, models: model..<model + 1)
      distance.add(merged, times: -1)
      try regression.add(
        model, distance, coefficient: shares[model], ratio: inputs[Self.ratio])
    }
    merged.add(try regression.solution(jitter: inputs[Self.jitter]))
    try inputs.produce(ontoBase: merged, times: 1)
  }
}
