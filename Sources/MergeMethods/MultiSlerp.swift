public import TinctureMerging
public import TinctureTensors

/// Interpolates any number of models, or task vectors, on the sphere: the weighted mean of their
/// directions, stretched to the weighted mean of their norms.
///
/// The published procedure projects to the tangent space at the mean direction m and back; since m is
/// parallel to the weighted sum of the directions, the tangent part is zero up to rounding, and the
/// result is m Σᵢ wᵢ ‖xᵢ‖. Source: Goddard, mergekit.
public struct MultiSlerp: MergeMethod {
  static let weight = PerModelParameter<Double>("weight", "How much each model counts.")
  static let normalize = Parameter<Bool>(
    "normalize_weights", default: true, "Divide the weights by their sum.")
  static let epsilon = Parameter<Double>(
    "eps", default: 1e-8, in: .atLeast(0), "Added to norms before dividing by them.")

  /// The description of the method.
  public let info = MethodInfo(
    name: "multislerp", title: "Multi-SLERP",
    summary:
      "Takes the weighted mean direction of the models and the weighted mean of their norms.",
    formula: "q = Σ wᵢ xᵢ / (‖xᵢ‖ + ε);  θ = θ₀ + q / ‖q‖ · Σ wᵢ ‖xᵢ‖",
    source: "Goddard, mergekit", link: "https://goddard.blog/posts/multislerp-wow-what-a-cool-idea",
    base: .optional, models: 1...Int.max, streaming: .tensor,
    parameters: [weight, normalize, epsilon])

  /// Creates the method.
  public init() {}

  /// Weights that cancel cannot be normalised.
  public func objection(to parameters: ResolvedParameters, modelCount: Int) -> String? {
    guard modelCount > 1, parameters[Self.normalize],
      parameters[Self.weight].reduce(0, +) == 0
    else { return nil }
    return "the weights add up to zero and cannot be normalised; set normalize_weights: false"
  }

  /// Makes one tensor.
  public func merge(_ inputs: MergeInputs, state: Void) throws(TinctureError) {
    guard inputs.modelCount > 1 else { return try inputs.passThrough(model: 0) }
    let form: InputForm = inputs.hasBase ? .taskVectors : .values
    let base: Double = inputs.hasBase ? 1 : 0
    var weights = inputs[Self.weight]
    if inputs[Self.normalize] {
      let sum = weights.reduce(0, +)
      weights = weights.map { $0 / sum }
    }
    let gram = try GramMatrix(of: inputs, form)
    let epsilon = inputs[Self.epsilon]
    let norms = (0..<gram.count).map { gram.norm($0) }
    let direction = zip(weights, norms).map { weight, norm in
      norm + epsilon > 0 ? weight / (norm + epsilon) : 0
    }
    let length = gram.norm(of: direction)
    // Written so that a length that is not a number, let through on request, goes on.
    guard !(length < epsilon), length != 0 else {
      guard inputs.modelCount == 2 || norms.allSatisfy({ $0 == 0 }) else {
        throw TinctureError(
          .checkpoint,
          "The weighted directions of the models cancel, so there is no mean direction; choose other weights.",
          at: .init(tensor: inputs.step.name))
      }
      return try inputs.produceCombination(weights, base: base, form)
    }
    let scale = zip(weights, norms).reduce(0) { $0 + $1.0 * $1.1 } / length
    try inputs.produceCombination(direction.map { $0 * scale }, base: base, form)
  }
}
