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
      Spectral.tolerance, Spectral.precision,
    ])

  /// Creates the method.
  public init() {}

  /// Needs BLAS and LAPACK.
  public func requireFacilities() throws(TinctureError) { _ = try Backend.shared }

  /// The sum or one task vector and its remainder, the factors in parts and joined, squares between them.
  public func workingMemory(_ parameters: ResolvedParameters, _ scope: WorkingScope)
    -> WorkingMemory
  {
    Spectral.memory(
      parameters, scope, Spectral.precision(parameters, scope.shape), matrices: 2, factors: 5,
      squares: 5)
  }

  /// Makes one tensor.
  public func merge(_ inputs: MergeInputs, state: Void) throws(TinctureError) {
    try inputs.mergeMatrices(by: self)
  }

  /// How many directions each task has of its own.
  static func ownDirections(of k: Int, tasks: Int, fraction: Double) -> Int {
    let rest = k - Int(Double(k) * fraction)
    let each = Int((Double(rest) / Double(tasks)).rounded(.toNearestOrEven))
    return min(each, (k - 1) / tasks)
  }

  /// What a task vector has outside of the common left vectors; nil for nothing but rounding.
  private static func remainder<Element: MatrixElement>(
    _ model: Int, beside common: CommonSpace<Element>?, rank: Int, of tasks: TaskMatrices<Element>
  ) throws(TinctureError) -> SVD<Element>? {
    let task = try tasks.read(model)
    let least = tasks.inputs[Spectral.tolerance] * task.frobeniusNorm
    guard Spectral.completes(tasks.inputs.step.parameters) else {
      guard task.largestMagnitude > 0 else { return nil }
      let part =
        if let common { try common.remainder(of: task, rank: rank, tasks) } else {
          try tasks.decompose(task, rank: rank)
        }
      return part.prefix(part.singularValues.prefix { Double($0) > least }.count)
    }
    return try tasks.decompose(common?.without(task, tasks.algebra) ?? task, rank: rank)
  }

  /// mean(σ) polar(U) polar(V).
  private static func joined<Element: MatrixElement>(
    tasks parts: [SVD<Element>], common: [SVD<Element>], of tasks: TaskMatrices<Element>
  ) throws(TinctureError) -> Matrix<Element>? {
    guard !(parts + common).isEmpty else { return nil }
    let algebra = tasks.algebra
    let all = JoinedDirections(parts + common)
    let mean = all.values.reduce(0) { $0 + Double($1) } / Double(tasks.smallerExtent)
    var result: Matrix<Element>
    if Spectral.completes(tasks.inputs.step.parameters) {
      result = try algebra.multiply(
        algebra.polarBySVD(all.u, nullSpace: .completed).factor,
        algebra.polarBySVD(all.vt, nullSpace: .completed).factor)
    } else {
      // The left vectors of tasks are orthogonal to the common ones, so that only theirs are turned.
      let own = parts.reduce(0) { $0 + $1.rank }
      let (turned, rest) = (all.u.columns(0..<own), all.u.columns(own..<all.values.count))
      result = try Self.product(turned, beside: rest, all.vt, algebra)
    }
    result.scale(by: Element(mean))
    return result
  }

  /// [polar(U) | C] polar(V).
  private static func product<Element: MatrixElement>(
    _ own: Matrix<Element>, beside common: Matrix<Element>, _ right: Matrix<Element>,
    _ algebra: Backend
  ) throws(TinctureError) -> Matrix<Element> {
    guard Element.precision == .double else {
      let left = try algebra.polarInSingle(own.converted(to: Float.self), keepingAbove: 1e-7)
      let turned = Matrix.joined(
        [left.factor, common.converted(to: Float.self)], rows: own.rows)
      let rows = try algebra.polarPartsInSingle(
        right.converted(to: Float.self), keepingAbove: 1e-7)
      return try algebra.multiply(chain: [turned] + rows.parts).converted(to: Element.self)
    }
    let left = try OrthonormalVectors(own.converted(to: Double.self), .columns, algebra)
    let right = try OrthonormalVectors(right.converted(to: Double.self), .rows, algebra)
    let (count, root) = (right.root.rows, right.root)
    let core = Matrix.stacked(
      [
        try algebra.multiply(left.root, root.rows(0..<own.columns)), root.rows(own.columns..<count),
      ],
      columns: count)
    let turned = Matrix.joined(
      [left.vectors, common.converted(to: Double.self)], rows: own.rows)
    return try algebra.multiply(algebra.multiply(turned, core), right.vectors)
      .converted(to: Element.self)
  }
}

extension IsoCts: MatrixRule {
  /// The directions of the sum and of the tasks beside them, joined.
  func merged<Element: MatrixElement>(
    _ tasks: TaskMatrices<Element>
  ) throws(TinctureError) -> Matrix<Element>? {
    let own = Self.ownDirections(
      of: tasks.smallerExtent, tasks: tasks.count, fraction: tasks.inputs[Self.fraction])
    let common = tasks.smallerExtent - own * tasks.count
    let sum = try tasks.sum()
    // Where task vectors cancel each other there is nothing in common.
    let shared = try sum.largestMagnitude > 0 ? CommonSpace(sum, rank: common, of: tasks) : nil
    guard own > 0 else {
      guard let shared else { return nil }
      return try IsoC.flattened(shared.svd, of: tasks)
    }
    var parts: [SVD<Element>] = []
    for model in 0..<tasks.count {
      if let part = try Self.remainder(model, beside: shared, rank: own, of: tasks) {
        parts.append(part)
      }
    }
    return try Self.joined(tasks: parts, common: shared.map { [$0.svd] } ?? [], of: tasks)
  }
}
