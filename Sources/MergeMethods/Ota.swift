internal import TinctureLinearAlgebra
public import TinctureMerging
public import TinctureTensors

/// Averages models element by element by the curvature that their optimisers saw, and drops what barely mattered.
///
/// With the second moments vᵢ of Adam (`exp_avg_sq`) of each model: Pᵢ = vᵢ^`power` × `scaling_factor`, over its mean in the
/// tensor where `normalize` is on, plus ε; θ = θ₀ + Σ mᵢ Pᵢ τᵢ / Σ mᵢ Pᵢ, or θ = Σ mᵢ Pᵢ θᵢ / Σ mᵢ Pᵢ without a base.
/// The mask mᵢ (fast Fisher grafting) keeps elements with the score vᵢ τᵢ², or vᵢ without a base, of at least
/// `threshold`; `density` finds the threshold that leaves this fraction of all elements of the model that have moments.
/// Where no model keeps an element, and a mask was asked for, it gets the base's, or with `fallback: mean` the mean of
/// the models.
///
/// ε must be far below the typical √v, or the result is the plain average: optimisers' moments of 1e-16 need ε of
/// 1e-20 and less, which is why the published configurations have 1e-24 to 1e-28. `approximation` replaces the moments
/// of matrices as optimisers with factored moments do: `rank1` by the product of their row and column sums over
/// the sum, `svd` by their `rank` leading singular directions, without what is negative then. Tensors without
/// moments are averaged.
///
/// With a base `aggregation: linear` takes the mean of the masked task vectors instead, and `ties` the sum over the number of models
/// of those elements that have the sign of Σ mᵢ τᵢ, positive for zero, of the largest `ties_density` of each tensor (all that tie
/// with the last). `rescale` multiplies mᵢ τᵢ by h(τᵢ) / h(mᵢ τᵢ) first, where h is the largest singular value of matrices, all
/// extents but the first of other tensors taken as columns, the length of the longest column of token tables and heads, and the root mean square of
/// vectors; what is left of up to `rescale_relative_threshold` of the norm becomes zero. In the published code masks act on linear and ties only where it
/// rescales; here they always do.
///
/// Shapes: v as θ. Cost: one pass over models and moments; two more where `density` is set, one to rescale with O(m n min(m, n)) for a
/// matrix or O(m n) with `approximate_norm`, and two to trim. In double precision.
/// Source: Mahdavinia et al., arXiv:2509.11167.
public struct Ota: MergeMethod {
  /// The threshold of each model's scores that `density` asks for, by its position in the recipe.
  public struct State: Sendable {
    let cuts: [Int: Float]
  }

  static let power = Parameter<Double>(
    "power", default: 0.5, in: .atLeast(0), "The exponent of the second moments.")
  static let epsilon = Parameter<Double>(
    "epsilon", default: 1e-8, in: .atLeast(0),
    "What is added to each weight; far below the square root of typical moments.")
  static let scaling = PerModelParameter<Double>(
    "scaling_factor", default: 1, in: .above(0),
    "What each model's weights are multiplied by before.")
  static let normalize = Parameter<Bool>(
    "normalize", default: false, "Divide each model's weights by their mean in the tensor.")
  static let threshold = PerModelParameter<Double>(
    "threshold", default: 0, in: .atLeast(0), "Elements with a lower score are dropped.")
  static let density = PerModelParameter<Double>(
    "density", default: 1, in: .fraction,
    "The fraction of each model's elements that stays, instead of a threshold.")
  static let fallback = Parameter<String>(
    "fallback", default: "base", of: ["base", "mean"],
    "What elements get that no model keeps; the mean where there is no base.")

  static let aggregation = Parameter<String>(
    "aggregation", default: "precond", of: Aggregation.allCases.map(\.rawValue),
    "How masked task vectors become one: weighted by the moments, by their mean, or by the mean of what has"
      + " the elected sign.")
  static let rescale = Parameter<Bool>(
    "rescale", default: false,
    "Bring each masked task vector of a tensor back to the operator norm that it had.")
  static let rescaleThreshold = Parameter<Double>(
    "rescale_relative_threshold", default: 1e-6, in: .fraction,
    "Masked task vectors of up to this share of the norm become zero instead.")
  static let approximate = Parameter<Bool>(
    "approximate_norm", default: false,
    "Find norms of matrices by ten steps of power iteration from a fixed direction.")
  static let tiesDensity = Parameter<Double>(
    "ties_density", default: 1, in: .fraction,
    "With aggregation: ties, the fraction of each tensor's elements that stays, the largest ones.")

