public import TinctureMerging
public import TinctureTensors

/// Averages checkpoints with weights from their losses or training steps; experimental.
///
/// `by: loss` gives wᵢ ∝ (1 / lossᵢ)ᵖ, or exp(−p lossᵢ) with `form: softmax`; `by: step` gives wᵢ ∝ stepᵢᵖ, or
/// exp(p stepᵢ). θ = Σ wᵢ θᵢ / Σ wᵢ. With p = 0 it is the plain mean, with a large p the best or the last checkpoint. The
/// paper names the two measures and one factor of penalty; its exact formula could not be had. For LoRA adapters that are given as
/// models by themselves both factors are averaged, each for itself; `base+adapter` averages their products.
/// Complexity: O(n) for each model, in one pass. Source: arXiv:2504.18580.
public struct Mwa: MergeMethod {
  static let metric = PerModelParameter<Double>(
    "metric", in: .above(0), "The loss of each checkpoint, or its training step.")
  static let measure = Parameter<String>(
    "by", default: "loss", of: ["loss", "step"], "Whether small or large metrics count more.")
  static let weighting = Parameter<String>(
    "form", default: "power", of: ["power", "softmax"],
    "Whether weights are powers of the metric or exponentials.")
  static let power = Parameter<Double>(
    "power", default: 1, in: .atLeast(0), "How much differences of the metric count.")

  /// The description of the method.
  public let info = MethodInfo(
    name: "mwa", aliases: ["metrics_weighted_averaging"], title: "Metrics-weighted averaging",
    summary: "Averages checkpoints weighed by loss or training step; the formula is our own.",
    formula: "wᵢ ∝ (1 / lossᵢ)ᵖ or stepᵢᵖ, or exp(∓p metricᵢ);  θ = Σ wᵢ θᵢ / Σ wᵢ",
    source: "Metrics-Weighted Averaging 2025", link: "https://arxiv.org/abs/2504.18580",
    base: .none, models: 1...Int.max, streaming: .element, isExperimental: true,
    parameters: [metric, measure, weighting, power])

  /// Creates the method.
  public init() {}

  /// Steps may be cut anywhere.
  public func isElementwise(_ parameters: ResolvedParameters) -> Bool { true }

  /// Merges one tensor.
  public func merge(_ inputs: MergeInputs, state: Void) throws(TinctureError) {
    let weights = Self.weights(inputs.step.parameters).map { Float($0) }
    try inputs.produceWeightedSum(.values, weights)
  }

  /// The weights of the models, which add up to one.
  static func weights(_ parameters: ResolvedParameters) -> [Double] {
    let sign: Double = parameters[measure] == "loss" ? -1 : 1
    let isPower = parameters[weighting] == "power"
    let exponents = parameters[metric].map { metric in
      sign * parameters[power] * (isPower ? Powers.logarithm(metric) : metric)
    }
    let largest = exponents.max() ?? 0
    let parts = exponents.map { Powers.exponential($0 - largest) }
    let sum = parts.reduce(0, +)
    return parts.map { $0 / sum }
  }
}
