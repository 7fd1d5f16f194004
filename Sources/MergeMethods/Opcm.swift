internal import TinctureLinearAlgebra
public import TinctureMerging
public import TinctureTensors

/// Takes models in one after another, each without what the models before it have already decided.
///
/// The merged task vector P begins with the first model's. For each further task vector D of a matrix, with
/// P = U diag(σ) Vᵀ, D' = D − Σᵢ uᵢ uᵢᵀ D vᵢ vᵢᵀ − Σ_{i≠j<r} uᵢ uᵢᵀ D vⱼ vⱼᵀ is added, where r is the first index whose
/// singular values up to it hold more than the share `threshold` of Σ σ. Of other tensors all of D is added. In
/// the end θ = θ₀ + P n̄ / ‖P‖, with n̄ the mean norm of the task vectors and all norms over the whole model.
///
/// The published code rescales P after each model and divides that out again before the next; the
/// factors cancel, so that only the last one is needed. Singular values up to `tolerance` of the
/// largest, whose vectors are arbitrary, take no part; with `null_space: reference` they do, as in the published
/// code. The order of the models matters. A merge goes on from an earlier one's result as its first
/// model when `merged_count`, `merged_norm` and `merged_factor` say what that was: `merge --append`.
///
/// Shapes: matrices m × n; every matrix goes through the models once for the norm, T − 1 decompositions of
/// O(m n min(m, n)), and its result is kept on the disk for the output, or found again where the disk is nearly full. Source: Tang et al., arXiv:2501.09522.
public struct Opcm: MergeMethod {
  /// What is known about the whole model.
  public struct State: Sendable {
    /// What the merged task vector is multiplied by.
    let factor: Double
    /// The mean norm of the task vectors.
    let meanNorm: Double
    /// The merged task vectors of matrices, from the pass that found the norms.
    var merged: StepStore?
  }

  static let threshold = Parameter<Double>(
    "threshold", default: 0.5, in: .fraction,
    "The share of the singular values within which a new task vector must not interfere.")
  static let tolerance = Parameter<Double>(
    "tolerance", default: 1e-7, in: .between(1e-7, 1),
    "Singular values up to this share of the largest count as zero.")
  static let mergedCount = Parameter<Int>(
    "merged_count", default: 0, in: .between(0, 1_000_000_000),
    "How many models the first one merges already; 0 where it is a model like the others.")
  static let mergedNorm = Parameter<Double>(
    "merged_norm", default: 0, in: .atLeast(0), "The mean norm of their task vectors.")
  static let mergedFactor = Parameter<Double>(
    "merged_factor", default: 1, in: .above(0),
    "What their merged task vector was multiplied by in the end.")

  /// The description of the method.
  public let info = MethodInfo(
    name: "opcm", title: "OPCM",
    summary: "Adds task vectors one after another, without what interferes with those before.",
    formula:
      "P = τ₁;  P ← P + τₜ without its part in the leading directions of P;  θ = θ₀ + P mean ‖τₜ‖ / ‖P‖",
    source: "Tang et al. 2025, Merging Models on the Fly", link: "https://arxiv.org/abs/2501.09522",
    base: .required, models: 1...Int.max, streaming: .model,
    parameters: [
      threshold, Spectral.matrices, Spectral.nullSpace, tolerance, Spectral.precision, mergedCount,
      mergedNorm, mergedFactor,
    ])

  /// Creates the method.
  public init() {}

  /// Needs BLAS and LAPACK.
  public func requireFacilities() throws(TinctureError) { _ = try Backend.shared }

  /// The merged and one new task vector, their factors and products; one vector for sums.
  public func workingMemory(_ parameters: ResolvedParameters, _ scope: WorkingScope)
    -> WorkingMemory
  {
    var memory = Spectral.memory(
      parameters, scope, Spectral.precision(parameters, scope.shape), matrices: 2, factors: 3,
      squares: 2)
    memory.vectors = 1
    return memory
  }

