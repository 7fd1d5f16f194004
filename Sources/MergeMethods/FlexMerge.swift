internal import SystemPackage
internal import TinctureCheckpoints
public import TinctureMerging
public import TinctureTensors

/// Merges tasks block by block, those first that are most alike, until the whole has a wanted size.
///
/// Blocks are the attention, the perceptron and the norms of each layer, and modules outside of layers. At first every task has a cluster
/// of its own in each block; again and again the two clusters of one block that are most alike become one, until the models take
/// the `size` of so many. A cluster's vector is made of all its members' task vectors: their mean, λ times their sum, or
/// TIES of them, trimmed over whole models. The output's model has in every block the largest cluster (the first of
/// those); what other clusters have stands beside it in `task_parts.safetensors`, once for each cluster, so that OUTPUT#TASK
/// is the model of a task. Clusters are compared by the cosine or distance of their mean task vectors, or of pairs of members:
/// `single` takes the most similar pair, `complete` the least similar one, as these words are used elsewhere; the published
/// code has them the other way round, and compares vectors that TIES made where TIES merges.
/// Complexity: O(T² n) in one pass for the inner products, O(n) for each model twice.
/// Source: FlexMerge, arXiv:2505.23209.
public struct FlexMerge: MergeMethod {
  static let size = Parameter<Double>(
    "size", default: 1, in: .atLeast(1),
    "How many models the output may take the room of; from 1 to the number of tasks.")
  static let inner = Parameter<String>(
    "inner", default: "task_arithmetic", of: ["average", "task_arithmetic", "ties"],
    "How the vectors of a cluster's tasks are merged.")
  static let scale = Parameter<Double>(
    "lambda", default: 1, "What the merged vectors of clusters of several tasks are multiplied by.")
  static let similarity = Parameter<String>(
    "similarity", default: "cosine", of: TaskClusters.Similarity.allCases.map(\.rawValue),
    "How clusters are compared.")
  static let linkage = Parameter<String>(
    "linkage", default: "merged", of: TaskClusters.Linkage.allCases.map(\.rawValue),
    "What of two clusters is compared: their means, or the most, the least or all similar members.")

  /// The description of the method.
  public let info = MethodInfo(
    name: "flexmerge", title: "FlexMerge",
    summary: "Merges tasks block by block until the whole has the size of a number of models.",
    formula:
      "in every block clusters C of tasks, most similar ones first;  θ_C = θ₀ + λ Σ τᵢ, i ∈ C;  Σ |clusters| / blocks ≤ size",
    source: "FlexMerge 2025", link: "https://arxiv.org/abs/2505.23209", base: .required,
    models: 1...Int.max, streaming: .model, makesParts: true,
    parameters: [
      size, inner, scale, MultiTaskVector.density, similarity, linkage, TaskNames.task,
    ],
    presets: [
      .init(
        "vision", [("inner", .text("task_arithmetic")), ("lambda", .number(1.5))],
        "The scale of the authors' script for vision models.")
    ])

  /// The clusters of every tensor, by name, and the thresholds of TIES.
  public struct State: Sendable {
    var clusters: [String: TaskClusters] = [:]
    var ties: TiesSelection?
  }

  /// Creates the method.
  public init() {}

  /// The clusters are known before tensors are merged.
  public func isElementwise(_ parameters: ResolvedParameters) -> Bool { true }

  /// One vector for a cluster.
  public func workingMemory(_ parameters: ResolvedParameters, _ scope: WorkingScope)
    -> WorkingMemory
  { WorkingMemory(vectors: 1) }

  /// One setting for the whole model, and a name for every task.
  public func check(_ plan: MergePlan) throws(TinctureError) {
    try plan.requireOneValue(of: info.parameters.filter { $0.scope == .merge }.map(\.name))
    let merged = plan.merged
    if let other = merged.first(where: { $0.modelIndices != merged.first?.modelIndices }) {
      throw TinctureError(
        .recipe, "flexmerge needs the same models for every tensor.", at: .init(tensor: other.name))
    }
    _ = try TaskNames.all(merged)
  }

  /// Finds the clusters.
  public func prepare(_ session: MergeSession) async throws(TinctureError) -> State {
    var state = State()
    guard let first = session.steps.first else { return state }
    let (count, parameters) = (first.models.count, first.parameters)
    let grams = try await session.survey { (inputs) throws(TinctureError) in
      var gram = [Double](repeating: 0, count: count * count)
      try inputs.scan(.taskVectors) { (block) throws(TinctureError) in
        for a in 0..<count {
          for b in a..<count {
            Kernels.addDot(block[model: a], block[model: b], to: &gram[a * count + b])
          }
        }
      }
      for a in 0..<count { for b in 0..<a { gram[a * count + b] = gram[b * count + a] } }
      return gram
    }
    var blocks: [String: (gram: [Double], elements: Int, tensors: Set<String>)] = [:]
    for (step, gram) in zip(session.steps, grams) {
      let key = Self.block(of: step)
      var own = blocks[key] ?? ([Double](repeating: 0, count: count * count), 0, [])
      for index in gram.indices { own.gram[index] += gram[index] }
      own.elements += step.elements.count
      own.tensors.insert(step.name)
      blocks[key] = own
    }
    // From the last layer to the first, as published: of equal pairs the first counts.
    let keys = blocks.keys.sorted(by: >)
    var clusters = keys.map { TaskClusters(gram: blocks[$0]?.gram ?? [], count: count) }
    let sizes = keys.map { blocks[$0]?.elements ?? 0 }
    let total = sizes.reduce(0, +)
    let similarity = TaskClusters.Similarity(rawValue: parameters[Self.similarity]) ?? .cosine
    let linkage = TaskClusters.Linkage(rawValue: parameters[Self.linkage]) ?? .merged
    var closest = clusters.map { $0.closest(similarity, linkage) }
    var taken = total * count
    while Double(taken) > parameters[Self.size] * Double(total) {
      var best: Int?
      for index in keys.indices {
        guard let value = closest[index]?.value else { continue }
        if value > best.flatMap({ closest[$0]?.value }) ?? -.infinity { best = index }
      }
      guard let best, let pair = closest[best] else { break }
      clusters[best].merge(pair.first, pair.second)
      closest[best] = clusters[best].closest(similarity, linkage)
      taken -= sizes[best]
    }
    for (key, own) in zip(keys, clusters) {
      for tensor in blocks[key]?.tensors ?? [] { state.clusters[tensor] = own }
    }
    if parameters[Self.inner] == "ties" {
      state.ties = try await TiesSelection(session, density: parameters[MultiTaskVector.density])
    }
    return state
  }

