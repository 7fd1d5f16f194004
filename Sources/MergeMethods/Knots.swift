internal import TinctureLinearAlgebra
public import TinctureMerging
public import TinctureTensors

/// Merges task vectors in the coordinates of their common singular directions.
///
/// For matrices O × I the task vectors side by side are [τ₁ … τ_T] = U diag(σ) [V₁ … V_T]; directions with
/// σ ≤ `epsilon` are left out. Zᵢ = diag(σ) Vᵢ = Uᵀ τᵢ are R × I and comparable between tasks, and θ = θ₀ + λ U merge(Z).
/// `inner` says how: `ties` keeps the elements of each Zᵢ that are among the share `density` of largest
/// magnitudes of the whole model, elects the sign of their sum and takes the mean of those that agree (elements
/// that cancel exactly give zero); `dare_ties` keeps as many at random, divided by the share; `mean` and `sum` are task arithmetic. For tensors that are not matrices
/// θ = θ₀ + λ mean(τᵢ), or the sum.
///
/// Only U is needed, by eigenvalues of Σ τᵢ τᵢᵀ in double precision. Coordinates are products in double precision, rounded
/// to single; TIES looks at them three times, twice for the thresholds, and keeps them and U on the disk meanwhile where
/// that is not nearly full. Defaults are those for CLIP ViT-B/32. Adapters take part by their full deltas, α / r included,
/// which the published code leaves out. Cost: O(O² T I + O³) for each matrix.
/// Source: Stoica et al., arXiv:2410.19735.
public struct Knots: MergeMethod {
  /// The threshold of each model's elements, by its position in the recipe; others keep everything.
  public struct State: Sendable {
    let cuts: [Int: Float]
    /// The coordinates of matrices and behind them the common left vectors, from the pass that found them first.
    var coordinates: StepStore?
  }

  static let inner = Parameter<String>(
    "inner", default: "ties", of: ["ties", "dare_ties", "mean", "sum"],
    "How the coordinates are merged.")
  static let density = Parameter<Double>(
    "density", default: 0.2, in: .fraction,
    "The fraction of each model's coordinates that stays under ties and dare_ties.")
  static let scale = Parameter<Double>(
    "lambda", default: 0.6, "What the merged task vector is multiplied by.")
  static let epsilon = Parameter<Double>(
    "epsilon", default: 1e-5, in: .atLeast(0), "Singular values up to this are left out.")

  /// The description of the method.
  public let info = MethodInfo(
    name: "knots", title: "KnOTS",
    summary: "Merges task vectors in the coordinates of their common singular directions.",
    formula:
      "[τ₁ … τ_T] = U diag(σ) [V₁ … V_T];  θ = θ₀ + λ U merge(diag(σ) V₁, …, diag(σ) V_T)",
    source: "Stoica et al. 2025, Model merging with SVD to tie the KnOTS",
    link: "https://arxiv.org/abs/2410.19735", base: .required, models: 1...Int.max,
    streaming: .model,
    parameters: [inner, density, scale, epsilon, Spectral.matrices])

  /// Creates the method.
  public init() {}

  /// Needs BLAS and LAPACK.
  public func requireFacilities() throws(TinctureError) { _ = try Backend.shared }

  /// A task vector, the sum of products, U, the coordinates of all tasks, histograms.
  public func workingMemory(_ parameters: ResolvedParameters, _ scope: WorkingScope)
    -> WorkingMemory
  {
    guard scope.shape.rank == 2, parameters[Spectral.matrices] else { return WorkingMemory() }
    let (rows, columns) = (scope.shape.extents[0], scope.shape.extents[1])
    let square = FactorizationMemory(rows: rows, columns: rows, precision: .double)
    let coordinates = (4 * scope.modelCount + 24) * rows * columns
    return WorkingMemory(
      bytes: coordinates + 24 * rows * rows + square.eigh
        + scope.modelCount * OrderStatistic.memory(ranks: 1))
  }

  /// Finds the thresholds over the whole model.
  public func prepare(_ session: MergeSession) async throws(TinctureError) -> State {
    let ties = session.steps.filter { $0.parameters[Self.inner] == "ties" }
    let densities = Set(ties.map { $0.parameters[Self.density] })
    guard let density = densities.first, densities != [1] else { return State(cuts: [:]) }
    let store = session.store("knots")
    guard densities.count == 1 else {
      throw TinctureError(.recipe, "knots needs one density for the whole model.")
    }
    let found = try await session.findings(.magnitude) { _, total in
      // The published rule keeps the element on the threshold and so one more than asked.
      [max(0, total - Int(density * Double(total)) - 1)]
    } visit: { (inputs, count) throws(TinctureError) in
      guard let tasks = try Self.coordinates(inputs, store)?.tasks else { return }
      for (z, model) in zip(tasks, inputs.step.modelIndices) {
        count(z.elements, model)
      }
    }
    return State(cuts: found.compactMapValues(\.first), coordinates: store)
  }

