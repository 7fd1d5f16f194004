public import TinctureMerging
public import TinctureTensors

/// Takes one redundant vector out of all task vectors, so that they interfere less, and adds what is left.
///
/// δ minimises mean over pairs |cos(τᵢ − δ, τⱼ − δ)| + α ‖δ‖ over whole models by gradient descent from zero;
/// θ = θ₀ + λ Σ wᵢ (τᵢ − δ). δ = Σ aₖ τₖ stays in the span of the task vectors, so that the search needs nothing but their
/// inner products over the whole model, and the result is task arithmetic with the weights wₖ − aₖ Σ wᵢ.
///
/// With the published settings (α = 0.1, 300 steps of 0.01) and task vectors longer than a few units δ stays next to
/// zero; short ones move more. Where some models lack a tensor, only the others' parts of δ are taken out there.
/// Shapes: any; cost: one pass over the models, O(T² d) for d elements, and O(T²) for each step, in double precision.
/// Source: Xiong et al., arXiv:2411.18729, by others' code that follows its equations, since the authors
/// published none.
public struct Awd: MergeMethod {
  /// The coefficients of the redundant vector, by the position of models in the recipe.
  public struct State: Sendable {
    let coefficients: [Int: Double]
  }

  static let weight = PerModelParameter<Double>(
    "weight", default: 1, "What each task vector is multiplied by once the redundant one is out.")
  static let scale = Parameter<Double>(
    "lambda", default: 0.3, "What the sum is multiplied by.")
  static let alpha = Parameter<Double>(
    "alpha", default: 0.1, in: .atLeast(0), "The weight of the redundant vector's norm.")
  static let rate = Parameter<Double>("lr", default: 0.01, in: .above(0), "The size of steps.")
  static let steps = Parameter<Int>(
    "iter_num", default: 300, in: .between(0, 10_000_000), "The number of steps.")
  static let tolerance = Parameter<Double>(
    "tolerance", default: 0, in: .atLeast(0),
    "End once the loss changes by less, after ten steps; others' code has 1e-7.")

  /// The description of the method.
  public let info = MethodInfo(
    name: "awd", aliases: ["adaptive_weight_disentanglement"], title: "AWD",
    summary: "Takes a redundant vector out of all task vectors, so that they interfere less.",
    formula: "δ = argmin mean |cos(τᵢ − δ, τⱼ − δ)| + α ‖δ‖;  θ = θ₀ + λ Σ wᵢ (τᵢ − δ)",
    source: "Xiong et al. 2024, Multi-Task Model Merging via Adaptive Weight Disentanglement",
    link: "https://arxiv.org/abs/2411.18729", base: .required, models: 1...Int.max,
    streaming: .model, parameters: [weight, scale, alpha, rate, steps, tolerance])

  /// Creates the method.
  public init() {}

  /// Finds the redundant vector.
  public func prepare(_ session: MergeSession) async throws(TinctureError) -> State {
    State(coefficients: try await Self.coefficients(session))
  }

  /// The coefficients of the redundant vector, by the position of models in the recipe.
  ///
  /// - Parameter session: The merge; its parameters are those of the method, or of the step of this name.
  /// - Returns: A number for each model.
  /// - Throws: `recipe` when the search changes by tensor, and what reading throws.
  static func coefficients(_ session: MergeSession) async throws(TinctureError) -> [Int: Double] {
    let searches = Set(session.steps.map { search($0.parameters) })
    guard let search = searches.first else { return [:] }
    guard searches.count == 1 else {
      throw TinctureError(
        .recipe, "awd needs one alpha, lr, iter_num and tolerance for the whole model.")
    }
    let models = Set(session.steps.flatMap(\.modelIndices)).sorted()
    let places = Dictionary(uniqueKeysWithValues: models.enumerated().map { ($1, $0) })
    let found = try await session.survey { (inputs) throws(TinctureError) in
      (inputs.step.modelIndices, try GramMatrix(of: inputs, .taskVectors))
    }
    let row = [Double](repeating: 0, count: models.count)
    var gram = [[Double]](repeating: row, count: models.count)
    for (indices, products) in found {
      let own = indices.compactMap { places[$0] }
      for (i, x) in own.enumerated() {
        for (j, y) in own.enumerated() { gram[x][y] += products[i, j] }
      }
    }
    return Dictionary(uniqueKeysWithValues: zip(models, search.coefficients(gram)))
  }

  private static func search(_ parameters: ResolvedParameters) -> Disentanglement {
    var search = Disentanglement()
    search.alpha = parameters[alpha]
    search.rate = parameters[rate]
    search.steps = parameters[steps]
    search.tolerance = parameters[tolerance]
    return search
  }

  /// Makes one tensor.
  public func merge(_ inputs: MergeInputs, state: State) throws(TinctureError) {
    let weights = inputs[Self.weight]
    let (scale, sum) = (inputs[Self.scale], weights.reduce(0, +))
    let shares = zip(weights, inputs.step.modelIndices).map { weight, model in
      scale * (weight - sum * (state.coefficients[model] ?? 0))
    }
    try inputs.produceCombination(shares, base: 1, .taskVectors)
  }
}