  /// An earlier result needs the norm of what it was made of.
  public func objection(to parameters: ResolvedParameters, modelCount: Int) -> String? {
    parameters[Self.mergedCount] > 0 && parameters[Self.mergedNorm] == 0
      ? "merged_count needs the merged_norm and merged_factor of the earlier merge" : nil
  }

  /// The numbers that the next model needs.
  public func continuation(_ state: State, _ parameters: ResolvedParameters, modelCount: Int)
    -> MergeContinuation?
  {
    guard state.meanNorm > 0 else { return nil }
    let earlier = parameters[Self.mergedCount]
    let count = earlier > 0 ? earlier + modelCount - 1 : modelCount
    return MergeContinuation(
      modelCount: count,
      parameters: [
        "merged_count": .number(Double(count)), "merged_norm": .number(state.meanNorm),
        "merged_factor": .number(state.factor),
      ])
  }

  /// Finds the norms of the task vectors and of their merger.
  public func prepare(_ session: MergeSession) async throws(TinctureError) -> State {
    let store = session.store("opcm")
    let found = try await session.survey { (inputs) throws(TinctureError) in
      try Self.squaredNorms(inputs, store)
    }
    var merged = 0.0
    var tasks = [Double](repeating: 0, count: found.map(\.tasks.count).max() ?? 0)
    for step in found {
      // Numbers that are not finite spoil their own tensor only.
      if step.merged.isFinite { merged += step.merged }
      for (model, square) in step.tasks.enumerated() where square.isFinite {
        tasks[model] += square
      }
    }
    var norms = tasks.map { $0.squareRoot() }
    let parameters = session.steps.first?.parameters
    let earlier = parameters?[Self.mergedCount] ?? 0
    if earlier > 0, !norms.isEmpty {
      norms[0] = Double(earlier) * (parameters?[Self.mergedNorm] ?? 0)
    }
    let mean = norms.reduce(0, +) / Double(max(1, norms.count - 1 + max(1, earlier)))
    let factor = merged > 0 ? mean / merged.squareRoot() : 1
    return State(factor: factor, meanNorm: mean, merged: store)
  }

  /// What the models' task vectors are multiplied by first: a merged one by what takes its scale back.
  private static func weights(_ inputs: MergeInputs) -> [Double] {
    var weights = [Double](repeating: 1, count: inputs.modelCount)
    if inputs[mergedCount] > 0 { weights[0] = 1 / inputs[mergedFactor] }
    return weights
  }

  /// Makes one tensor.
  public func merge(_ inputs: MergeInputs, state: State) throws(TinctureError) {
    guard inputs.isMatrix else {
      let shares = Self.weights(inputs).map { state.factor * $0 }
      return try inputs.produceCombination(shares, base: 1, .taskVectors)
    }
    guard try inputs.isFinite() else {
      return try inputs.produce(ontoBase: .notANumber(inputs.step.shape), times: state.factor)
    }
    switch Spectral.precision(inputs.step.parameters, inputs.step.shape) {
    case .single: try Self.produce(inputs, state, Float.self)
    case .double: try Self.produce(inputs, state, Double.self)
    }
  }

  /// Writes what the pass that found the norms has kept, or finds it again.
  private static func produce<Element: MatrixElement>(
    _ inputs: MergeInputs, _ state: State, _ type: Element.Type
  ) throws(TinctureError) {
    let extents = inputs.step.shape.extents
    let stored = try state.merged?.read(
      inputs.step, as: Element.self, count: inputs.step.shape.elementCount
    ) { Matrix(rows: extents[0], columns: extents[1], copying: $0) }
    let merged = if let stored { stored } else { try chain(inputs, type).merged }
    try inputs.produce(ontoBase: merged, times: state.factor)
  }

