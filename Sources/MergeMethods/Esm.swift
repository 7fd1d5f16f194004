internal import TinctureLinearAlgebra
public import TinctureMerging
public import TinctureTensors

/// Merges in the directions that the outputs of each layer use on a few examples.
///
/// For a weight [out, in] ([in, out] is told by the statistics) and the Gram matrix G = Xᵀ X / N of its inputs under task i, the essential directions P of the task
/// are the leading r = ⌊out / T⌋ eigenvectors of τᵢ G τᵢᵀ, the principal directions of the outputs X τᵢᵀ without removal of
/// their mean. With νᵢ = ‖τᵢ‖ and e = (λ / mean λ)^p over its mean, U holds P diag(e) of all tasks side by side and B
/// the rows νᵢ² / mean(ν)² diag(e) Pᵀ τᵢ below each other; column j of B counts (‖B_j‖ / mean ‖B‖)² times, and
/// Δ = mean(σ(U)) polar(U) mean(σ(B)) polar(B). Last, tensors of the same name in all layers are weighed against each other:
/// Δ ← Δ (‖Δ‖ / mean ‖Δ‖)². Matrices without Gram matrices are merged as by TSV-M, other tensors averaged;
/// θ = θ₀ + α Δ.
///
/// The published code multiplies by 2 besides, which belongs to α here (`preset: official`), and weighs directions with p = 0.15; the
/// paper has no such weights (`eigenvalue_power: 0`). Where there are fewer inputs than outputs it fills the directions up
/// with unit vectors and scales by the norm of what these see; here the rank is that of the outputs, and νᵢ the norm
/// of the whole task vector. Cost: O(out² in + out³) or O(in³ + out in²), whichever side is smaller, for each task, twice.
/// Source: arXiv:2602.20208.
public struct Esm: MergeMethod {
  /// What each matrix is multiplied by beside its layers.
  public struct State: Sendable {
    let factors: [String: Double]
  }

  static let power = Parameter<Double>(
    "eigenvalue_power", default: 0.15, in: .atLeast(0),
    "The power of a direction's share of the outputs in its weight.")
  static let balances = Parameter<Bool>(
    "layer_balance", default: true, "Whether layers are weighed against each other.")

  /// The description of the method.
  public let info = MethodInfo(
    name: "esm", aliases: ["essential_subspace"], title: "ESM",
    summary: "Merges in the directions that the outputs of each layer use on a few examples.",
    formula:
      "τᵢ Gᵢ τᵢᵀ = Pᵢ diag(λᵢ) Pᵢᵀ;  U = [P₁ … P_T] diag(e), B = diag(e ν²) [P₁ᵀ τ₁; …; P_Tᵀ τ_T];"
      + "  θ = θ₀ + α mean(σ(U)) polar(U) mean(σ(B)) polar(B), by layer;  no Gram matrix: tsv_m",
    source: "Essential subspace merging, CVPR 2026", link: "https://arxiv.org/abs/2602.20208",
    base: .required, models: 1...Int.max, streaming: .model, statistics: .gram,
    parameters: [
      Spectral.weight, Spectral.alpha, power, balances, Spectral.matrices,
      Spectral.nullSpace, Spectral.tolerance,
    ],
    presets: [
      .init("official", [("alpha", .number(2))], "The published code's factor."),
      .init(
        "paper", [("alpha", .number(2)), ("eigenvalue_power", .number(0))], "As in the paper."),
    ])

  /// Creates the method.
  public init() {}

  /// Needs BLAS and LAPACK.
  public func requireFacilities() throws(TinctureError) { _ = try Backend.shared }

  /// A task vector and its outputs, the directions of all tasks, the Gram matrix and its root.
  public func workingMemory(_ parameters: ResolvedParameters, _ scope: WorkingScope)
    -> WorkingMemory
  {
    var memory = Spectral.memory(parameters, scope, matrices: 4, factors: 6, squares: 6)
    guard scope.shape.rank == 2, parameters[Spectral.matrices],
      let columns = scope.statisticsShape?.extents.first
    else { return memory }
    memory.vectors += 1
    let rows = scope.elementCount / max(1, columns)
    let kept = rows / max(1, scope.modelCount) * scope.modelCount
    let joined = FactorizationMemory(rows: kept, columns: max(rows, columns), precision: .double)
    let gram = FactorizationMemory(rows: columns, columns: columns, precision: .double)
    memory.bytes += joined.svdByGram + gram.eigh + 8 * (4 * columns * columns + 2 * rows * rows)
    return memory
  }

  /// Opens the Gram matrices and weighs the layers.
  public func prepare(_ session: MergeSession) async throws(TinctureError) -> State {
    guard let first = session.steps.first, first.parameters[Self.balances] else {
      return State(factors: [:])
    }
    let norms = try await session.survey { (inputs) throws(TinctureError) in
      let name = inputs.step.name
      guard inputs.isMatrix, Self.group(name) != name, try inputs.isFinite() else { return 0.0 }
      return try Self.joined(inputs)?.frobeniusNorm ?? 0
    }
    var groups: [String: [(name: String, norm: Double)]] = [:]
    for (step, norm) in zip(session.steps, norms) where norm > 0 {
      groups[Self.group(step.name), default: []].append((step.name, norm))
    }
    var factors: [String: Double] = [:]
    for members in groups.values {
      let mean = members.reduce(0) { $0 + $1.norm } / Double(members.count)
      for member in members { factors[member.name] = member.norm * member.norm / (mean * mean) }
    }
    return State(factors: factors)
  }

