internal import TinctureLinearAlgebra
public import TinctureMerging
public import TinctureTensors

/// Adds to the mean of the models what each has beside it, in low rank.
///
/// θ̄ = mean(θᵢ); for matrices with k = min(m, n), θ = θ̄ + λ Σᵢ SVDᵣ(θᵢ − θ̄), where SVDᵣ keeps the first
/// r = max(1, ⌊ρ k⌋) singular values. The centred models sum to zero, so that λ is larger than for task vectors
/// and other tensors are plainly averaged. The published recipe takes matrices of attention and MLPs
/// only; set `spectral: false` for embeddings. Defaults are those for eight tasks with CLIP ViT-B/32;
/// 14 and 20 tasks use ρ 0.32 with λ 2.8 and 2.4. No base. Cost: T decompositions, O(T m n k).
/// Source: Choi et al., arXiv:2412.12153.
public struct Cart: MergeMethod {
  static let rank = Parameter<Double>(
    "rank_fraction", default: 0.16, in: .fraction, "The share of singular values that stay.")
  static let scale = Parameter<Double>(
    "lambda", default: 2.3, "What the sum of the low-rank parts is multiplied by.")

  /// The description of the method.
  public let info = MethodInfo(
    name: "cart", title: "CART",
    summary: "Adds to the mean of the models low-rank parts of what each has beside it.",
    formula: "θ̄ = mean(θᵢ);  θ = θ̄ + λ Σ SVDᵣ(θᵢ − θ̄), r = ⌊ρ min(m, n)⌋;  not a matrix: θ̄",
    source: "Choi et al. 2024, Revisiting Weight Averaging",
    link: "https://arxiv.org/abs/2412.12153", base: .none, models: 1...Int.max,
    streaming: .tensor, parameters: [rank, scale, Spectral.matrices, Spectral.tolerance])

  /// Creates the method.
  public init() {}

  /// Needs BLAS and LAPACK.
  public func requireFacilities() throws(TinctureError) { _ = try Backend.shared }

  /// The mean, the result and one model, with its factors.
  public func workingMemory(_ parameters: ResolvedParameters, _ scope: WorkingScope)
    -> WorkingMemory
  {
    Spectral.memory(parameters, scope, matrices: 3, factors: 2, squares: 0)
  }

  /// Makes one tensor.
  public func merge(_ inputs: MergeInputs, state: Void) throws(TinctureError) {
    let share = 1 / Double(inputs.modelCount)
    let shares = [Double](repeating: share, count: inputs.modelCount)
    guard inputs.isMatrix else { return try inputs.produceCombination(shares) }
    guard try inputs.isFinite() else {
      return try inputs.produce(ontoBase: .notANumber(inputs.step.shape), times: 1)
    }
    let models = try TaskMatrices<Double>(inputs, shares.map { _ in 1 })
    var mean = try models.sum()
    mean.scale(by: share)
    var result = mean
    let rank = max(1, Int(inputs[Self.rank] * Double(models.smallerExtent)))
    for model in 0..<models.count {
      var rest = try models.read(model)
      rest.add(mean, times: -1)
      guard rest.largestMagnitude > 0 else { continue }
      var part = try models.decompose(rest, rank: rank)
      part.u.scaleColumns(by: part.singularValues)
      try models.algebra.multiply(part.u, part.vt, scale: inputs[Self.scale], into: &result)
    }
    try inputs.produce(ontoBase: result, times: 1)
  }
}
