internal import TinctureLinearAlgebra
public import TinctureMerging
public import TinctureTensors

/// Scales each singular direction of a merged model by how far the task vectors agree in it.
///
/// For a merged matrix θ₀ + Δ with Δ = U diag(σ) Vᵀ: bᵣ = uᵣᵀ Δ, aᵣᵢ = uᵣᵀ τᵢ, sᵣᵢ = ⟨bᵣ, aᵣᵢ⟩ / ‖aᵣᵢ‖²,
/// γᵣ = T / Σᵢ max(α, sᵣᵢ) and θ = θ₀ + U diag(γ σ) Vᵀ. Where directions add up beyond single tasks, γ is below 1;
/// it is at most 1 / α. Other tensors stay as they were merged. With `merged: sum` Δ is λ Σ τᵢ; with
/// `merged: first` the first model of the recipe is the merged one, made by any method, and the others are the
/// task's models. Only U is needed, by eigenvalues of the smaller Gram matrix. Singular values up to
/// `tolerance` of the largest keep their directions as they are. ‖aᵣᵢ‖² counts as at least 1e-12, as published.
/// Cost: one decomposition, O(m n min(m, n)), and T products. Source: arXiv:2602.05536.
public struct Svc: MergeMethod {
  static let alpha = Parameter<Double>(
    "alpha", default: 0.1, in: .above(0), "The least agreement that counts; 1 only ever shrinks.")
  static let merged = Parameter<String>(
    "merged", default: "sum", of: ["sum", "first"],
    "What is calibrated: the scaled sum of the task vectors, or the first model of the recipe.")
  static let scale = Parameter<Double>(
    "lambda", default: 0.3, "What the sum of the task vectors is multiplied by.")

  /// The description of the method.
  public let info = MethodInfo(
    name: "svc", aliases: ["singular_value_calibration"], title: "Singular value calibration",
    summary: "Scales each singular direction of a merged model by how far the tasks agree in it.",
    formula:
      "Δ = λ Σ τᵢ = U diag(σ) Vᵀ;  sᵣᵢ = uᵣᵀ Δ · uᵣᵀ τᵢ / ‖uᵣᵀ τᵢ‖²;  γᵣ = T / Σᵢ max(α, sᵣᵢ);"
      + "  θ = θ₀ + U diag(γ σ) Vᵀ",
    source: "Singular value calibration, 2026", link: "https://arxiv.org/abs/2602.05536",
    base: .required, models: 1...Int.max, streaming: .tensor,
    parameters: [alpha, merged, scale, Spectral.matrices, Spectral.tolerance],
    presets: [
      .init(
        "tsv_m", [("alpha", .number(1)), ("merged", .text("first"))],
        "FusionBench's value for a model that TSV-M merged."),
      .init(
        "iso_cts", [("alpha", .number(0.2)), ("merged", .text("first"))],
        "FusionBench's value for a model that Iso-CTS merged."),
    ])

  /// Creates the method.
  public init() {}

  /// Needs BLAS and LAPACK.
  public func requireFacilities() throws(TinctureError) { _ = try Backend.shared }

  /// A merged model needs the models that it was made of.
  public func objection(to parameters: ResolvedParameters, modelCount: Int) -> String? {
    parameters[Self.merged] == "first" && modelCount < 2
      ? "merged: first needs the merged model and at least one of those it was made of" : nil
  }

  /// The merged and one other task vector, factors and images.
  public func workingMemory(_ parameters: ResolvedParameters, _ scope: WorkingScope)
    -> WorkingMemory
  {
    Spectral.memory(parameters, scope, matrices: 2, factors: 3, squares: 0)
  }

  /// Makes one tensor.
  public func merge(_ inputs: MergeInputs, state: Void) throws(TinctureError) {
    try merge(inputs, isGiven: inputs[Self.merged] == "first", scale: inputs[Self.scale])
  }

  /// Makes one tensor.
  ///
  /// - Parameters:
  ///   - inputs: The tensors.
  ///   - isGiven: Whether the first model is the merged one.
  ///   - scale: What the sum of the task vectors is multiplied by otherwise.
  /// - Throws: What reading throws, or an error of the library.
  func merge(_ inputs: MergeInputs, isGiven: Bool, scale: Double) throws(TinctureError) {
    guard inputs.isMatrix else {
      if isGiven { return try inputs.produceCombination(first(of: inputs), .values) }
      let shares = [Double](repeating: scale, count: inputs.modelCount)
      return try inputs.produceCombination(shares, base: 1, .taskVectors)
    }
    guard try inputs.isFinite() else {
      return try inputs.produce(ontoBase: .notANumber(inputs.step.shape), times: 1)
    }
    let weights = [Double](repeating: 1, count: inputs.modelCount)
    let tasks = try TaskMatrices<Double>(inputs, weights)
    var merged = try isGiven ? tasks.read(0) : tasks.sum()
    if !isGiven { merged.scale(by: scale) }
    let experts = isGiven ? 1..<tasks.count : 0..<tasks.count
    if merged.largestMagnitude > 0 { try calibrate(&merged, experts, tasks) }
    try inputs.produce(ontoBase: merged, times: 1)
  }

  private func first(of inputs: MergeInputs) -> [Double] {
    (0..<inputs.modelCount).map { $0 == 0 ? 1 : 0 }
  }

  /// Adds U diag(γ − 1) Uᵀ Δ.
  private func calibrate(
    _ merged: inout Matrix<Double>, _ experts: Range<Int>, _ tasks: TaskMatrices<Double>
  ) throws(TinctureError) {
    let algebra = tasks.algebra
    let alpha = tasks.inputs[Self.alpha]
    let svd = try tasks.decompose(merged)
    var images = try algebra.multiply(svd.u, merged, transposing: .first)
    var sums = [Double](repeating: 0, count: svd.rank)
    for model in experts {
      let own = try algebra.multiply(svd.u, tasks.read(model), transposing: .first)
      for r in sums.indices {
        let (b, a) = (images.row(r), own.row(r))
        var (product, square) = (0.0, 0.0)
        for j in 0..<a.count {
          product += a[j] * b[j]
          square += a[j] * a[j]
        }
        sums[r] += max(alpha, product / max(square, 1e-12))
      }
    }
    images.scaleRows(by: sums.map { Double(experts.count) / $0 - 1 })
    try algebra.multiply(svd.u, images, into: &merged)
  }
}
