internal import Synchronization
internal import TinctureMerging
internal import TinctureTensors

extension MethodConformance {
  /// No more vectors are in use at once than were declared.
  func checkMemory(_ models: ConformanceModels) async throws(TinctureError) -> [String] {
    try await Self.measure(method, trial(models))
  }

  // Opens the existential, so that the state keeps its type.
  private static func measure<Method: MergeMethod>(_ method: Method, _ trial: MergeTrial)
    async throws(TinctureError) -> [String]
  {
    var trial = trial
    let excess = Excess()
    trial.method = MeasuredMethod(method: method, excess: excess)
    trial.inputRounding = .bf16
    _ = try await trial.run()
    return excess.sentences
  }
}

/// What was used beyond what was declared.
private final class Excess: Sendable {
  private let found = Mutex<[String]>([])

  func report(_ sentence: String) { found.withLock { $0.append(sentence) } }

  var sentences: [String] { found.withLock { $0.sorted() } }
}

/// A method that compares the vectors a step used with those it declared.
private struct MeasuredMethod<Method: MergeMethod>: MergeMethod {
  let method: Method
  let excess: Excess

  var info: MethodInfo { method.info }

  func isElementwise(_ parameters: ResolvedParameters) -> Bool {
    method.isElementwise(parameters)
  }

  func workingMemory(_ parameters: ResolvedParameters, _ scope: WorkingScope) -> WorkingMemory {
    method.workingMemory(parameters, scope)
  }

  func prepare(_ session: MergeSession) async throws(TinctureError) -> Method.State {
    try await method.prepare(session)
  }

  func merge(_ inputs: MergeInputs, state: Method.State) throws(TinctureError) {
    try method.merge(inputs, state: state)
    let declared = method.workingMemory(inputs.step.parameters, inputs.workingScope)
    // A block for each input, the output, and one for rounding.
    let allowed = inputs.modelCount + (inputs.hasBase ? 1 : 0) + 2 + declared.vectors
    let used = inputs.workspace.mostLent
    if used > allowed {
      excess.report(
        "\(inputs.step.name) took \(used - allowed) vectors more than the \(declared.vectors) declared"
      )
    }
  }
}
