internal import TinctureCheckpoints
public import TinctureMerging
public import TinctureTensors

/// Merges tasks block by block, those first that are most alike, until the whole has a wanted size.
///
/// Blocks are the attention, the perceptron and the norms of each layer, and modules outside of layers. At first every task has a cluster
/// of its own in each block; again and again two clusters of one block become one, until the models take the `size` of so many.
/// A cluster's vector is made of all its members' task vectors, a task alone keeps its own:
///
/// - `average`: their mean; `task_arithmetic`: λ times it;
/// - `ties`: λ times the mean that TIES makes of them, trimmed over whole models;
/// - `pcb`: λ times what is left of them after a competition, with balances clipped to bounds of whole models and then from 0 to 1
///   in the block;
/// - `consensus_ta`, `consensus_ties`: the vectors of `task_arithmetic` and `ties` with a mask for each task as `tall_masks` has
///   it; `emr`: an elected vector with masks and factors as `emr` has them, the factors by block.
///
/// The output's model has in every block the largest cluster (the first of those); what other clusters have stands beside it in
/// `task_parts.safetensors`, once for each cluster, so that OUTPUT#TASK is the model of a task. With masks `tasks.bank` stands there:
/// in each block the largest cluster has masks if it is of more than two, since fewer would save nothing, and tasks that are not in it keep their
/// own tensors, also where the published code would have masks in a second cluster.
///
/// By default the two clusters of all blocks come next that are most alike; `order` takes block after block from either end, draws
/// block and clusters by the recipe's seed, or has the same clusters in all blocks (`cluster`). With `channel` each tensor is a block of its own
/// and has the same number of clusters, as many as `size` has room for, found by k-means of the directions of task vectors that begins as k-means++
/// does, by the recipe's seed. Otherwise clusters are compared by the cosine or the root mean
/// square distance of their mean task vectors, or of pairs of members: `single` takes the most similar pair, `complete` the least
/// similar one, as these words are used elsewhere; the published code has them the other way round, and compares vectors that TIES
/// made where TIES merges. By `sign` members are compared by the fraction of elements with the same sign.
/// Complexity: O(T² n) in one pass for the inner products, O(n) for each model twice; four more passes for PCB, three for TIES.
/// Source: FlexMerge, arXiv:2505.23209.
public struct FlexMerge: MergeMethod {
  static let size = Parameter<Double>(
    "size", default: 1, in: .atLeast(1),
    "How many models the output may take the room of; from 1 to the number of tasks, with masks from about"
      + " 2.")
  static let inner = Parameter<String>(
    "inner", default: "task_arithmetic", of: Inner.allCases.map(\.rawValue),
    "How the vectors of a cluster's tasks are merged; the last three leave masks for tasks.")
  static let scale = Parameter<Double>(
    "lambda", default: 1, "What the merged vectors of clusters of several tasks are multiplied by.")
  static let order = Parameter<String>(
    "order", default: "similarity", of: Order.allCases.map(\.rawValue),
    "Which clusters come next: the most similar of all blocks, those of block after block, any, or those of"
      + " whole models; with channel k-means finds those of every tensor.")
  static let similarity = Parameter<String>(
    "similarity", default: "cosine", of: TaskClusters.Similarity.allCases.map(\.rawValue),
    "How clusters are compared; sign needs a linkage by members.")
  static let linkage = Parameter<String>(
    "linkage", default: "merged", of: TaskClusters.Linkage.allCases.map(\.rawValue),
    "What of two clusters is compared: their means, or the most, the least or all similar members.")
  static let threshold = PerModelParameter<Double>(
    "tall_mask_lambda", default: 0.3, in: .atLeast(0),
    "With consensus an element is a task's when it is larger than this times what the cluster's vector has"
      + " beside it.")

  /// How the task vectors of a cluster are merged.
  enum Inner: String, CaseIterable {
    case average
    case taskArithmetic = "task_arithmetic"
    case ties
    case pcb
    case consensusTaskArithmetic = "consensus_ta"
    case consensusTies = "consensus_ties"
    case emr

    var hasMasks: Bool {
      switch self {
      case .consensusTaskArithmetic, .consensusTies, .emr: true
      default: false
      }
    }
    var trims: Bool { self == .ties || self == .consensusTies }
  }

