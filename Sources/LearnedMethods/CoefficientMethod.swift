public import TinctureFitting
public import TinctureMerging
public import TinctureTensors

/// A method that learns coefficients of task vectors: θ = θ₀ + Σ λ τ.
public protocol CoefficientMethod: MergeMethod where State == LearnedCoefficients {
  /// How the fit goes.
  func fitSettings(_ parameters: ResolvedParameters, _ options: MergeOptions) -> FitSettings
  /// How coefficients move.
  func coefficientSettings(_ parameters: ResolvedParameters) -> CoefficientSettings
  /// Whether something is done to task vectors first.
  func changesVectors(_ parameters: ResolvedParameters) -> Bool
  /// What is done to task vectors first.
  func change(
    _ session: MergeSession, _ parameters: ResolvedParameters
  ) async throws(TinctureError) -> (any TaskVectorChange)?
  /// Learns the coefficients; by default in a single fit.
  func learn(_ fit: CoefficientFit) throws(TinctureError) -> LearnedTable
  /// Whether task vectors are kept in memory when they fit.
  func keepsVectors(_ parameters: ResolvedParameters) -> Bool
}

extension CoefficientMethod {
  /// Nothing is.
  public func changesVectors(_ parameters: ResolvedParameters) -> Bool { false }

  /// They are.
  public func keepsVectors(_ parameters: ResolvedParameters) -> Bool { true }

  /// A single fit.
  public func learn(_ fit: CoefficientFit) throws(TinctureError) -> LearnedTable {
    try learnAtOnce(fit)
  }

  /// Learns all coefficients in a single fit.
  func learnAtOnce(_ fit: CoefficientFit) throws(TinctureError) -> LearnedTable {
    var settings = coefficientSettings(fit.parameters)
    settings.seed = fit.session.options.seed
    let merge = CoefficientMerge(fit.vectors, settings, on: fit.problem.device)
    let outcome = try fit.run(merge, fitSettings(fit.parameters, fit.session.options))
    return LearnedTable(merge.table, outcome)
  }

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
    try Learning.check(plan, info, settings)
  }

  /// How long the fit goes and what it holds in memory.
  public func preparation(_ plan: MergePlan, memoryLimit: Int) -> String? {
    let parameters = plan.steps.first?.parameters ?? .init()
    let settings = fitSettings(parameters, plan.options)
    return Learning.text(
      plan, settings, memoryLimit: keepsVectors(parameters) ? memoryLimit : 0,
      isChanged: changesVectors(parameters))
  }

  /// Learns the coefficients.
  public func prepare(_ session: MergeSession) async throws(TinctureError) -> State {
    let parameters = session.steps.first?.parameters ?? .init()
    let change = try await change(session, parameters)
    let problem = try LearningProblem(
      steps: session.steps, copies: session.copies, options: session.options)
    let vectors = try problem.vectors(
      memoryLimit: keepsVectors(parameters) ? session.memoryLimit : 0, workers: session.workers,
      change: change)
    let fit = CoefficientFit(
      problem: problem, vectors: vectors, parameters: parameters, session: session)
    return try LearnedCoefficients(fit, learn(fit), method: info.name, change: change)
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
      guard let rows, rows.pieces.count > 1 else {
        let values = rows?.pieces.first?.values ?? state.fallback
        block.weightedSum(values, addingBase: true, into: &output)
        return
      }
      Kernels.copy(block.base, to: &output)
      let range = block.start..<block.start + block.count
      if let random = rows.parts {
        let parts = random.parts(of: range)
        for task in 0..<block.modelCount {
          RandomParts.add(
            block[model: task], times: rows.pieces.map { $0.values[task] }, parts, to: &output)
        }
        return
      }
      for row in rows.pieces {
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