  /// The description of the method.
  public let info = MethodInfo(
    name: "ota", aliases: ["ota_ffg"], title: "OTA with FFG",
    summary: "Averages models element by element by their optimisers' second moments.",
    formula:
      "Pᵢ = vᵢ^power + ε;  mᵢ = [vᵢ τᵢ² ≥ threshold];  θ = θ₀ + Σ mᵢ Pᵢ τᵢ / Σ mᵢ Pᵢ;  without a base θᵢ for τᵢ",
    source:
      "Mahdavinia et al. 2025, Harnessing Optimization Dynamics for Curvature-Informed Model Merging",
    link: "https://arxiv.org/abs/2509.11167", base: .optional, models: 1...Int.max,
    streaming: .model, statistics: .secondMoment,
    parameters: [
      power, epsilon, scaling, normalize, threshold, density, fallback, aggregation, rescale,
      rescaleThreshold, approximate, tiesDensity, SecondMoments.approximation, SecondMoments.rank,
    ],
    presets: [
      .init(
        "plain", [("power", .number(1)), ("epsilon", .number(1e-28))],
        "The authors' configuration without grafting."),
      .init(
        "ffg", [("density", .number(0.4)), ("epsilon", .number(1e-24))],
        "Grafting that keeps 40 % of each model's elements."),
      .init(
        "ffg_linear",
        [
          ("density", .number(0.4)), ("epsilon", .number(1e-24)), ("aggregation", .text("linear")),
          ("rescale", .bool(true)), ("approximate_norm", .bool(true)),
        ], "The same, rescaled and averaged without weights."),
    ])

  /// Creates the method.
  public init() {}

  /// A threshold and a density cannot both decide, and nothing is set that has no effect.
  public func objection(to parameters: ResolvedParameters, modelCount: Int) -> String? {
    let pairs = zip(parameters[Self.threshold], parameters[Self.density])
    if pairs.contains(where: { $0 > 0 && $1 < 1 }) {
      return "threshold and density both say what is dropped; give one of them"
    }
    if parameters[Self.tiesDensity] < 1, parameters[Self.aggregation] != "ties" {
      return "ties_density has no effect without aggregation: ties"
    }
    if parameters[Self.approximate], !parameters[Self.rescale] {
      return "approximate_norm has no effect without rescale: true"
    }
    return nil
  }

  /// Singular values need BLAS and LAPACK, and what is done to task vectors needs a base.
  public func check(_ plan: MergePlan) throws(TinctureError) {
    let weighed = plan.steps.filter { !$0.statistics.isEmpty }
    for step in weighed where step.base == nil {
      guard step.parameters[Self.aggregation] == "precond", !step.parameters[Self.rescale] else {
        throw TinctureError(
          .recipe,
          "aggregation and rescale of ota change task vectors; add base_model: to the recipe.",
          at: .init(tensor: step.name))
      }
    }
    let needsAlgebra = plan.steps.contains {
      $0.parameters[SecondMoments.approximation] == "svd"
        || $0.parameters[Self.rescale] && OperatorLength.needsAlgebra($0)
    }
    if needsAlgebra { _ = try Backend.shared }
  }

  /// A block of moments, sums over the models, and approximations.
  public func workingMemory(_ parameters: ResolvedParameters, _ scope: WorkingScope)
    -> WorkingMemory
  {
    guard scope.statisticsShape != nil else { return WorkingMemory() }
    var memory = SecondMoments.memory(parameters, scope)
    memory.vectors += CurvatureSums.vectors + 2
    if parameters[Self.rescale] { memory.bytes += OperatorLength.memory(scope.shape) }
    if parameters[Self.tiesDensity] < 1 {
      memory.bytes += RankSearch.memory(ranks: 1, sampling: false)
    }
    if parameters[Self.density].contains(where: { $0 < 1 }) {
      memory.bytes += scope.modelCount * OrderStatistic.memory(ranks: 1)
    }
    return memory
  }

  /// Finds the thresholds that leave the wanted fractions.
  public func prepare(_ session: MergeSession) async throws(TinctureError) -> State {
    var densities: [Int: Double] = [:]
    for step in session.steps where !step.statistics.isEmpty {
      for (model, density) in zip(step.modelIndices, step.parameters[Self.density]) {
        guard densities.updateValue(density, forKey: model) ?? density == density else {
          throw TinctureError(
            .recipe, "ota needs one density for each whole model, not one that changes by tensor.",
            at: .init(tensor: step.name))
        }
      }
    }
    let wanted = densities.filter { $0.value < 1 }
    guard !wanted.isEmpty else { return State(cuts: [:]) }
    let models = Set(wanted.keys)
    var cuts: [Int: Float] = [:]
    let found = try await session.findings(.magnitude) { model, total in
      let kept = Int((wanted[model] ?? 1) * Double(total))
      if kept == 0 { cuts[model] = .infinity }
      return kept > 0 && kept < total ? [total - kept] : []
    } visit: { (inputs, count) throws(TinctureError) in
      try Self.visitScores(inputs, of: models) { count($1, $0) }
    }
    for (model, scores) in found { if let score = scores.first { cuts[model] = score } }
    return State(cuts: cuts)
  }

