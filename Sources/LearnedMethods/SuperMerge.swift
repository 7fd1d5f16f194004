public import TinctureFitting
public import TinctureMerging
public import TinctureTensors

/// SuperMerge: learns bounded coefficients for each tensor and task from a few labelled examples.
///
/// θ(l) = θ₀(l) + Σ tanh(wₗₜ) τₜ(l); w follows the cross entropy with the labels by Adam, one step a round by
/// the sum over all tasks, and what does best on the examples that are held out is kept. In groups, models
/// are merged in a tree: the experts of a group first, then the merged groups, so that the task vectors of one
/// group at a time are in memory. Shapes: any network of a suite. Source: arXiv:2412.10416, which leaves the
/// step size, the start and the number of steps open.
public struct SuperMerge: CoefficientMethod {
  static let passes = LearningParameters.passes(50)
  static let batchSize = LearningParameters.batchSize(32)
  static let rate = LearningParameters.rate(1e-2)
  static let groupSize = Parameter<Int>(
    "group_size", default: 0, in: .between(0, 1e6),
    "How many models are merged at a time, in a tree; 0 merges all at once.")
  static let validation = LearningParameters.validation(0.2)
  static let patience = LearningParameters.patience(10)
  static let granularity = Parameter<String>(
    "granularity", default: "layer_wise", of: ["task_wise", "block_wise", "layer_wise"],
    "What shares a coefficient: the model, a layer of the network, or a tensor.")

  /// The description of the method.
  public let info = MethodInfo(
    name: "supermerge", title: "SuperMerge",
    summary: "Learns coefficients between −1 and 1 from a few labelled examples, also in a tree.",
    formula: "θ = θ₀ + Σ tanh(wₗₜ) τₗₜ;  w minimises Σₜ CE(headₜ(θ; x), label)",
    source: "SuperMerge, 2024", link: "https://arxiv.org/abs/2412.10416",
    base: .required, models: 1...Int.max, streaming: .model, isRandom: true, learns: true,
    parameters: [
      passes, batchSize, rate, LearningParameters.boundedStart, granularity, groupSize, validation,
      patience,
    ],
    presets: [.init("pairs", [("group_size", .number(2))], "Two models at a time, in a tree.")])

  /// Creates the method.
  public init() {}

  /// How the fit goes.
  public func fitSettings(
    _ parameters: ResolvedParameters, _ options: MergeOptions
  ) -> FitSettings {
    var settings = FitSettings(.labels)
    settings.passes = parameters[Self.passes]
    settings.batchSize = parameters[Self.batchSize]
    settings.stepsByTask = false
    settings.validationShare = parameters[Self.validation]
    settings.patience = parameters[Self.patience] > 0 ? parameters[Self.patience] : nil
    settings.seed = options.seed
    return settings
  }

  /// How coefficients move.
  public func coefficientSettings(_ parameters: ResolvedParameters) -> CoefficientSettings {
    var settings = CoefficientSettings()
    settings.granularity =
      CoefficientTable.Granularity(rawValue: parameters[Self.granularity]) ?? .layer
    settings.starts = [Float(parameters[LearningParameters.boundedStart])]
    settings.link = .tanh
    settings.rate = parameters[Self.rate]
    return settings
  }

  /// Something must be held out, but not all.
  public func objection(to parameters: ResolvedParameters, modelCount: Int) -> String? {
    if parameters[Self.groupSize] == 1 { return "group_size must be 0 or at least 2" }
    return LearningParameters.objection(
      validation: parameters[Self.validation], start: parameters[LearningParameters.boundedStart])
  }

  /// In groups only those of one group are.
  public func keepsVectors(_ parameters: ResolvedParameters) -> Bool {
    parameters[Self.groupSize] == 0
  }

  /// Learns all coefficients at once, or those of groups in a tree.
  public func learn(_ fit: CoefficientFit) throws(TinctureError) -> LearnedTable {
    let size = fit.parameters[Self.groupSize]
    guard size > 1, fit.vectors.taskCount > size else {
      return try learnAtOnce(fit)
    }
    return try MergeTree(fit, self, groupSize: size).learn()
  }
}

/// Merges in groups, then the groups, until one model is left.
private struct MergeTree {
  /// A model on the way: a sum of task vectors, tensor by tensor.
  private struct Node {
    var tasks: [Int]
    var coefficients: [[Float]]
    var others: [Float]
  }

  private let fit: CoefficientFit
  private let method: SuperMerge
  private let groupSize: Int

  init(_ fit: CoefficientFit, _ method: SuperMerge, groupSize: Int) {
    (self.fit, self.method, self.groupSize) = (fit, method, groupSize)
  }

  func learn() throws(TinctureError) -> LearnedTable {
    let count = fit.vectors.taskCount
    var nodes = (0..<count).map { task in
      let own = (0..<count).map { Float($0 == task ? 1 : 0) }
      return Node(
        tasks: [task], coefficients: fit.vectors.tensors.map { _ in own }, others: own)
    }
    var stages: [(title: String, history: FitHistory)] = []
    var last: FitOutcome?
    while nodes.count > 1 {
      var next: [Node] = []
      for start in stride(from: 0, to: nodes.count, by: groupSize) {
        let group = Array(nodes[start..<min(start + groupSize, nodes.count)])
        guard group.count > 1 else {
          next += group
          continue
        }
        if let last { stages.append((title(last), last.history)) }
        let (node, outcome) = try merged(group, stage: stages.count + 1)
        next.append(node)
        last = outcome
      }
      nodes = next
    }
    let table = CoefficientTable(
      fit.vectors.tensors, coefficients: nodes[0].coefficients, others: nodes[0].others)
    var learned = LearnedTable(table, last)
    learned.stages = stages
    return learned
  }

  private func title(_ outcome: FitOutcome) -> String {
    "Merge of \(outcome.history.tasks.joined(separator: ", "))"
  }

  private func merged(
    _ group: [Node], stage: Int
  ) throws(TinctureError) -> (Node, FitOutcome) {
    let tasks = group.flatMap(\.tasks)
    let vectors = try fit.vectors.combined(group.map(\.coefficients))
    let merge = CoefficientMerge(
      vectors, method.coefficientSettings(fit.parameters), on: fit.problem.device)
    let outcome = try fit.run(
      merge, method.fitSettings(fit.parameters, fit.session.options), vectors: vectors,
      problem: fit.problem.selecting(tasks), stage: stage)
    func sum(_ weights: [Float], _ parts: [[Float]]) -> [Float] {
      (0..<fit.vectors.taskCount).map { task in
        zip(weights, parts).reduce(0) { $0 + $1.0 * $1.1[task] }
      }
    }
    let coefficients = vectors.tensors.indices.map { tensor in
      sum(merge.table.meanCoefficients(tensor), group.map { $0.coefficients[tensor] })
    }
    let others = sum(merge.table.coefficientsOfOthers, group.map(\.others))
    return (Node(tasks: tasks, coefficients: coefficients, others: others), outcome)
  }
}
