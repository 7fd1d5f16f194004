internal import TinctureCheckpoints
public import TinctureFitting
public import TinctureMerging
public import TinctureTensors

/// What a fit of coefficients leaves for the merge that follows it.
public struct LearnedCoefficients: Sendable {
  /// The coefficients of each tensor that was learned: ranges of elements, and a number for each task.
  let rows: [String: [(elements: Range<Int>, values: [Float])]]
  /// The coefficients of all other tensors.
  let fallback: [Float]
  /// What is done to task vectors first.
  let change: (any TaskVectorChange)?
  /// Files for the output.
  let sidecars: [MergePlan.Sidecar]

  /// Takes what was learned.
  ///
  /// - Parameters:
  ///   - merge: The coefficients.
  ///   - outcome: What the fit left beside them.
  ///   - method: The name of the method.
  ///   - change: What is done to task vectors first.
  /// - Throws: `engine` when LibTorch fails.
  init(
    _ merge: CoefficientMerge, _ outcome: FitOutcome, method: String,
    change: (any TaskVectorChange)? = nil
  ) throws(TinctureError) {
    let (table, vectors) = (merge.table, merge.vectors)
    var rows: [String: [(elements: Range<Int>, values: [Float])]] = [:]
    for (index, tensor) in vectors.tensors.enumerated() {
      rows[tensor.name] = table.coefficients(ofTensor: index)
    }
    self.rows = rows
    // Tensors that no network sees get what they would have had: the common coefficient, or that of the start.
    fallback = table.coefficientsOfOthers
    self.change = change
    var parts = TaskPartsWriter(method: method)
    try outcome.add(to: &parts)
    let log = FitLog(outcome.history, method: method, vectors.tensors, table)
    var sidecars = log.sidecars
    if !parts.isEmpty {
      sidecars.append(.init(path: TaskParts.fileName, contents: parts.encoded()))
    }
    self.sidecars = sidecars
  }
}

/// A method that learns coefficients of task vectors: θ = θ₀ + Σ λ τ.
public protocol CoefficientMethod: MergeMethod where State == LearnedCoefficients {
  /// How the fit goes.
  func fitSettings(_ parameters: ResolvedParameters, _ options: MergeOptions) -> FitSettings
  /// How coefficients move.
  func coefficientSettings(_ parameters: ResolvedParameters) -> CoefficientSettings
  /// What is done to task vectors first.
  func change(
    _ session: MergeSession, _ parameters: ResolvedParameters
  ) async throws(TinctureError) -> (any TaskVectorChange)?
}

extension CoefficientMethod {
  /// Nothing.
  public func change(
    _ session: MergeSession, _ parameters: ResolvedParameters
  ) async throws(TinctureError) -> (any TaskVectorChange)? { nil }

  /// Steps may be cut anywhere.
  public func isElementwise(_ parameters: ResolvedParameters) -> Bool { true }

  /// A vector for changes.
  public func workingMemory(_ parameters: ResolvedParameters, _ scope: WorkingScope)
    -> WorkingMemory
  { WorkingMemory(vectors: 1) }

  /// Needs LibTorch.
  public func requireFacilities() throws(TinctureError) { try Learning.requireEngine() }

  /// Checks models, tasks, data, heads and network against each other.
  public func check(_ plan: MergePlan) throws(TinctureError) {
    let settings = fitSettings(plan.steps.first?.parameters ?? .init(), plan.options)
    try Learning.check(plan, info, needsLabels: settings.objective.needsLabels)
  }

  /// How long the fit goes and what it holds in memory.
  public func preparation(_ plan: MergePlan, memoryLimit: Int) -> String? {
    let settings = fitSettings(plan.steps.first?.parameters ?? .init(), plan.options)
    return Learning.text(plan, settings, memoryLimit: memoryLimit)
  }

  /// Learns the coefficients.
  public func prepare(_ session: MergeSession) async throws(TinctureError) -> State {
    let parameters = session.steps.first?.parameters ?? .init()
    let change = try await change(session, parameters)
    let problem = try LearningProblem(
      steps: session.steps, copies: session.copies, options: session.options)
    let vectors = try problem.vectors(
      memoryLimit: session.memoryLimit, workers: session.workers, change: change)
    let merge = CoefficientMerge(
      vectors, coefficientSettings(parameters), on: problem.device)
    let settings = fitSettings(parameters, session.options)
    let outcome = try Learning.run(problem, vectors, merge, settings, session)
    return try LearnedCoefficients(merge, outcome, method: info.name, change: change)
  }

  /// Makes one tensor.
  public func merge(_ inputs: MergeInputs, state: State) throws(TinctureError) {
    let rows = state.rows[inputs.step.name]
    var scratch = inputs.scratch()
    try inputs.produce(.taskVectors) { (block, output) throws(TinctureError) in
      if let change = state.change {
        scratch.use(block.count) { scratch in
          change.apply(to: &block, &scratch, of: inputs.step.name)
        }
      }
      guard let rows, rows.count > 1 else {
        let values = rows?.first?.values ?? state.fallback
        block.weightedSum(values, addingBase: true, into: &output)
        return
      }
      Kernels.copy(block.base, to: &output)
      let range = block.start..<block.start + block.count
      for row in rows {
        let piece = row.elements.clamped(to: range)
        guard !piece.isEmpty else { continue }
        let part = piece.lowerBound - block.start..<piece.upperBound - block.start
        var target = output._mutatingExtracting(part)
        for (task, value) in row.values.enumerated() {
          Kernels.add(block[model: task].extracting(part), times: value, to: &target)
        }
      }
    }
  }

  /// Heads and tinted layers, and the log of the fit.
  public func sidecars(_ state: State) throws(TinctureError) -> [MergePlan.Sidecar] {
    state.sidecars
  }
}
