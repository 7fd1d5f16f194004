internal import TinctureEvaluation
public import TinctureFitting
public import TinctureMerging
internal import TinctureNetworks
public import TinctureTensors

/// Expert Merging: learns coefficients that bring states and scores of the merged model near the experts'.
///
/// θ(l) = θ₀(l) + Σ α τ, α = 1 / (1 + e⁻ʳ) for each tensor and expert. For an example of the expert k the loss is
/// w · mean over blocks of (h − hₖ)² + T² CE(softmax(zₖ/T), softmax(z/T)), and for each step
/// β · mean over the tensors of Σₖ |α − α₀|. AdamW with a step size that falls along cosines which begin anew,
/// derivatives shortened to the length 1, one step after eight examples. Excluded tensors keep α₀. Expert
/// Merging++ learns once more, with tensors cut into chunks: B Iˣ / Σ Iˣ of them for a tensor of importance
/// I = Σₖ |αₖ| · Σ |τₖ|; a tensor with none keeps α₀. Few examples: `data: {limit: 5}` as published. Shapes:
/// encoders, classifiers and language models of a suite; labels are never read. Source: arXiv:2509.25712.
public struct ExpertMerging: CoefficientMethod {
  static let passes = LearningParameters.passes(1)
  static let batchSize = LearningParameters.batchSize(1)
  static let accumulation = Parameter<Int>(
    "accumulation", default: 8, in: .between(1, 1e6), "Turns whose derivatives make one step.")
  static let rate = LearningParameters.rate(0.5)
  static let decay = LearningParameters.decay(1e-5)
  static let clip = LearningParameters.clip(1)
  static let period = Parameter<Int>(
    "restart_period", default: 50, in: .between(0, 1e7),
    "Steps of the first cosine of the step size, each later one twice as long; 0 keeps it constant."
  )
  static let start = Parameter<Double>(
    "init", default: 0.1, in: .fraction, "α₀, between 0 and 1.")
  static let anchoring = Parameter<Double>(
    "anchoring", default: 5, in: .atLeast(0), "β, what holds coefficients near α₀.")
  static let temperature = Parameter<Double>(
    "temperature", default: 1, in: .above(0), "T, at which scores are compared.")
  static let stateWeight = Parameter<Double>(
    "state_weight", default: 1, in: .atLeast(0), "w; 0 compares scores only.")
  static let blocks = Parameter<String>(
    "blocks", default: "all",
    "The blocks after which states are compared, from 0, such as 3,7,11; −1 is the last one.")
  static let exclude = Parameter<String>(
    "exclude", default: "lm_head,norm,embed,bias",
    "Parts of the names of tensors that keep α₀, separated by commas.")
  static let budget = Parameter<Double>(
    "budget", default: 0, in: .atLeast(0),
    "Chunks in all by the number of tensors, for Expert Merging++; 0 learns once.")
  static let exponent = Parameter<Double>(
    "importance_exponent", default: 1, in: .atLeast(0),
    "The power of a tensor's importance in its share of the chunks.")

  /// The description of the method.
  public let info = MethodInfo(
    name: "expert_merging", title: "Expert Merging",
    summary:
      "Learns coefficients that bring states and scores near the experts', from few examples.",
    formula:
      "θ = θ₀ + Σ σ(rₗₖ) τₗₖ;  r minimises Σₖ w (h − hₖ)² + T² CE(zₖ/T, z/T) + β |σ(r) − α₀|",
    source: "Expert Merging, 2025", link: "https://arxiv.org/abs/2509.25712",
    base: .required, models: 1...Int.max, streaming: .model, isRandom: true, learns: true,
    parameters: [
      passes, batchSize, accumulation, rate, decay, clip, period, start, anchoring, temperature,
      stateWeight, blocks, exclude, budget, exponent,
    ],
    presets: [
      .init("plus_plus", [("budget", .number(1))], "Expert Merging++: chunks by importance.")
    ])

  /// Creates the method.
  public init() {}

  /// How a fit goes, but for the blocks.
  public func fitSettings(
    _ parameters: ResolvedParameters, _ options: MergeOptions
  ) -> FitSettings {
    var settings = FitSettings(
      .expertDistribution(temperature: parameters[Self.temperature]))
    settings.passes = parameters[Self.passes]
    settings.batchSize = parameters[Self.batchSize]
    settings.accumulation = parameters[Self.accumulation]
    settings.lossScale = 1 / Double(settings.accumulation)
    settings.seed = options.seed
    return settings
  }

