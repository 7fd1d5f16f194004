internal import TinctureLinearAlgebra
public import TinctureMerging
public import TinctureTensors

/// Merges LoRA adapters: prunes both factors and makes up for it direction by direction.
///
/// The models are adapters of one rank r, with factors A [r, in] and B [out, r] for each layer (PEFT's names,
/// `lora_A` and `lora_B`). Each factor keeps the elements that are at least as large as the one at position
/// ⌊n (1 − density)⌋ of the ascending magnitudes. Row j of A lost sᵢⱼ = Σ |Aᵢⱼ| / Σ |Âᵢⱼ|; for each model, the scales below
/// the one at position ⌊quantile · r⌋ are raised to it. A = λ Σ Âᵢ, and column j of B is
/// λ Σ sᵢⱼ B̂ᵢⱼ / Σ sᵢⱼ: a sum and a mean, as published. A row of which nothing is left counts with scale 1. Other
/// tensors are averaged. The result is an adapter of the same rank and scale. Cost: O(n) for each factor,
/// those of A twice; memory of one factor. Source: Zeng et al., arXiv:2502.17159.
public struct RobustMerge: MergeMethod {
  /// The scales of each layer's directions: a row for each model, by the name of the layer.
  public struct State: Sendable {
    let scales: [String: [[Double]]]
  }

  static let density = Parameter<Double>(
    "density", default: 0.2, in: .fraction, "The fraction of each factor that stays.")
  static let quantile = Parameter<Double>(
    "quantile", default: 0.8, in: .fraction,
    "Where among a model's scales the least one lies to which others are raised.")
  static let scale = Parameter<Double>(
    "lambda", default: 2, "What both factors are multiplied by.")

  /// The description of the method.
  public let info = MethodInfo(
    name: "robust_merge", title: "RobustMerge",
    summary: "Merges LoRA adapters: prunes both factors and rescales their directions.",
    formula:
      "sᵢⱼ = ‖Aᵢⱼ‖₁ / ‖Âᵢⱼ‖₁, raised to its quantile;  A = λ Σ Âᵢ;  Bⱼ = λ Σ sᵢⱼ B̂ᵢⱼ / Σ sᵢⱼ;  other tensors: mean",
    source: "Zeng et al. 2025, RobustMerge", link: "https://arxiv.org/abs/2502.17159",
    base: .none, models: 1...Int.max, streaming: .model, takesAdapters: true,
    parameters: [density, quantile, scale])

  /// Creates the method.
  public init() {}

  /// One factor, its result, and the count of its magnitudes.
  public func workingMemory(_ parameters: ResolvedParameters, _ scope: WorkingScope)
    -> WorkingMemory
  {
    WorkingMemory(
      bytes: scope.shape.rank == 2
        ? 16 * scope.elementCount + OrderStatistic.memory(ranks: 1) : 0)
  }

  /// Finds how much the rows of every A lose.
  public func prepare(_ session: MergeSession) async throws(TinctureError) -> State {
    let found = try await session.survey { (inputs) throws(TinctureError) in
      guard let (layer, factor) = Self.layer(inputs), factor == .a, try inputs.isFinite() else {
        return ("", [[Double]]())
      }
      return (layer, try Self.scales(inputs))
    }
    return State(scales: Dictionary(found.filter { !$0.0.isEmpty }) { first, _ in first })
  }

  /// Makes one tensor.
  public func merge(_ inputs: MergeInputs, state: State) throws(TinctureError) {
    guard let (layer, factor) = Self.layer(inputs) else {
      let share = 1 / Double(inputs.modelCount)
      return try inputs.produceCombination(
        [Double](repeating: share, count: inputs.modelCount))
    }
    guard try inputs.isFinite() else {
      return try inputs.produce(ontoBase: .notANumber(inputs.step.shape), times: 1)
    }
    let (rows, columns) = (inputs.step.shape.extents[0], inputs.step.shape.extents[1])
    var shares: [[Double]]?
    if factor == .b {
      guard let scales = state.scales[layer], scales.allSatisfy({ $0.count == columns }) else {
        throw TinctureError(
          .checkpoint, "The factor has no lora_A of the same rank.",
          at: .init(tensor: inputs.step.name))
      }
      let sums = (0..<columns).map { column in scales.reduce(0) { $0 + $1[column] } }
      shares = scales.map { zip($0, sums).map { $0 / $1 } }
    }
    var result = Matrix<Double>(rows: rows, columns: columns)
    for model in 0..<inputs.modelCount {
      let (values, cut) = try Self.pruned(inputs, model)
      let share = shares?[model]
      result.change { merged in
        for i in 0..<values.count where values[i].magnitude >= cut {
          merged[i] += Double(values[i]) * (share?[i % columns] ?? 1)
        }
      }
    }
    try inputs.produce(ontoBase: result, times: inputs[Self.scale])
  }

  private enum Factor { case a, b }

  /// The layer and the factor that a tensor is by its name; nil for other tensors.
  private static func layer(_ inputs: MergeInputs) -> (name: String, factor: Factor)? {
    guard inputs.step.shape.rank == 2, inputs.elementCount > 0 else { return nil }
    let name = inputs.step.name
    for (mark, factor) in [("lora_A", Factor.a), ("lora_B", .b)] where name.contains(mark) {
      return (name.replacing(mark, with: "lora"), factor)
    }
    return nil
  }

  /// The elements of a model's factor, and the magnitude from which they stay.
  private static func pruned(
    _ inputs: MergeInputs, _ model: Int
  ) throws(TinctureError) -> (values: [Float], cut: Float) {
    var values: [Float] = []
    values.reserveCapacity(inputs.elementCount)
    try inputs.scan(.values, models: model..<model + 1) { (block) throws(TinctureError) in
      block[model: 0].withUnsafeBufferPointer { values.append(contentsOf: $0) }
    }
    let position = Int(Double(values.count) * (1 - inputs[density]))
    let rank = min(position, values.count - 1)
    var statistic = OrderStatistic(.magnitude)
    statistic.count(values.span)
    statistic.select([rank])
    statistic.refine(values.span)
    return (values, statistic.finding(rank: rank)?.value ?? 0)
  }

  /// How much each row of A is to be strengthened, for each model.
  private static func scales(_ inputs: MergeInputs) throws(TinctureError) -> [[Double]] {
    let length = inputs.step.shape.rowLength
    var all: [[Double]] = []
    for model in 0..<inputs.modelCount {
      let (values, cut) = try pruned(inputs, model)
      var own: [Double] = []
      for start in stride(from: 0, to: values.count, by: length) {
        var (whole, kept) = (0.0, 0.0)
        for value in values[start..<start + length] {
          whole += Double(value.magnitude)
          if value.magnitude >= cut { kept += Double(value.magnitude) }
        }
        own.append(kept > 0 ? whole / kept : 1)
      }
      let sorted = own.sorted()
      let low = sorted[min(Int(inputs[quantile] * Double(own.count)), own.count - 1)]
      all.append(own.map { max($0, low) })
    }
    return all
  }
}
