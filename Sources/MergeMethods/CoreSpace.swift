internal import TinctureLinearAlgebra
public import TinctureMerging
public import TinctureTensors

/// Merges LoRA adapters in the small space that all of them span.
///
/// For task vectors wᵢ τᵢ = Bᵢ Aᵢ, with α / r of the adapters in Bᵢ, U are the left singular vectors of [B₁ … B_T] and
/// Vᵀ the right ones of the stacked Aᵢ. The core matrices Mᵢ = Uᵀ Bᵢ Aᵢ V are at most T r × T r and hold all of the
/// task vectors; θ = θ₀ + α U merge(M₁, …, M_T) Vᵀ. `inner` says how: `tsv_m`, `iso_c` and `cart` are the methods of these
/// names, `ties` keeps the share `density` of the largest elements of each matrix, elects signs and takes the mean of
/// those that agree, `dare` keeps as many at random, divided by the share, and takes the mean, `dare_ties` the mean of those
/// that agree, `mean` and `sum` are task arithmetic. Other tensors: θ₀ + α mean(wᵢ τᵢ), or the sum.
///
/// Models that are the base with an adapter (`base+adapter`) give their factors, so that nothing larger than
/// m × T r is decomposed. For other models Bᵢ = Uᵢ diag(σ)^½ and Aᵢ = diag(σ)^½ Vᵢᵀ, from the singular values above
/// `tolerance`. Cost for ranks r: O((m + n) (T r)² + (T r)³) and O(m n T r) for the result.
/// Source: Panariello et al., arXiv:2509.17786.
public struct CoreSpace: MergeMethod {
  static let inner = Parameter<String>(
    "inner", default: "tsv_m",
    of: ["tsv_m", "iso_c", "cart", "ties", "dare", "dare_ties", "mean", "sum"],
    "How the core matrices are merged.")
  static let density = Parameter<Double>(
    "density", default: 0.1, in: .fraction,
    "The fraction of each core matrix's elements that stays under ties and dare.")

  /// The description of the method.
  public let info = MethodInfo(
    name: "core_space", title: "Core Space",
    summary: "Merges LoRA adapters in the small space that all of them span.",
    formula:
      "wᵢ τᵢ = Bᵢ Aᵢ;  U: left vectors of [B₁ … B_T], V: right vectors of [A₁; …; A_T];"
      + "  θ = θ₀ + α U merge(Uᵀ Bᵢ Aᵢ V) Vᵀ;  not a matrix: θ₀ + α mean(wᵢ τᵢ)",
    source: "Panariello et al. 2025, Merging in the Core Space",
    link: "https://arxiv.org/abs/2509.17786", base: .required, models: 1...Int.max,
    streaming: .tensor,
    parameters: [
      Spectral.weight, Spectral.alpha, inner, density, Cart.rank, Cart.scale, Spectral.matrices,
      Spectral.tolerance,
    ])

  /// Creates the method.
  public init() {}

  /// Needs BLAS and LAPACK.
  public func requireFacilities() throws(TinctureError) { _ = try Backend.shared }

  /// The result and one task vector; the factors of all models, apart and joined, and the core matrices.
  public func workingMemory(_ parameters: ResolvedParameters, _ scope: WorkingScope)
    -> WorkingMemory
  {
    guard scope.shape.rank == 2, parameters[Spectral.matrices] else { return WorkingMemory() }
    let (rows, columns) = (scope.shape.extents[0], scope.shape.extents[1])
    let all = scope.adapterRanks ?? scope.modelCount * min(rows, columns)
    let short = min(rows, columns, all)
    let factors = 4 * all * (rows + columns)
    let cores = (scope.modelCount + 6) * short * short
    let decomposition = FactorizationMemory(
      rows: max(rows, columns), columns: all, precision: .double)
    let whole = FactorizationMemory(rows: rows, columns: columns, precision: .double)
    let bytes =
      8 * (2 * rows * columns + factors + cores) + decomposition.svd
      + OrderStatistic.memory(ranks: 1)
    return WorkingMemory(bytes: bytes + (scope.adapterRanks == nil ? whole.svdByGram : 0))
  }

  /// Makes one tensor.
  public func merge(_ inputs: MergeInputs, state: Void) throws(TinctureError) {
    let alpha = inputs[Spectral.alpha]
    let weights = inputs[Spectral.weight]
    guard inputs.isMatrix else {
      let share = inputs[Self.inner] == "sum" ? alpha : alpha / Double(inputs.modelCount)
      return try inputs.produceCombination(weights.map { share * $0 }, base: 1, .taskVectors)
    }
    guard try inputs.isFinite() else {
      return try inputs.produce(ontoBase: .notANumber(inputs.step.shape), times: 1)
    }
    let tasks = try TaskMatrices<Double>(inputs, weights)
    var factors: [Factors] = []
    for model in 0..<tasks.count { factors.append(try Self.factors(model, weights[model], tasks)) }
    guard factors.contains(where: { $0.up.columns > 0 }) else {
      return try inputs.produceBase()
    }
    let algebra = tasks.algebra
    let ups = try algebra.svd(.joined(factors.map(\.up), rows: tasks.rows))
    let downs = try algebra.svd(.stacked(factors.map(\.down), columns: tasks.columns))
    let left = ups.u.columns(0..<ups.numericalRank())
    let right = downs.vt.rows(0..<downs.numericalRank())
    var cores: [Matrix<Double>] = []
    for factor in factors {
      cores.append(
        try algebra.multiply(
          algebra.multiply(left, factor.up, transposing: .first),
          algebra.multiply(factor.down, right, transposing: .second)))
    }
    let merged = try CoreMatrices(cores: cores, inputs: inputs, algebra: algebra).merged()
    let delta = try merged.map { (merged) throws(TinctureError) in
      try algebra.multiply(algebra.multiply(left, merged), right)
    }
    try inputs.produce(ontoBase: delta, times: alpha)
  }

  /// A weighted task vector as a product of two.
  private struct Factors {
    let up: Matrix<Double>
    let down: Matrix<Double>
  }

  private static func factors(
    _ model: Int, _ weight: Double, _ tasks: TaskMatrices<Double>
  ) throws(TinctureError) -> Factors {
    let (rows, columns) = (tasks.rows, tasks.columns)
    if let given = try tasks.inputs.lowRankFactors(model: model) {
      var up = Matrix(rows: rows, columns: given.rank, given.up).converted(to: Double.self)
      up.scale(by: weight * Double(given.scale))
      return Factors(
        up: up,
        down: Matrix(rows: given.rank, columns: columns, given.down).converted(to: Double.self))
    }
    let task = try tasks.read(model)
    guard task.largestMagnitude > 0 else {
      return Factors(
        up: Matrix(rows: rows, columns: 0), down: Matrix(rows: 0, columns: columns))
    }
    var svd = try tasks.decompose(task)
    let roots = svd.singularValues.map { $0.squareRoot() }
    svd.u.scaleColumns(by: roots)
    svd.vt.scaleRows(by: roots)
    return Factors(up: svd.u, down: svd.vt)
  }
}