  /// Which clusters are merged next.
  enum Order: String, CaseIterable {
    case similarity
    case leftToRight = "left_to_right"
    case rightToLeft = "right_to_left"
    case random
    case cluster
    case channel
  }

  /// The description of the method.
  public let info = MethodInfo(
    name: "flexmerge", title: "FlexMerge",
    summary: "Merges tasks block by block until the whole has the size of a number of models.",
    formula:
      "in every block clusters C of tasks, most similar ones first;  θ_C = θ₀ + λ mean τᵢ, i ∈ C;  Σ |clusters| / blocks ≤ size",
    source: "FlexMerge 2025", link: "https://arxiv.org/abs/2505.23209", base: .required,
    models: 1...Int.max, streaming: .model, makesParts: true,
    parameters: [
      size, inner, scale, order, similarity, linkage, MultiTaskVector.density, Pcb.ratio,
      Pcb.clipLow, Pcb.clipHigh, threshold, TaskNames.task,
    ],
    presets: [
      .init(
        "vision", [("inner", .text("task_arithmetic")), ("lambda", .number(1.5))],
        "The scale of the authors' script for vision models.")
    ])

  /// What merging needs to know of the whole model.
  public struct State: Sendable {
    /// The clusters of every tensor, by name.
    var clusters: [String: TaskClusters] = [:]
    /// What a tensor's block is called.
    var blocks: [String: String] = [:]
    /// The thresholds of TIES.
    var ties: TiesSelection?
    /// The bounds of PCB, and for each block and task where its balances lie.
    var competition: ParameterCompetition?
    var spans: [String: [Int: ClosedRange<Float>]] = [:]
  }

  /// Creates the method.
  public init() {}

  /// The clusters are known before tensors are merged.
  public func isElementwise(_ parameters: ResolvedParameters) -> Bool { true }

  /// Vectors for a cluster.
  public func workingMemory(_ parameters: ResolvedParameters, _ scope: WorkingScope)
    -> WorkingMemory
  { WorkingMemory(vectors: 1 + ParameterCompetition.vectors) }

  /// Parameters that would be without effect, and signs of what is not at hand.
  public func objection(to parameters: ResolvedParameters, modelCount: Int) -> String? {
    let inner = Self.inner(parameters)
    if inner == .average || inner == .emr, parameters[Self.scale] != 1 {
      return "lambda has no effect with inner: \(inner.rawValue)"
        + (inner == .average ? "; use inner: task_arithmetic" : "")
    }
    if parameters[Self.similarity] == "sign", parameters[Self.linkage] == "merged" {
      return
        "similarity: sign compares members, so that linkage must be single, complete or average"
    }
    if parameters[Self.order] == Order.channel.rawValue,
      parameters[Self.similarity] != "cosine" || parameters[Self.linkage] != "merged"
    {
      return
        "order: channel compares directions with the middle of clusters, so that similarity and"
        + " linkage have no effect"
    }
    return nil
  }

  static func inner(_ parameters: ResolvedParameters) -> Inner {
    Inner(rawValue: parameters[inner]) ?? .taskArithmetic
  }

  /// One setting for the whole model, a name for every task, and a size that masks fit into.
  public func check(_ plan: MergePlan) throws(TinctureError) {
    try plan.requireOneValue(of: info.parameters.filter { $0.scope == .merge }.map(\.name))
    let merged = plan.merged
    if let other = merged.first(where: { $0.modelIndices != merged.first?.modelIndices }) {
      throw TinctureError(
        .recipe, "flexmerge needs the same models for every tensor.", at: .init(tensor: other.name))
    }
    _ = try TaskNames.all(merged)
    _ = try MultiTaskVector.thresholds(merged, Self.threshold)
    guard let parameters = merged.first?.parameters, Self.inner(parameters).hasMasks else {
      return
    }
    let count = merged[0].models.count
    let (size, elements) = merged.reduce(into: (0, 0)) {
      $0.0 += $1.outputBytes
      $0.1 += $1.elements.count
    }
    let least = min(count * size, size + 4 * elements + count * elements / 8)
    let models = Double(least) / Double(max(1, size))
    guard parameters[Self.size] * Double(size) >= Double(least) else {
      throw TinctureError(
        .recipe,
        "With inner: \(parameters[Self.inner]) these models take the room of"
          + " \((models * 1000).rounded(.up) / 1000) at least; give size as much.")
    }
  }