  /// The name with the number of the layer left out.
  static func group(_ name: String) -> String {
    name.split(separator: ".", omittingEmptySubsequences: false)
      .map { Int($0) == nil ? String($0) : "*" }.joined(separator: ".")
  }

  /// Makes one tensor.
  public func merge(_ inputs: MergeInputs, state: State) throws(TinctureError) {
    try inputs.mergeMatrices { (tasks) throws(TinctureError) in try Self.merged(tasks, state) }
  }

  /// The merged task vector of a matrix without α; nil for zero.
  static func merged(
    _ tasks: TaskMatrices<Double>, _ state: State
  ) throws(TinctureError) -> Matrix<Double>? {
    guard var merged = try joined(tasks) else { return nil }
    merged.scale(by: state.factors[tasks.inputs.step.name] ?? 1)
    return merged
  }

  private static func joined(_ inputs: MergeInputs) throws(TinctureError) -> Matrix<Double>? {
    try joined(TaskMatrices<Double>(inputs, inputs[Spectral.weight]))
  }

  private static func joined(_ tasks: TaskMatrices<Double>) throws(TinctureError) -> Matrix<Double>?
  {
    guard let statistics = tasks.inputs.step.statistics.first else {
      return try TsvM().merged(tasks)
    }
    let isTurned = statistics.isInputMajor
    let (rows, columns) = isTurned ? (tasks.columns, tasks.rows) : (tasks.rows, tasks.columns)
    let rank = rows / tasks.count
    let algebra = tasks.algebra
    var (norms, ups, downs) = ([Double](), [Matrix<Double>](), [Matrix<Double>]())
    for model in 0..<tasks.count {
      var task = try tasks.read(model)
      if isTurned { task = task.transposed() }
      let norm = task.frobeniusNorm
      norms.append(norm)
      guard norm > 0 else { continue }
      let gram = try tasks.inputs.gramMatrix(of: model, extent: columns)
      let (vectors, shares) = try directions(task, gram, rank, algebra)
      guard vectors.columns > 0 else { continue }
      let weights = Self.weights(shares, power: tasks.inputs[power])
      var (up, down) = (vectors, try algebra.multiply(vectors, task, transposing: .first))
      up.scaleColumns(by: weights)
      down.scaleRows(by: weights.map { $0 * norm * norm })
      ups.append(up)
      downs.append(down)
    }
    guard !ups.isEmpty else { return nil }
    let mean = norms.reduce(0, +) / Double(norms.count)
    var down = Matrix.stacked(downs, columns: columns)
    down.scale(by: 1 / (mean * mean))
    down.scaleColumns(by: consensus(down))
    let flat = try flattened(.joined(ups, rows: rows), algebra)
    let merged = try algebra.multiply(flat, flattened(down, algebra))
    return isTurned ? merged.transposed() : merged
  }

  /// The leading eigenvectors of τ G τᵀ, and their eigenvalues.
  static func directions(
    _ task: Matrix<Double>, _ gram: Matrix<Double>, _ rank: Int, _ algebra: Backend
  ) throws(TinctureError) -> (vectors: Matrix<Double>, values: [Double]) {
    guard task.rows > task.columns else {
      let outputs = try algebra.multiply(
        algebra.multiply(task, gram), task, transposing: .second)
      var even = outputs.transposed()
      even.add(outputs)
      let eigen = try algebra.eigh(even, leading: min(rank, even.rows))
      let kept = eigen.values.prefix { $0 > 1e-12 * (eigen.values.first ?? 0) && $0 > 0 }.count
      return (eigen.vectors.columns(0..<kept), Array(eigen.values.prefix(kept)))
    }
    // R with R Rᵀ = G; what rounding of the statistics has made negative is zero.
    let eigen = try algebra.eigh(gram)
    var root = eigen.vectors
    root.scaleColumns(by: eigen.values.map { max(0, $0).squareRoot() })
    let svd = try algebra.svdByGram(
      algebra.multiply(task, root), keepingAbove: 1e-6, rank: rank)
    return (svd.u, svd.singularValues.map { $0 * $0 })
  }

  /// (λ / mean λ)^p over its mean.
  private static func weights(_ values: [Double], power: Double) -> [Double] {
    let mean = values.reduce(0, +) / Double(values.count)
    let raised = values.map { Powers.power($0 / mean, power) }
    let size = raised.reduce(0, +) / Double(raised.count)
    return raised.map { $0 / size }
  }

  /// How far the tasks agree that a column matters: (‖B_j‖ / mean ‖B‖)².
  private static func consensus(_ matrix: Matrix<Double>) -> [Double] {
    var squares = [Double](repeating: 0, count: matrix.columns)
    for row in 0..<matrix.rows {
      let elements = matrix.row(row)
      for column in squares.indices { squares[column] += elements[column] * elements[column] }
    }
    let norms = squares.map { $0.squareRoot() }
    let mean = norms.reduce(0, +) / Double(norms.count)
    return mean > 0 ? squares.map { $0 / (mean * mean) } : norms.map { _ in 1 }
  }

  /// mean(σ) polar(M), without the directions in which M is zero.
  private static func flattened(
    _ matrix: Matrix<Double>, _ algebra: Backend
  ) throws(TinctureError) -> Matrix<Double> {
    try algebra.isotropic(matrix, keepingAbove: 1e-6)
  }
}