  /// What sorts like the layers, the kinds of modules, and modules outside of layers before all.
  private static func block(of step: MergeStep) -> String {
    let module = ModuleName(step.name, layer: step.layer ?? -1)
    guard let layer = step.layer else { return " \(module.text)" }
    let number = String(layer)
    let digits = String(repeating: "0", count: max(0, 6 - number.count)) + number
    let stack = step.name.prefix { !$0.isNumber }
    return "layer \(digits) \(stack) \(module.kind)"
  }

  /// Makes one tensor of the shared model.
  public func merge(_ inputs: MergeInputs, state: State) throws(TinctureError) {
    let clusters = state.clusters[inputs.step.name]
    let members = clusters.map { $0.members[$0.main] } ?? []
    try inputs.produce(.taskVectors) { (block, output) throws(TinctureError) in
      Self.merge(&block, inputs, members, state.ties, into: &output)
    }
  }

  /// The vector of a cluster, on the base.
  private static func merge(
    _ block: inout ElementBlock, _ inputs: MergeInputs, _ members: [Int], _ ties: TiesSelection?,
    into output: inout MutableSpan<Float>
  ) {
    var weights = [Float](repeating: 0, count: block.modelCount)
    for member in members { weights[member] = 1 }
    // A task alone stays as it is.
    let scale = members.count > 1 ? Float(inputs[Self.scale]) : 1
    if members.count > 1, let ties {
      ties.trim(&block)
      block.elect(
        votes: weights, weights: weights, divisor: .participants, scale: scale, into: &output)
    } else {
      let divisor = inputs[Self.inner] == "average" ? Float(members.count) : 1
      block.weightedSum(weights, scale: scale / divisor, addingBase: true, into: &output)
    }
  }

  /// Writes what clusters have that are not in the shared model.
  public func complete(_ output: MergedOutput, _ session: MergeSession, state: State)
    async throws(TinctureError)
  {
    // In the order of the steps' models.
    let names = try TaskNames.all(session.steps)
    let tasks = (session.steps.first?.modelIndices ?? []).map { model in
      names.first { $0.model == model }?.name ?? ""
    }
    var roles = [[(role: String, name: String)]](repeating: [], count: tasks.count)
    var tensors: [OutputLayout.Tensor] = []
    var positions: [String: [Int: Int]] = [:]
    for step in session.steps where positions[step.name] == nil {
      guard let clusters = state.clusters[step.name] else { continue }
      positions[step.name] = [:]
      for (index, members) in clusters.members.enumerated() where index != clusters.main {
        positions[step.name]?[index] = tensors.count
        let name = "\(members.map { tasks[$0] }.joined(separator: "+"))/\(step.name)"
        tensors.append(.init(name: name, dtype: step.dtype, shape: step.shape))
        for member in members {
          roles[member].append((TaskParts.parameterPrefix + step.name, name))
        }
      }
    }
    let descriptions = zip(tasks, roles).map {
      TaskPartsWriter.Description(task: $0, tensors: $1)
    }
    let layout = OutputLayout(
      tensors: tensors, shardSize: .max, stem: "task_parts",
      metadata: [
        (TaskParts.metadataKey, TaskPartsWriter.metadata(method: info.name, descriptions))
      ])
    let writer = try CheckpointWriter.create(
      output.directory.appending(TaskParts.fileName), layout: layout, fingerprint: info.name,
      policy: .init(replace: true))
    let (ranges, places) = (writer.ranges, positions)
    _ = try await session.survey { (inputs) throws(TinctureError) in
      let step = inputs.step
      guard let clusters = state.clusters[step.name], let own = places[step.name],
        let width = step.dtype.byteWidth
      else { return }
      var values = inputs.scratch()
      for (index, position) in own.sorted(by: { $0.key < $1.key }) {
        let place = layout.places[position]
        try inputs.scan(.taskVectors) { (block) throws(TinctureError) in
          let count = block.count
          values.use(count) {
            Kernels.clear(&$0)
            Self.merge(&block, inputs, clusters.members[index], state.ties, into: &$0)
          }
          var bytes = [UInt8](repeating: 0, count: count * width)
          bytes.withUnsafeMutableBytes {
            Kernels.narrow(values.prefix(count), as: step.dtype, into: $0)
          }
          let written = bytes.withUnsafeBytes { bytes in
            Result { () throws(TinctureError) in
              try ranges.write(bytes, file: place.file, offset: place.offset + block.start * width)
            }
          }
          try written.get()
        }
      }
    }
    try writer.finish()
  }
}