  private static func squaredNorms(
    _ inputs: MergeInputs, _ store: StepStore
  ) throws(TinctureError) -> (merged: Double, tasks: [Double]) {
    if inputs.isMatrix {
      guard try inputs.isFinite() else { return (0, []) }
      switch Spectral.precision(inputs.step.parameters, inputs.step.shape) {
      case .single: return try keptChain(inputs, store, Float.self)
      case .double: return try keptChain(inputs, store, Double.self)
      }
    }
    var (merged, tasks) = (0.0, [Double](repeating: 0, count: inputs.modelCount))
    let weights = weights(inputs).map { Float($0) }
    var sum = inputs.scratch()
    try inputs.scan(.taskVectors) { (block) throws(TinctureError) in
      sum.use(block.count) { sum in
        Kernels.clear(&sum)
        for model in tasks.indices {
          Kernels.add(block[model: model], times: weights[model], to: &sum)
          Kernels.addDot(block[model: model], block[model: model], to: &tasks[model])
        }
        Kernels.addDot(sum.span, sum.span, to: &merged)
      }
    }
    return (merged, tasks)
  }

  private static func keptChain<Element: MatrixElement>(
    _ inputs: MergeInputs, _ store: StepStore, _ type: Element.Type
  ) throws(TinctureError) -> (merged: Double, tasks: [Double]) {
    let (merged, squares) = try chain(inputs, type)
    store.keep(merged.elements, for: inputs.step)
    let norm = merged.frobeniusNorm
    return (norm * norm, squares)
  }

  /// The merged task vector before it is scaled, and the squared norms of the task vectors.
  private static func chain<Element: MatrixElement>(
    _ inputs: MergeInputs, _ type: Element.Type
  ) throws(TinctureError) -> (merged: Matrix<Element>, squares: [Double]) {
    let tasks = try TaskMatrices<Element>(inputs, weights(inputs))
    var merged = Matrix<Element>(rows: tasks.rows, columns: tasks.columns)
    var squares: [Double] = []
    for model in 0..<tasks.count {
      // Read once the merged one's directions are known, whose search takes as much memory.
      var directions = merged.largestMagnitude > 0 ? try tasks.decompose(merged) : nil
      let task = try tasks.read(model)
      let norm = task.frobeniusNorm
      squares.append(norm * norm)
      merged.add(task)
      if let own = directions.take() {
        try removeInterference(of: task, in: own, from: &merged, tasks)
      }
    }
    return (merged, squares)
  }

  /// Subtracts from the merged task vector what a new one has in the directions that must be kept from it.
  ///
  /// With the merged one's U diag(σ) Vᵀ this is U C Vᵀ. C holds uᵢᵀ τ vⱼ for all i, j within the leading directions and
  /// for i = j beyond them. It is found from some columns of τ at a time: these matrices are as large as memory allows.
  private static func removeInterference<Element: MatrixElement>(
    of task: Matrix<Element>, in directions: consuming SVD<Element>,
    from merged: inout Matrix<Element>, _ tasks: TaskMatrices<Element>
  ) throws(TinctureError) {
    let algebra = tasks.algebra
    let kept = protectedCount(
      directions.singularValues.map { Double($0) }, share: tasks.inputs[threshold])
    var core = Matrix<Element>(rows: kept, columns: kept)
    var diagonal = [Double](repeating: 0, count: directions.rank)
    for start in stride(from: 0, to: tasks.columns, by: 1024) {
      let range = start..<min(tasks.columns, start + 1024)
      let images = try algebra.multiply(
        directions.u, task.columns(range), transposing: .first)
      let part = directions.vt.columns(range)
      for (index, product) in images.rowProducts(with: part).enumerated() {
        diagonal[index] += product
      }
      try algebra.multiply(
        images.rows(0..<kept), part.rows(0..<kept), transposing: .second, into: &core)
    }
    for index in 0..<kept { core[index, index] = Element(diagonal[index]) }
    let leading = try algebra.multiply(core, directions.vt.rows(0..<kept))
    directions.vt.scaleRows(by: diagonal.map { Element($0) })
    directions.vt.replaceRows(from: 0, by: leading)
    try algebra.multiply(directions.u, directions.vt, scale: -1, into: &merged)
  }

  /// The first index whose singular values up to it hold more than a share of their sum; 0 for none.
  static func protectedCount(_ values: [Double], share: Double) -> Int {
    let total = values.reduce(0, +)
    var sum = 0.0
    for (index, value) in values.enumerated() {
      sum += value
      if sum / total > share { return index }
    }
    return 0
  }
}