  /// What PCB and TIES cost.
  public func preparation(_ plan: MergePlan, memoryLimit: Int) -> String? {
    guard let parameters = plan.merged.first?.parameters else { return nil }
    let inner = Self.inner(parameters)
    if inner == .pcb { return "one pass for the clusters and five for the balances of elements" }
    return inner.trims
      ? "one pass for the clusters and three for the thresholds and signs of whole models"
      : "one pass for the clusters"
  }

  /// Finds the clusters.
  public func prepare(_ session: MergeSession) async throws(TinctureError) -> State {
    guard let parameters = session.steps.first?.parameters else { return State() }
    var state = try await FlexMergeSearch(session, parameters).run()
    let inner = Self.inner(parameters)
    if inner.trims {
      state.ties = try await TiesSelection(session, density: parameters[MultiTaskVector.density])
    }
    if inner == .pcb {
      state.competition = try await ParameterCompetition(
        session, ratio: parameters[Pcb.ratio], low: parameters[Pcb.clipLow],
        high: parameters[Pcb.clipHigh], isNormalized: false)
      state.spans = try await Self.spans(session, state)
    }
    return state
  }

  /// Where the balances of tasks lie in every block, once they compete in their clusters.
  private static func spans(_ session: MergeSession, _ state: State) async throws(TinctureError)
    -> [String: [Int: ClosedRange<Float>]]
  {
    let found = try await session.survey { (inputs) throws(TinctureError) in
      var own: [Int: ClosedRange<Float>] = [:]
      for members in state.clusters[inputs.step.name]?.members ?? [] where members.count > 1 {
        let spans = try state.competition?.spans(inputs, members) ?? []
        for (member, span) in zip(members, spans) { own[member] = span }
      }
      return own
    }
    var all: [String: [Int: ClosedRange<Float>]] = [:]
    for (step, own) in zip(session.steps, found) {
      all[state.blocks[step.name] ?? "", default: [:]].merge(own) {
        min($0.lowerBound, $1.lowerBound)...max($0.upperBound, $1.upperBound)
      }
    }
    return all
  }

  /// Makes one tensor of the shared model.
  public func merge(_ inputs: MergeInputs, state: State) throws(TinctureError) {
    var members: [Int] = []
    if let clusters = state.clusters[inputs.step.name] {
      members = clusters.members[clusters.main]
      // Fewer than three have no masks, so that the model has the first one's.
      if Self.inner(inputs.step.parameters).hasMasks, clusters.masked.isEmpty {
        members = Array(members.prefix(1))
      }
    }
    try inputs.produce(.taskVectors) { (block, output) throws(TinctureError) in
      Self.merge(&block, inputs, members, state, into: &output)
    }
  }

  /// The vector of a cluster, on the base.
  static func merge(
    _ block: inout ElementBlock, _ inputs: MergeInputs, _ members: [Int], _ state: State,
    into output: inout MutableSpan<Float>
  ) {
    var weights = [Float](repeating: 0, count: block.modelCount)
    for member in members { weights[member] = 1 }
    // A task alone stays as it is.
    guard members.count > 1 else {
      return block.weightedSum(weights, addingBase: true, into: &output)
    }
    let scale = Float(inputs[Self.scale])
    switch inner(inputs.step.parameters) {
    case .average, .taskArithmetic, .consensusTaskArithmetic:
      block.weightedSum(
        weights, scale: scale / Float(members.count), addingBase: true, into: &output)
    case .ties, .consensusTies:
      state.ties?.trim(&block)
      block.elect(
        votes: weights, weights: weights, divisor: .participants, scale: scale, into: &output)
    case .pcb:
      let spans = state.spans[state.blocks[inputs.step.name] ?? ""] ?? [:]
      state.competition?.merge(
        &block, inputs, members, weights: members.map { _ in scale },
        spans: members.map { spans[$0] ?? 0...0 }, into: &output)
      Kernels.add(block.base, to: &output)
    case .emr:
      Emr.elect(&block, members, inputs, into: &output)
      Kernels.add(block.base, to: &output)
    }
  }
}
