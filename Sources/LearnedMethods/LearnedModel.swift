internal import SystemPackage
internal import TinctureFitting
public import TinctureMerging
public import TinctureTensors

/// A merged model that was put together while it was learned.
public struct LearnedModel: Sendable {
  /// The merged tensors by name.
  let readers: [String: any TensorReader]
  /// The coefficients of task vectors of tensors that no network saw.
  let fallback: [Float]
  /// Files for the output.
  let sidecars: [MergePlan.Sidecar]

  /// Where the tensors are kept until they are written; nil keeps them in memory.
  static func file(_ session: MergeSession) -> FilePath? {
    session.scratch?.appending("learned.safetensors")
  }
}

/// A method that learns merged tensors as a whole, and not only coefficients of task vectors.
public protocol ModelLearningMethod: MergeMethod where State == LearnedModel {}

extension ModelLearningMethod {
  /// Steps may be cut anywhere.
  public func isElementwise(_ parameters: ResolvedParameters) -> Bool { true }

  /// A vector for elements that are copied.
  public func workingMemory(_ parameters: ResolvedParameters, _ scope: WorkingScope)
    -> WorkingMemory
  { WorkingMemory(vectors: 1) }

  /// Needs LibTorch.
  public func requireFacilities() throws(TinctureError) { try Learning.requireEngine() }

  /// Checks models, tasks, data, heads and network against each other.
  public func check(_ plan: MergePlan) throws(TinctureError) {
    try Learning.check(plan, info, needsLabels: false)
  }

  /// Makes one tensor.
  public func merge(_ inputs: MergeInputs, state: State) throws(TinctureError) {
    if let reader = state.readers[inputs.step.name] { return try inputs.passThrough(reader) }
    try inputs.produceWeightedSum(.taskVectors, state.fallback)
  }

  /// The log of the fit.
  public func sidecars(_ state: State) throws(TinctureError) -> [MergePlan.Sidecar] {
    state.sidecars
  }
}