  /// Makes one tensor.
  public func merge(_ inputs: MergeInputs, state: State) throws(TinctureError) {
    let scale = inputs[Self.scale]
    guard inputs.isMatrix else {
      let share = inputs[Self.inner] == "sum" ? scale : scale / Double(inputs.modelCount)
      let shares = [Double](repeating: share, count: inputs.modelCount)
      return try inputs.produceCombination(shares, base: 1, .taskVectors)
    }
    guard try inputs.isFinite() else {
      return try inputs.produce(ontoBase: .notANumber(inputs.step.shape), times: 1)
    }
    guard let found = try Self.coordinates(inputs, state.coordinates) else {
      return try inputs.produceBase()
    }
    let merged = combine(found.tasks, inputs, state).converted(to: Float.self)
    let delta = try Backend.shared.multiply(found.directions(), merged, transposing: .first)
    try inputs.produce(ontoBase: delta, times: scale)
  }

  /// Task vectors in common coordinates.
  private struct Coordinates {
    /// Zᵢ = Uᵀ τᵢ for each task.
    var tasks: [Matrix<Float>]
    /// Uᵀ.
    var directions: () throws(TinctureError) -> Matrix<Float>
  }

  /// The coordinates of all tasks; nil for other tensors and where nothing was changed.
  private static func coordinates(
    _ inputs: MergeInputs, _ store: StepStore?
  ) throws(TinctureError) -> Coordinates? {
    guard inputs.isMatrix, try inputs.isFinite() else { return nil }
    let weights = [Double](repeating: 1, count: inputs.modelCount)
    let tasks = try TaskMatrices<Float>(inputs, weights)
    if let store, let kept = try kept(tasks, store) { return kept }
    let algebra = tasks.algebra
    let common = try algebra.commonDirections(
      extent: tasks.rows, count: tasks.count, above: inputs[epsilon]
    ) { (model) throws(TinctureError) in try tasks.read(model) }
    guard common.rows.rows > 0 else { return nil }
    var found: [Matrix<Float>] = []
    for model in 0..<tasks.count {
      let wide = try tasks.read(model).converted(to: Double.self)
      found.append(try algebra.multiply(common.rows, wide).converted(to: Float.self))
    }
    let directions = common.rows.converted(to: Float.self)
    for (part, numbers) in (found + [directions]).enumerated() {
      store?.keep(numbers.elements, for: inputs.step, part: part)
    }
    return Coordinates(tasks: found) { directions }
  }

  /// What an earlier pass has kept; nil where some of it is not there.
  private static func kept(
    _ tasks: TaskMatrices<Float>, _ store: StepStore
  ) throws(TinctureError) -> Coordinates? {
    func read(_ part: Int, columns: Int) throws(TinctureError) -> Matrix<Float>? {
      try store.read(tasks.inputs.step, part: part, as: Float.self) { (numbers: Span<Float>) in
        Matrix(rows: numbers.count / columns, columns: columns, copying: numbers)
      }
    }
    var found: [Matrix<Float>] = []
    for model in 0..<tasks.count {
      guard let z = try read(model, columns: tasks.columns) else { return nil }
      found.append(z)
    }
    guard store.holds(tasks.inputs.step, part: tasks.count) else { return nil }
    return Coordinates(tasks: found) { () throws(TinctureError) in
      guard let directions = try read(tasks.count, columns: tasks.rows) else {
        throw TinctureError(
          .io, "The directions of \(tasks.inputs.step.name) are gone from the folder of the merge.")
      }
      return directions
    }
  }

  private func combine(
    _ tasks: [Matrix<Float>], _ inputs: MergeInputs, _ state: State
  ) -> Matrix<Double> {
    switch inputs[Self.inner] {
    case "ties":
      CoordinateMerge.elected(cuts: inputs.step.modelIndices.map { state.cuts[$0] ?? 0 })(tasks)
    case "dare_ties":
      CoordinateMerge.elected(cuts: tasks.map { _ in 0 })(
        tasks.enumerated().map { model, z in
          CoordinateMerge.dropped(
            z, keeping: inputs[Self.density], inputs.random("dare", model: model))
        })
    case "mean": CoordinateMerge.sum(times: 1 / Double(tasks.count))(tasks)
    default: CoordinateMerge.sum(times: 1)(tasks)
    }
  }
}
