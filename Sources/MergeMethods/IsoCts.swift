internal import TinctureLinearAlgebra
public import TinctureMerging
public import TinctureTensors

/// Gives the common directions of all tasks and the task's own ones beside them the same weight.
///
/// For matrices with k = min(m, n): the sum Σ wᵢ τᵢ keeps its first c singular vectors, the common subspace. Each
/// task vector without what lies in the common left vectors, Rᵢ = wᵢ τᵢ − U_c U_cᵀ wᵢ τᵢ, adds its first s / T singular
/// values and vectors, where s = T round((k − ⌊f k⌋) / T) and c = k − s. Side by side they are U diag(σ) V;
/// Δ = mean(σ) polar(U) polar(V), the mean over all k. For other tensors Δ = mean(wᵢ τᵢ). θ = θ₀ + α Δ.
///
/// Halves are rounded to even, as published. Where s would leave no common direction it is the largest
/// multiple of T below k; where s is 0 the method is Iso-C. Directions that the task vectors do not determine
/// stay zero; with `null_space: reference` they get arbitrary vectors.
/// Cost: T + 1 decompositions, O(T m n k), and two of k × k matrices.
/// Source: Marczak et al., arXiv:2502.04959.
public struct IsoCts: MergeMethod {
  static let fraction = Parameter<Double>(
    "common_space_fraction", default: 0.8, in: .fraction,
    "The share of the singular directions that come from the sum of the task vectors.")

  /// The description of the method.
  public let info = MethodInfo(
    name: "iso_cts", title: "Iso-CTS",
    summary: "Gives common directions of all tasks and the tasks' own directions the same weight.",
    formula:
      "Σ wᵢ τᵢ ≈ U_c diag(σ_c) V_c;  (1 − U_c U_cᵀ) wᵢ τᵢ ≈ Uᵢ diag(σᵢ) Vᵢ;"
      + "  θ = θ₀ + α mean(σ) polar(U₁…U_T, U_c) polar(V₁…V_T, V_c);  not a matrix: θ₀ + α mean(wᵢ τᵢ)",
    source: "Marczak et al. 2025, No Task Left Behind", link: "https://arxiv.org/abs/2502.04959",
    base: .required, models: 1...Int.max, streaming: .tensor,
    parameters: [
      Spectral.weight, Spectral.alpha, fraction, Spectral.matrices, Spectral.nullSpace,
      Spectral.tolerance,
    ])

  /// Creates the method.
  public init() {}

  /// Needs BLAS and LAPACK.
  public func requireFacilities() throws(TinctureError) { _ = try Backend.shared }

  /// The sum or one task vector and its remainder, the factors in parts and joined, squares between them.
  public func workingMemory(_ parameters: ResolvedParameters, _ scope: WorkingScope)
    -> WorkingMemory
  {
    Spectral.memory(parameters, scope, matrices: 2, factors: 5, squares: 5)
  }

  /// Makes one tensor.
  public func merge(_ inputs: MergeInputs, state: Void) throws(TinctureError) {
    try inputs.mergeMatrices { (tasks) throws(TinctureError) in
      let own = Self.ownDirections(
        of: tasks.smallerExtent, tasks: tasks.count, fraction: inputs[Self.fraction])
      let common = tasks.smallerExtent - own * tasks.count
      let sum = try tasks.sum()
      // Where task vectors cancel each other there is nothing in common.
      let shared = try sum.largestMagnitude > 0 ? CommonSpace(sum, rank: common, of: tasks) : nil
      guard own > 0 else {
        guard let shared else { return nil }
        return try IsoC.flattened(shared.svd, of: tasks)
      }
      var parts: [SVD<Double>] = []
      for model in 0..<tasks.count {
        if let part = try Self.remainder(model, beside: shared, rank: own, of: tasks) {
          parts.append(part)
        }
      }
      return try Self.joined(tasks: parts, common: shared.map { [$0.svd] } ?? [], of: tasks)
    }
  }

  /// How many directions each task has of its own.
  static func ownDirections(of k: Int, tasks: Int, fraction: Double) -> Int {
    let rest = k - Int(Double(k) * fraction)
    let each = Int((Double(rest) / Double(tasks)).rounded(.toNearestOrEven))
    return min(each, (k - 1) / tasks)
  }

  /// What a task vector has outside of the common left vectors; nil for nothing but rounding.
  private static func remainder(
    _ model: Int, beside common: CommonSpace?, rank: Int, of tasks: TaskMatrices
  ) throws(TinctureError) -> SVD<Double>? {
    let task = try tasks.read(model)
    let least = tasks.inputs[Spectral.tolerance] * task.frobeniusNorm
    guard Spectral.completes(tasks.inputs.step.parameters) else {
      guard task.largestMagnitude > 0 else { return nil }
      let part =
        if let common { try common.remainder(of: task, rank: rank, tasks) } else {
          try tasks.decompose(task, rank: rank)
        }
      return part.prefix(part.singularValues.prefix { $0 > least }.count)
    }
    return try tasks.decompose(common?.without(task, tasks.algebra) ?? task, rank: rank)
  }

  /// mean(σ) polar(U) polar(V).
  private static func joined(
    tasks parts: [SVD<Double>], common: [SVD<Double>], of tasks: TaskMatrices
  ) throws(TinctureError) -> Matrix<Double>? {
    guard !(parts + common).isEmpty else { return nil }
    let algebra = tasks.algebra
    let all = JoinedDirections(parts + common)
    let mean = all.values.reduce(0, +) / Double(tasks.smallerExtent)
    var result: Matrix<Double>
    if Spectral.completes(tasks.inputs.step.parameters) {
      result = try algebra.multiply(
        algebra.polarBySVD(all.u, nullSpace: .completed).factor,
        algebra.polarBySVD(all.vt, nullSpace: .completed).factor)
    } else {
      // The left vectors of tasks are orthogonal to the common ones, so that only theirs are turned.
      let own = parts.reduce(0) { $0 + $1.rank }
      let left = try OrthonormalVectors(all.u.columns(0..<own), .columns, algebra)
      let right = try OrthonormalVectors(all.vt, .rows, algebra)
      let (count, root) = (all.values.count, right.root)
      let core = Matrix.stacked(
        [try algebra.multiply(left.root, root.rows(0..<own)), root.rows(own..<count)],
        columns: count)
      let turned = Matrix.joined(
        [left.vectors, all.u.columns(own..<count)], rows: all.u.rows)
      result = try algebra.multiply(algebra.multiply(turned, core), right.vectors)
    }
    result.scale(by: mean)
    return result
  }
}
