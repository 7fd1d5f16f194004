package import TinctureLinearAlgebra
public import TinctureMerging
public import TinctureTensors

/// Joins the leading singular vectors of all tasks and makes them orthogonal to one another.
///
/// For matrices with k = min(m, n), each of T task vectors wᵢ τᵢ keeps its first r = ⌊k / T⌋ singular values and
/// vectors. Side by side they are U [m, T r], diag(σ), V [T r, n]; Δ = polar(U) diag(σ) polar(V), where the polar
/// factor is the nearest matrix with orthonormal columns (rows). For other tensors Δ = mean(wᵢ τᵢ).
/// θ = θ₀ + α Δ. One model alone keeps its task vector. Where models outnumber k, r is 0 and the base
/// stays, as in the published code. Vectors whose singular value is zero, and directions in which vectors
/// of different tasks coincide, get no weight; with `null_space: reference` arbitrary vectors take part.
/// Cost: T decompositions O(m n k), and O((T r)³ + (m + n) (T r)²).
/// Source: Gargiulo et al., arXiv:2412.00081.
public struct TsvM: MergeMethod {
  /// The description of the method.
  public let info = MethodInfo(
    name: "tsv_m", aliases: ["tsvm", "task_singular_vectors"], title: "TSV-M",
    summary: "Joins the leading singular vectors of all tasks, made orthogonal to one another.",
    formula:
      "wᵢ τᵢ ≈ Uᵢ diag(σᵢ) Vᵢ of rank ⌊min(m, n) / T⌋;  θ = θ₀ + α polar(U₁…U_T) diag(σ₁…σ_T) polar(V₁…V_T);"
      + "  not a matrix: θ₀ + α mean(wᵢ τᵢ)",
    source: "Gargiulo et al. 2025, Task Singular Vectors",
    link: "https://arxiv.org/abs/2412.00081",
    base: .required, models: 1...Int.max, streaming: .tensor,
    parameters: [
      Spectral.weight, Spectral.alpha, Spectral.matrices, Spectral.nullSpace, Spectral.tolerance,
      Spectral.precision,
    ])

  /// Creates the method.
  public init() {}

  /// Needs BLAS and LAPACK.
  public func requireFacilities() throws(TinctureError) { _ = try Backend.shared }

  /// One task vector at a time, the factors of all tasks in parts and joined, their Gram matrices.
  public func workingMemory(_ parameters: ResolvedParameters, _ scope: WorkingScope)
    -> WorkingMemory
  {
    Spectral.memory(
      parameters, scope, Spectral.precision(parameters, scope.shape), matrices: 1, factors: 4,
      squares: 4)
  }

  /// Makes one tensor.
  public func merge(_ inputs: MergeInputs, state: Void) throws(TinctureError) {
    try inputs.mergeMatrices(by: self)
  }

  /// Joins task vectors that are at hand, with the defaults of all parameters.
  ///
  /// - Parameter tasks: Matrices of one shape, at least one.
  /// - Returns: Δ; nil is zero.
  /// - Throws: An error if the library fails.
  package static func joined(
    _ tasks: [Matrix<Double>]
  ) throws(TinctureError) -> Matrix<Double>? {
    guard tasks.count > 1 else { return tasks.first }
    let algebra = try Backend.shared
    let rank = (tasks.first?.smallerExtent ?? 0) / tasks.count
    var parts: [SVD<Double>] = []
    for task in tasks where rank > 0 && task.largestMagnitude > 0 {
      parts.append(try algebra.svdByGram(task, keepingAbove: 1e-6, rank: rank))
    }
    return parts.isEmpty
      ? nil : try JoinedDirections(parts).orthogonalized(algebra, completing: false)
  }
}

extension TsvM: MatrixRule {
  /// The leading directions of all tasks, joined.
  func merged<Element: MatrixElement>(
    _ tasks: TaskMatrices<Element>
  ) throws(TinctureError) -> Matrix<Element>? {
    guard tasks.count > 1 else { return try tasks.read(0) }
    let rank = tasks.smallerExtent / tasks.count
    guard rank > 0 else {
      // Numbers that are not finite are noticed nevertheless.
      _ = try tasks.sum()
      return nil
    }
    var parts: [SVD<Element>] = []
    for model in 0..<tasks.count {
      let task = try tasks.read(model)
      if task.largestMagnitude > 0 {
        parts.append(try tasks.decompose(task, rank: rank, like: parts.last))
      }
    }
    guard !parts.isEmpty else { return nil }
    let joined = JoinedDirections(parts)
    parts = []  // The joined ones are copies.
    return try joined.orthogonalized(tasks)
  }
}
