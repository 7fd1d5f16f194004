public import TinctureMerging
public import TinctureTensors

/// Scales each singular direction of the merged task vector by how far the task vectors agree in it.
///
/// It is the method `svc` with `merged: first`, without a file in between.
/// Source: arXiv:2602.05536.
public struct SvcFilter: MergedVectorFilter {
  private let method = Svc()

  /// The description of the step.
  public let info = FilterInfo(
    name: "svc", aliases: ["singular_value_calibration"],
    summary: "Scales each singular direction by how far the models' task vectors agree in it.",
    formula: "τ = U diag(σ) Vᵀ;  sᵣᵢ = uᵣᵀ τ · uᵣᵀ τᵢ / ‖uᵣᵀ τᵢ‖²;  γᵣ = T / Σᵢ max(α, sᵣᵢ)"
      + ";  τ ← U diag(γ σ) Vᵀ",
    source: "Singular value calibration, 2026", link: "https://arxiv.org/abs/2602.05536",
    parameters: [Svc.alpha, Spectral.matrices, Spectral.tolerance])

  /// Creates the filter.
  public init() {}

  /// Matrices are taken apart.
  public var takesWholeTensors: Bool { true }

  /// A tensor is decomposed as a whole.
  public func isElementwise(_ parameters: ResolvedParameters) -> Bool { false }

  /// Needs BLAS and LAPACK.
  public func requireFacilities() throws(TinctureError) { try method.requireFacilities() }

  /// That of the method.
  public func workingMemory(_ parameters: ResolvedParameters, _ scope: WorkingScope)
    -> WorkingMemory
  { method.workingMemory(parameters, scope) }

  /// Holds tensors.
  public func cost(_ parameters: ResolvedParameters) -> String? {
    "holds each merged tensor in memory and reads the models' tensors once more"
  }

  /// Calibrates the merged tensor.
  public func merge(_ inputs: MergeInputs) throws(TinctureError) {
    try method.merge(inputs, isGiven: true, scale: 1)
  }
}