  /// Shows the scores of some models, block by block.
  private static func visitScores(
    _ inputs: MergeInputs, of models: Set<Int>, _ body: (Int, Span<Float>) -> Void
  ) throws(TinctureError) {
    guard inputs.hasStatistics else { return }
    let moments = try SecondMoments(inputs)
    var values = inputs.scratch()
    try inputs.scan(inputs.hasBase ? .taskVectors : .values) { (block) throws(TinctureError) in
      for (position, model) in inputs.step.modelIndices.enumerated() where models.contains(model) {
        try moments.read(position, block.start, count: block.count, into: &values)
        values.use(block.count) { scores in
          for i in 0..<scores.count {
            scores[i] = Self.score(
              scores[i], block[model: position][i], hasBase: inputs.hasBase)
          }
        }
        body(model, values.prefix(block.count))
      }
    }
  }

  static func score(_ moment: Float, _ value: Float, hasBase: Bool) -> Float {
    hasBase ? Float(Double(moment) * Double(value) * Double(value)) : moment
  }

  /// Makes one tensor.
  public func merge(_ inputs: MergeInputs, state: State) throws(TinctureError) {
    let count = inputs.modelCount
    let form: InputForm = inputs.hasBase ? .taskVectors : .values
    let mean = [Double](repeating: 1 / Double(count), count: count)
    guard inputs.hasStatistics else {
      return try inputs.produceCombination(mean, base: inputs.hasBase ? 1 : 0, form)
    }
    let moments = try SecondMoments(inputs)
    let cuts = zip(inputs[Self.threshold], inputs.step.modelIndices).map { threshold, model in
      state.cuts[model] ?? Float(threshold)
    }
    let grafts = try Grafts(inputs, moments, cuts)
    let aggregation = Aggregation(rawValue: inputs[Self.aggregation]) ?? .precond
    let epsilon = inputs[Self.epsilon]
    let scales = try scales(inputs, moments)
    let averages =
      !inputs.hasBase || !grafts.isMasked || inputs[Self.fallback] == "mean"
    let least = grafts.isMasked ? 1.1 * Double(count) * epsilon : 0
    let power = inputs[Self.power]
    var values = inputs.scratch()
    try inputs.produce(form) { (block, output) throws(TinctureError) in
      let length = block.count
      var sums = CurvatureSums(count: length)
      for model in 0..<count {
        try moments.read(model, block.start, count: length, into: &values)
        block.change(model: model) { elements in
          for i in 0..<length {
            let (value, moment) = (elements[i], values.prefix(length)[i])
            let isKept = grafts.keeps(model, moment, value)
            let weight =
              isKept ? scales[model] * Powers.power(Double(moment), power) + epsilon : 0
            let grafted = isKept ? grafts.grafted(model, value) : 0
            sums.add(Double(value), grafted: grafted, weight, at: i)
            elements[i] = Float(grafted)
          }
        }
      }
      if inputs.hasBase { Kernels.copy(block.base, to: &output) }
      for i in 0..<length {
        let change: Double
        if sums.weight(at: i, isAbove: least) || (aggregation != .precond && !grafts.isMasked) {
          switch aggregation {
          case .precond: change = sums.mean(at: i)
          case .linear: change = sums.grafted(at: i) / Double(count)
          case .ties: change = Self.elected(block, i, sums.grafted(at: i)) / Double(count)
          }
        } else {
          change = averages ? sums.sum(at: i) / Double(count) : 0
        }
        output[i] = Float(Double(output[i]) + change)
      }
    }
  }

  /// The sum of the elements that have the sign of all together, which is positive for zero.
  private static func elected(
    _ block: borrowing ElementBlock, _ index: Int, _ mass: Double
  ) -> Double {
    var sum = 0.0
    for model in 0..<block.modelCount {
      let value = Double(block[model: model][index])
      // What is not a number stays so.
      if mass < 0 ? !(value >= 0) : !(value <= 0) { sum += value }
    }
    return sum
  }

  /// What each model's weights are multiplied by before ε is added.
  private func scales(
    _ inputs: MergeInputs, _ moments: SecondMoments
  ) throws(TinctureError) -> [Double] {
    var scales = inputs[Self.scaling]
    guard inputs[Self.normalize], inputs.elementCount > 0 else { return scales }
    let power = inputs[Self.power]
    for model in scales.indices {
      var sum = 0.0
      try moments.visit(model) { values in
        for i in 0..<values.count { sum += Powers.power(Double(values[i]), power) }
      }
      let mean = scales[model] * sum / Double(inputs.elementCount)
      let divisor = mean + inputs[Self.epsilon]
      scales[model] = divisor > 0 ? scales[model] / divisor : 0
    }
    return scales
  }
}