  /// How coefficients move.
  public func coefficientSettings(_ parameters: ResolvedParameters) -> CoefficientSettings {
    var settings = CoefficientSettings()
    settings.granularity = .chunk
    settings.starts = [Float(parameters[Self.start])]
    settings.link = .sigmoid
    settings.rate = parameters[Self.rate]
    settings.decay = parameters[Self.decay]
    settings.largestGradient = parameters[Self.clip] > 0 ? parameters[Self.clip] : nil
    let period = parameters[Self.period]
    settings.schedule = period == 0 ? .constant : .restarts(period: period, factor: 2)
    return settings
  }

  /// α₀ must have a logit.
  public func objection(to parameters: ResolvedParameters, modelCount: Int) -> String? {
    let start = parameters[Self.start]
    if start <= 0 || start >= 1 { return "init must lie between 0 and 1, both excluded" }
    return BlockList.objection(parameters[Self.blocks])
  }

  /// The network must have the blocks.
  public func check(_ plan: MergePlan) throws(TinctureError) {
    let parameters = plan.steps.first?.parameters ?? .init()
    let problem = try Learning.check(plan, info, fitSettings(parameters, plan.options))
    _ = try alignment(parameters, problem)
    guard problem.steps.contains(where: { !isExcluded($0.name, parameters) }) else {
      throw TinctureError(
        .recipe, "All tensors of the network are excluded; shorten 'exclude'.",
        at: .init(file: problem.data.source.name))
    }
  }

  /// Learns once, or for Expert Merging++ twice.
  public func learn(_ fit: CoefficientFit) throws(TinctureError) -> LearnedTable {
    let (vectors, parameters) = (fit.vectors, fit.parameters)
    var settings = fitSettings(parameters, fit.session.options)
    settings.alignment = try alignment(parameters, fit.problem)
    var coefficients = coefficientSettings(parameters)
    // The mean over the tensors of a sum over the experts.
    coefficients.anchoring = parameters[Self.anchoring] * Double(vectors.taskCount)
    let counts = vectors.tensors.map { isExcluded($0.name, parameters) ? 0 : 1 }
    func run(_ counts: [Int], _ stage: Int) throws(TinctureError) -> LearnedTable {
      let merge = CoefficientMerge(
        vectors, coefficients, chunkCounts: counts, on: fit.problem.device)
      let outcome = try fit.run(merge, settings, stage: stage)
      return LearnedTable(merge.table, outcome)
    }
    let first = try run(counts, 0)
    guard parameters[Self.budget] > 0 else { return first }
    let importance = try TensorImportance(vectors, first.table, learned: counts.map { $0 > 0 })
    var second = try run(
      importance.chunkCounts(
        budget: parameters[Self.budget], exponent: parameters[Self.exponent]), 1)
    if let outcome = first.outcome {
      second.stages = [("A coefficient for each tensor", outcome.history)]
    }
    return second
  }

  private func isExcluded(_ name: String, _ parameters: ResolvedParameters) -> Bool {
    parameters[Self.exclude].split(separator: ",").contains {
      name.contains($0.trimmingPrefix(while: \.isWhitespace))
    }
  }

  private func alignment(
    _ parameters: ResolvedParameters, _ problem: LearningProblem
  ) throws(TinctureError) -> StateAlignment? {
    guard parameters[Self.stateWeight] > 0 else { return nil }
    guard let network = problem.network as? any BlockNetwork else {
      throw TinctureError(
        .recipe,
        "The network of the suite has no blocks whose states could be compared; set state_weight: 0.",
        at: .init(file: problem.data.source.name))
    }
    let blocks = try BlockList.blocks(
      parameters[Self.blocks], of: network.blockCount, file: problem.data.source.name)
    return StateAlignment(blocks: blocks, weight: parameters[Self.stateWeight])
  }
}

/// Blocks of a network as recipes list them.
private enum BlockList {
  static func objection(_ text: String) -> String? {
    text == "all" || numbers(text) != nil
      ? nil : "blocks must be all or whole numbers separated by commas, not \"\(text)\""
  }

  /// The blocks of a list, each once, in order.
  static func blocks(
    _ text: String, of depth: Int, file: String
  ) throws(TinctureError) -> [Int] {
    guard text != "all" else { return Array(0..<depth) }
    var blocks: Set<Int> = []
    for number in numbers(text) ?? [] {
      let block = number < 0 ? depth + number : number
      guard (0..<depth).contains(block) else {
        throw TinctureError(
          .recipe,
          "blocks names the block \(number), but the network has \(depth), from 0 to \(depth - 1).",
          at: .init(file: file))
      }
      blocks.insert(block)
    }
    return blocks.sorted()
  }

  private static func numbers(_ text: String) -> [Int]? {
    let parts = text.split(separator: ",", omittingEmptySubsequences: false).map {
      Int($0.filter { !$0.isWhitespace })
    }
    return parts.contains(nil) || parts.isEmpty ? nil : parts.compactMap(\.self)
  }
}
