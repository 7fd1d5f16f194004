internal import SystemPackage
internal import TinctureEvaluation
public import TinctureFitting
internal import TinctureMetrics
public import TinctureMerging
public import TinctureTensors

/// MAP: measures some merges, and shows by surrogates which figures of the tasks are possible together.
///
/// θ(c) = θ₀ + Σ cₜ τₜ is measured by the suite's metrics at corners, points with equal coefficients and a grid;
/// to every figure a function link(quadratic polynomial of c) is fitted; NSGA-III finds the Pareto front of
/// these functions, of which the point with the greatest weighted sum is merged. With more than three models
/// pairs with near figures are mapped in a tree. The front is written as `map.json` and `map.html`. Nothing is
/// differentiated; memory is that of one model, and of task vectors if they fit. Source: arXiv:2406.07529, whose
/// program searches between −3 and 3; here that is `preset: reference`, since surrogates are fitted between
/// 0 and 1.
public struct ParetoMap: CoefficientMethod {
  static let preference = PerModelParameter<Double>(
    "preference", default: 1, in: .atLeast(0), "How much the task of the model matters.")
  static let evaluations = Parameter<Int>(
    "evaluations", default: 20, in: .between(3, 1e6),
    "Merges that are measured for each map; at least as many as a quadratic function has factors.")
  static let isotropic = Parameter<Double>(
    "isotropic", default: 0.2, in: .fraction,
    "The share of them with equal or almost equal coefficients.")
  static let nested = Parameter<String>(
    "nested", default: "auto", of: ["auto", "always", "never"],
    "Map pairs of models in a tree: with more than three models, always or never.")
  static let lower = Parameter<Double>(
    "lower", default: 0, "The least coefficient of the search.")
  static let upper = Parameter<Double>(
    "upper", default: 1, "The greatest coefficient of the search.")
  static let population = Parameter<Int>(
    "population", default: 100, in: .between(4, 1e5), "Points of the search at a time.")
  static let generations = Parameter<Int>(
    "generations", default: 25, in: .between(1, 1e6), "How often they are replaced.")

  /// The description of the method.
  public let info = MethodInfo(
    name: "map", title: "MAP",
    summary:
      "Maps which figures of the tasks are possible together, and merges a point of the front.",
    formula: "θ = θ₀ + Σ cₜ τₜ;  c on the Pareto front of mₜ(c) ≈ link(quadratic polynomial of c)",
    source: "MAP, 2024", link: "https://arxiv.org/abs/2406.07529",
    base: .required, models: 2...Int.max, streaming: .model, isRandom: true, learns: true,
    parameters: [
      preference, evaluations, isotropic, nested, lower, upper, population, generations,
    ],
    presets: [
      .init(
        "reference",
        [("lower", .number(-3)), ("upper", .number(3)), ("generations", .number(150))],
        "The search of the reference program.")
    ])

  /// Creates the method.
  public init() {}

  /// Nothing is differentiated, but labels are needed.
  public func fitSettings(
    _ parameters: ResolvedParameters, _ options: MergeOptions
  ) -> FitSettings { FitSettings(.labels) }

  /// Coefficients are searched for.
  public func coefficientSettings(_ parameters: ResolvedParameters) -> CoefficientSettings {
    CoefficientSettings()
  }

  /// There must be enough figures for the surrogates.
  public func objection(to parameters: ResolvedParameters, modelCount: Int) -> String? {
    let dimension = isNested(parameters, modelCount) ? 2 : modelCount
    if dimension > 8 { return "nested: never maps at most 8 models; there are \(modelCount)" }
    let least = QuadraticSurrogate.factorCount(dimension)
    if parameters[Self.evaluations] < least {
      return "evaluations must be at least \(least) for \(dimension) coefficients at a time"
    }
    if parameters[Self.lower] >= parameters[Self.upper] { return "lower must be below upper" }
    return parameters[Self.preference].contains { $0 > 0 }
      ? nil : "preference must be above 0 for at least one model"
  }

  private func isNested(_ parameters: ResolvedParameters, _ count: Int) -> Bool {
    switch parameters[Self.nested] {
    case "always": count > 2
    case "never": false
    default: count > 3
    }
  }

  /// Measures, fits, searches and chooses.
  public func learn(_ fit: CoefficientFit) throws(TinctureError) -> LearnedTable {
    let (parameters, session, tasks) = (fit.parameters, fit.session, fit.problem.suite.tasks)
    var settings = ParetoMapping.Settings()
    settings.evaluations = parameters[Self.evaluations]
    settings.isotropic = parameters[Self.isotropic]
    settings.isNested = isNested(parameters, tasks.count)
    settings.bounds = parameters[Self.lower]...parameters[Self.upper]
    settings.population = parameters[Self.population]
    settings.generations = parameters[Self.generations]
    settings.seed = session.options.seed
    var figures: [ParetoMapping.Figure] = []
    for task in tasks {
      let metric = try MetricRegistry.metric(named: task.metric, settings: task.settings).info
      let link: QuadraticSurrogate.Link =
        switch metric.unit {
        case .share: .sigmoid
        case .coefficient: .identity
        case .degrees, .depth, .ratio: .softplus
        }
      figures.append(.init(isHigherBetter: metric.direction == .higher, link: link))
    }
    let preference = parameters[Self.preference]
    let mapping = ParetoMapping(figures, preference: preference, settings)
    let trials = CoefficientTrials(
      fit.problem, fit.vectors, session.interruption,
      keptAt: session.scratch?.appending("fit.safetensors"), identity: "\(settings) \(preference)")
    func measure(_ coefficients: [Double], _ own: [Int]) throws(TinctureError) -> [Double] {
      let figures = try trials.figures(coefficients, tasks: own)
      session.report(
        .learned(LearningProgress(round: trials.count, of: mapping.evaluationCount + 1)))
      return figures
    }
    let (coefficients, stages) = try mapping.run(measure)
    let measured = try measure(coefficients, Array(tasks.indices))
    let table = CoefficientTable(
      .task, tensors: fit.vectors.tensors, starts: coefficients.map(Float.init), link: .identity)
    var learned = LearnedTable(table, nil)
    learned.sidecars =
      ParetoReport(
        tasks: tasks.map(\.name), metrics: tasks.map(\.metric), preference: preference,
        coefficients: coefficients, measured: measured, stages: stages
      ).sidecars
    return learned
  }
}
