#if canImport(Glibc)
  internal import Glibc
#else
  internal import Darwin
#endif
public import TinctureMerging
public import TinctureTensors

/// Interpolates between the base and the mean of the models, by how well the task vectors agree.
///
/// With c the mean cosine between pairs of task vectors and N models,
/// t = N c / (1 + (N − 1) c) and θ = t mean(θᵢ) + (1 − t) θ₀. Source: Jang et al., "Model Stock",
/// arXiv:2403.19522.
public struct ModelStock: MergeMethod {
  static let filterWise = Parameter<Bool>(
    "filter_wise", default: false, "Work on each slice along the last axis instead of the tensor.")
  static let angle = Parameter<String>(
    "angle", default: "mean_cosine", of: ["mean_cosine", "mean_angle"],
    "Average the cosines of the pairs, or their angles.")
  static let epsilon = Parameter<Double>(
    "epsilon", default: 1e-6, in: .above(0), "The least product of two norms to divide by.")
  static let clamp = Parameter<Bool>("clamp", default: false, "Keep t between 0 and 1.")

  /// The description of the method.
  public let info = MethodInfo(
    name: "model_stock", title: "Model Stock",
    summary:
      "Moves from the base towards the mean of the models as far as their task vectors agree.",
    formula: "c = mean cos(τᵢ, τⱼ);  t = N c / (1 + (N − 1) c);  θ = t mean(θᵢ) + (1 − t) θ₀",
    source: "Jang et al. 2024, Model Stock", link: "https://arxiv.org/abs/2403.19522",
    base: .required, models: 2...Int.max, streaming: .tensor,
    parameters: [filterWise, angle, epsilon, clamp],
    presets: [
      .init(
        "fusion_bench", [("angle", .text("mean_angle")), ("epsilon", .number(1e-8))],
        "FusionBench, which averages angles.")
    ])

  /// Creates the method.
  public init() {}

  /// Slices need whole rows.
  public func workingMemory(_ parameters: ResolvedParameters, _ scope: WorkingScope)
    -> WorkingMemory
  {
    WorkingMemory(wholeRows: parameters[Self.filterWise])
  }

  /// Makes one tensor.
  public func merge(_ inputs: MergeInputs, state: Void) throws(TinctureError) {
    guard inputs[Self.filterWise], inputs.step.shape.rank > 1 else {
      let t = ratio(try GramMatrix(of: inputs, .taskVectors), inputs)
      let share = t / Double(inputs.modelCount)
      return try inputs.produceCombination(
        [Double](repeating: share, count: inputs.modelCount), base: 1, .taskVectors)
    }
    let length = max(1, inputs.step.shape.rowLength)
    try inputs.produce(.taskVectors) { (block, output) throws(TinctureError) in
      Kernels.copy(block.base, to: &output)
      for start in stride(from: 0, to: block.count, by: length) {
        let range = start..<min(start + length, block.count)
        var gram = GramMatrix(count: block.modelCount)
        for i in 0..<gram.count {
          for j in i..<gram.count {
            Kernels.addDot(
              block[model: i].extracting(range), block[model: j].extracting(range), to: &gram[i, j])
          }
        }
        let share = Float(ratio(gram, inputs) / Double(block.modelCount))
        var target = output._mutatingExtracting(range)
        for i in 0..<gram.count {
          Kernels.add(block[model: i].extracting(range), times: share, to: &target)
        }
      }
    }
  }

  private func ratio(_ gram: GramMatrix, _ inputs: MergeInputs) -> Double {
    let count = Double(gram.count)
    var sum = 0.0
    for i in 0..<gram.count {
      for j in (i + 1)..<max(i + 1, gram.count) {
        let product = max(gram.norm(i) * gram.norm(j), inputs[Self.epsilon])
        let cosine = max(-1, min(1, gram[i, j] / product))
        sum += inputs[Self.angle] == "mean_angle" ? acos(cosine) : cosine
      }
    }
    var cosine = sum / (count * (count - 1) / 2)
    if inputs[Self.angle] == "mean_angle" { cosine = cos(cosine) }
    let denominator = 1 + (count - 1) * cosine
    // At the singular point there is no finite estimate: the base is kept.
    let t = denominator.magnitude < 1e-6 ? 0 : count * cosine / denominator
    return inputs[Self.clamp] ? max(0, min(1, t)) : t
  }
}
