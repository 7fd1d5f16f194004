internal import SystemPackage
internal import TinctureBanks
internal import TinctureCheckpoints
public import TinctureMerging
public import TinctureTensors

extension FlexMerge {
  /// Writes what tasks have that is not in the shared model.
  public func complete(_ output: MergedOutput, _ session: MergeSession, state: State)
    async throws(TinctureError)
  {
    guard let parameters = session.steps.first?.parameters else { return }
    let inner = Self.inner(parameters)
    if inner.hasMasks {
      try await writeMasks(output, session, state, inner)
    } else {
      try await writeParts(output, session, state)
    }
  }

  /// The memory for masks.
  public func completionMemory(_ plan: MergePlan, workers: Int, limit: Int) -> Int {
    guard let parameters = plan.merged.first?.parameters, Self.inner(parameters).hasMasks else {
      return 0
    }
    return MergedOutput.maskMemory(
      plan.merged, workers: workers, limit: limit, keepsTensors: true)
  }

  /// Writes a bank: masks of the tasks in a block's largest cluster, and what other tasks have.
  private func writeMasks(
    _ output: MergedOutput, _ session: MergeSession, _ state: State, _ inner: Inner
  ) async throws(TinctureError) {
    let tasks = try TaskNames.all(session.steps)
    var codec = BankCodec(inner == .emr ? .emr : .tall)
    codec.rescaling = .means
    let thresholds = try MultiTaskVector.thresholds(session.steps, Self.threshold)
    let masks = TaskMasks(
      codec,
      tasks: tasks.map { task in
        .init(
          name: task.name, location: task.location,
          threshold: inner == .emr ? 0 : thresholds[task.model] ?? 0)
      })
    // Tasks are numbered by their models' places in the steps.
    let positions = session.steps.first?.modelIndices ?? []
    let numbers = tasks.map { positions.firstIndex(of: $0.model) ?? 0 }
    try await output.write(masks, of: tasks.map(\.model), session) { name in
      guard let clusters = state.clusters[name] else { return TaskMasks.Layout() }
      let masked = clusters.masked
      let main = clusters.members[clusters.main].first
      let uses = numbers.map { number -> TaskMasks.Use in
        if masked.contains(number) { return .mask }
        return masked.isEmpty && number == main ? .merged : .own
      }
      return TaskMasks.Layout(uses: uses, group: state.blocks[name] ?? "")
    }
  }

  /// Writes what clusters have that are not in the shared model, once for each.
  private func writeParts(_ output: MergedOutput, _ session: MergeSession, _ state: State)
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
            Self.merge(&block, inputs, clusters.members[index], state, into: &$0)
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
