public import TinctureMerging
public import TinctureTensors

/// Averages models element by element, each with its Fisher information as the weight.
///
/// θ = Σ cᵢ qᵢ F̂ᵢ θᵢ / Σ cᵢ qᵢ F̂ᵢ, where F̂ is F with a floor under it and qᵢ = 1 / (‖Fᵢ‖ + ε), or 1 without
/// normalisation. The floor ε_F is added to F or, as in the authors' code, replaces what is smaller; there it
/// may be given to the first model alone, so that others count only where they are informed. A floor far above
/// the typical F makes the result a plain average; `floor_scale: relative` measures it by the mean of each
/// model's F. Where all weights are zero, and for tensors without statistics, models are averaged (or the first
/// is taken, when it is favoured). Norms and means are over all tensors with statistics. Shapes: F as θ.
/// Source: Matena and Raffel, arXiv:2111.09832.
public struct Fisher: MergeMethod {
  /// The sizes of the models' Fisher information over all tensors, by the model's position.
  public struct State: Sendable {
    var sizes: [Int: Size] = [:]

    /// The size of one model's Fisher information.
    struct Size: Sendable {
      var squares = 0.0
      var sum = 0.0
      var count = 0

      mutating func add(_ other: Size) {
        squares += other.squares
        sum += other.sum
        count += other.count
      }

      var norm: Double { squares.squareRoot() }
      var mean: Double { count == 0 ? 0 : sum / Double(count) }
    }
  }

  static let normalize = Parameter<Bool>(
    "normalize", default: true, "Divide each model's Fisher information by its norm.")
  static let normalizeBy = Parameter<String>(
    "normalize_by", default: "model", of: ["model", "tensor"],
    "Whether the norm is that of the whole model or of each tensor.")
  static let normEpsilon = Parameter<Double>(
    "norm_epsilon", default: 1e-6, in: .atLeast(0), "What is added to norms.")
  static let minimum = Parameter<Double>(
    "minimal_fisher_weight", default: 1e-6, in: .atLeast(0),
    "The floor under the Fisher information.")
  static let floor = Parameter<String>(
    "floor", default: "add", of: ["add", "max"],
    "Whether the floor is added, or replaces what is smaller.")
  static let floorScale = Parameter<String>(
    "floor_scale", default: "absolute", of: ["absolute", "relative"],
    "Whether the floor is a number, or a share of the mean of the model's Fisher information.")
  static let favorTarget = Parameter<Bool>(
    "favor_target_model", default: false,
    "Give the floor to the first model alone, and take tensors without statistics from it.")

  /// The description of the method.
  public let info = MethodInfo(
    name: "fisher", aliases: ["fisher_merging"], title: "Fisher merging",
    summary: "Averages the models element by element, weighted by their Fisher information.",
    formula: "θ = Σ cᵢ qᵢ F̂ᵢ θᵢ / Σ cᵢ qᵢ F̂ᵢ;  F̂ᵢ = Fᵢ + floor;  qᵢ = 1 / (‖Fᵢ‖ + ε)",
    source: "Matena and Raffel 2022, Merging models with Fisher-weighted averaging",
    link: "https://arxiv.org/abs/2111.09832", base: .none, models: 1...Int.max, streaming: .model,
    statistics: .fisher,
    parameters: [
      StatisticsCoefficients.coefficients, normalize, normalizeBy, normEpsilon, minimum, floor,
      floorScale, favorTarget,
    ],
    presets: [
      .init(
        "fusion_bench", [("minimal_fisher_weight", .number(1e-6)), ("normalize", .bool(true))],
        "FusionBench: 1e-6 is added to all, norms of whole models."),
      .init(
        "mergelm", [("minimal_fisher_weight", .number(1e-6)), ("normalize", .bool(false))],
        "MergeLM's command line: the same without norms."),
      .init(
        "official",
        [
          ("floor", .text("max")), ("favor_target_model", .bool(true)),
          ("norm_epsilon", .number(0)),
        ], "The authors' code: the first model, which is favoured, has at least 1e-6 everywhere."),
      .init(
        "relative", [("floor_scale", .text("relative"))],
        "A floor of 1e-6 of each model's mean, for Fisher information that is small altogether."),
    ])

  /// Creates the method.
  public init() {}

  /// Steps may be cut where nothing has to be known about the whole tensor or model.
  public func isElementwise(_ parameters: ResolvedParameters) -> Bool {
    !parameters[Self.normalize] && parameters[Self.floorScale] == "absolute"
  }

  /// Some coefficient must be above zero.
  public func objection(to parameters: ResolvedParameters, modelCount: Int) -> String? {
    StatisticsCoefficients.objection(to: parameters)
  }

  /// Sums over the models.
  public func workingMemory(_ parameters: ResolvedParameters, _ scope: WorkingScope)
    -> WorkingMemory
  {
    WorkingMemory(
      vectors: scope.statisticsShape == nil ? 0 : MergeInputs.statisticsAverageVectors)
  }

  /// Measures the models' Fisher information where norms or relative floors are wanted.
  public func prepare(_ session: MergeSession) async throws(TinctureError) -> State {
    guard session.steps.contains(where: { !isElementwise($0.parameters) }) else { return State() }
    let found = try await session.survey { (inputs) throws(TinctureError) in
      try Self.sizes(inputs)
    }
    var state = State()
    for step in found {
      for (model, size) in step { state.sizes[model, default: .init()].add(size) }
    }
    return state
  }

  private static func sizes(_ inputs: MergeInputs) throws(TinctureError) -> [(Int, State.Size)] {
    guard inputs.hasStatistics else { return [] }
    var found: [(Int, State.Size)] = []
    for (position, model) in inputs.step.modelIndices.enumerated() {
      var size = State.Size()
      try inputs.scanStatistics(of: position) { (_, values) throws(TinctureError) in
        Kernels.addDot(values, values, to: &size.squares)
        Kernels.addSum(values, to: &size.sum)
        size.count += values.count
      }
      found.append((model, size))
    }
    return found
  }

  /// Makes one tensor.
  public func merge(_ inputs: MergeInputs, state: State) throws(TinctureError) {
    let favored = inputs[Self.favorTarget]
    guard inputs.hasStatistics else {
      let first = inputs.step.models.indices.map { $0 == 0 ? 1.0 : 0 }
      return try inputs.produceCombination(favored ? first : inputs.coefficientShares)
    }
    var local = state
    if inputs[Self.normalize], inputs[Self.normalizeBy] == "tensor" {
      for (model, size) in try Self.sizes(inputs) { local.sizes[model] = size }
    }
    var scales = inputs[StatisticsCoefficients.coefficients]
    var floors: [StatisticsFloor] = []
    for (position, model) in inputs.step.modelIndices.enumerated() {
      if inputs[Self.normalize] {
        let norm = (local.sizes[model]?.norm ?? 0) + inputs[Self.normEpsilon]
        // A model without any information has no norm to divide by.
        if norm > 0 { scales[position] /= norm }
      }
      var least = inputs[Self.minimum]
      if inputs[Self.floorScale] == "relative" { least *= state.sizes[model]?.mean ?? 0 }
      if favored, position > 0 { least = 0 }
      floors.append(
        inputs[Self.floor] == "add" ? StatisticsFloor(added: least) : StatisticsFloor(least: least))
    }
    try inputs.produceStatisticsAverage(
      .values, scales: scales, floors: floors, shares: inputs.coefficientShares)
  }
}
