internal import TinctureLinearAlgebra
public import TinctureMerging
public import TinctureTensors

/// Adds one common change to all task vectors, which spares what the tasks share, before it sums them up.
///
/// For a matrix m × n with s = min(m, n), λᵢ = λ / ‖τᵢ‖, S = Σ λᵢ τᵢ and Λ = Σ λᵢ: the change δ minimises
/// Σⱼ Σᵣ eⱼ[r]², eⱼ[r] = Σ_c (τⱼ² − τⱼ S − Λ τⱼ δ)[r, c] with products element by element, by steps of Adam from zero along the
/// gradient without its part in the shared subspace: G − U Uᵀ G, where U holds the first ⌊s / subspace⌋ left
/// singular vectors of all tasks' first ⌊s / T⌋ left singular vectors side by side. Then
/// θ = θ₀ + Σ λᵢ mᵢ (τᵢ + δ), where the mask mᵢ keeps the share `density` of largest magnitudes of the whole task vector τᵢ,
/// counted over all these matrices before δ is added, as in the published code (the documentation there
/// says otherwise). There is no other coefficient. Task vectors of zero have λᵢ = 0. Directions that the shared
/// subspace could have as well as others, because their singular values are equal, are chosen by rounding.
///
/// Other tensors stay with the base, as published, or get the mean of the task vectors with `others: mean`; the published
/// code leaves embeddings, too (`spectral: false` for them). Cost: T decompositions O(m n s), and for each step
/// O(T m n + m n s / subspace). Memory: all task vectors in single precision, and two passes over the models.
/// Source: Wei et al., arXiv:2501.01230; FusionBench.
public struct Doge: MergeMethod {
  /// The threshold of each model's elements, by its position in the recipe; others keep everything.
  public struct State: Sendable {
    let cuts: [Int: Float]
  }

  static let scale = Parameter<Double>(
    "lambda", default: 0.07, "What each task vector is multiplied by, over its norm.")
  static let subspace = Parameter<Int>(
    "subspace", default: 6, in: .between(1, 1_000_000),
    "The shared subspace has the smaller extent over this as its dimension.")
  static let density = Parameter<Double>(
    "density", default: 0.3, in: .fraction, "The fraction of each whole task vector that stays.")
  static let steps = Parameter<Int>(
    "steps", default: 400, in: .between(0, 1_000_000), "The number of steps.")
  static let rate = Parameter<Double>("lr", default: 1e-4, in: .above(0), "The size of steps.")
  static let others = Parameter<String>(
    "others", default: "base", of: ["base", "mean"],
    "What tensors get that are not merged as matrices: nothing, or the mean of the task vectors.")

  /// The description of the method.
  public let info = MethodInfo(
    name: "doge", aliases: ["doge_ta"], title: "DOGE",
    summary:
      "Adds a common change to all task vectors that spares what they share; sums the largest.",
    formula:
      "λᵢ = λ / ‖τᵢ‖;  δ ← δ − Adam((I − U Uᵀ) ∇L);  θ = θ₀ + Σ λᵢ top(τᵢ, density) ⊙ (τᵢ + δ);"
      + "  not a matrix: θ₀",
    source:
      "Wei et al. 2025, Modeling Multi-Task Model Merging as Adaptive Projective Gradient Descent",
    link: "https://arxiv.org/abs/2501.01230", base: .required, models: 1...Int.max,
    streaming: .model,
    parameters: [
      scale, subspace, density, steps, rate, Spectral.matrices, others, Spectral.tolerance,
    ])

  /// Creates the method.
  public init() {}

  /// Needs BLAS and LAPACK.
  public func requireFacilities() throws(TinctureError) { _ = try Backend.shared }

  /// One task vector and its factors, the leading vectors of all tasks joined; then all task vectors.
  public func workingMemory(_ parameters: ResolvedParameters, _ scope: WorkingScope)
    -> WorkingMemory
  {
    var memory = Spectral.memory(parameters, scope, matrices: 3, factors: 4, squares: 1)
    guard memory.bytes > 0 else { return memory }
    memory.bytes += 4 * (scope.modelCount + 6) * scope.elementCount
    memory.bytes += scope.modelCount * OrderStatistic.memory(ranks: 1)
    return memory
  }

  /// Finds the thresholds over all matrices.
  public func prepare(_ session: MergeSession) async throws(TinctureError) -> State {
    let matrices = session.steps.filter { $0.shape.rank == 2 && $0.parameters[Spectral.matrices] }
    let densities = Set(matrices.map { $0.parameters[Self.density] })
    guard let density = densities.first, densities != [1] else { return State(cuts: [:]) }
    guard densities.count == 1 else {
      throw TinctureError(.recipe, "doge needs one density for the whole model.")
    }
    let models = Set(matrices.flatMap(\.modelIndices))
    return State(
      cuts: try await GlobalTrim.thresholds(
        session, densities: Dictionary(uniqueKeysWithValues: models.map { ($0, density) }),
        exact: false
      ) { $0.isMatrix })
  }

  /// Makes one tensor.
  public func merge(_ inputs: MergeInputs, state: State) throws(TinctureError) {
    guard inputs.isMatrix else {
      guard inputs[Self.others] == "mean" else {
        return try inputs.produceBase()
      }
      let shares = inputs.step.models.map { _ in 1 / Double(inputs.modelCount) }
      return try inputs.produceCombination(shares, base: 1, .taskVectors)
    }
    guard try inputs.isFinite() else {
      return try inputs.produce(ontoBase: .notANumber(inputs.step.shape), times: 1)
    }
    let tasks = try TaskMatrices<Double>(inputs, [Double](repeating: 1, count: inputs.modelCount))
    let descent = try ProjectedDescent(tasks)
    let change = try descent.change()
    let density = inputs[Self.density]
    let cuts = inputs.step.modelIndices.map { model in
      density > 0 ? state.cuts[model] ?? 0 : .infinity
    }
    try inputs.produce(.taskVectors) { (block, output) throws(TinctureError) in
      Kernels.copy(block.base, to: &output)
      let shift = change.elements.extracting(block.start..<block.start + block.count)
      for i in 0..<block.count {
        var sum = 0.0
        for (model, cut) in cuts.enumerated() {
          let value = block[model: model][i]
          guard value.magnitude >= cut else { continue }
          sum += descent.scales[model] * Double(value + shift[i])
        }
        output[i] = Float(Double(output[i]) + sum)
      }
    }
  }
}
