internal import TinctureLinearAlgebra
public import TinctureMerging
public import TinctureTensors

/// Finds the merged task vector that disturbs no task in the directions that the task itself uses.
///
/// The rows of a task vector of a linear layer lie nearly in the space of the layer's inputs. So for each matrix
/// x minimises L(x) = Σ ‖(x − τᵢ) τᵢᵀ‖² / ‖τᵢ‖², without any data, and θ = θ₀ + α x. With C = Σ τᵢᵀ τᵢ / ‖τᵢ‖² and
/// Q = Σ τᵢ τᵢᵀ τᵢ / ‖τᵢ‖², found once, the gradient is 2 (x C − Q).
///
/// `solver` says how. `adam` makes the published steps from the sum of the task vectors; they stop before
/// the minimum, are not invariant to the scale of task vectors, and their size and number are part of the
/// method: in 300 steps of 1e-5 an element moves by 3e-3 at most. `swudi` is the gradient flow from the same
/// start in closed form, C = V diag(λ) Vᵀ: in the direction of each of the ⌈keep n⌉ leading eigenvectors the share
/// 1 − exp(−λ exp_time) of the way to the minimum. `aswudi` goes the whole way in as many directions
/// as `rank` finds: `participation_sqrt` (Σ √λ)² / Σ λ, `participation` (Σ λ)² / Σ λ², `stable` Σ λ² / λ₁²,
/// `entropy` exp(−Σ p ln p) with p = λ / Σ λ, each rounded up, `gavish_donoho` those with √λ above ω(β) times the median
/// (ω(β) = 0.56 β³ − 0.95 β² + 1.82 β + 1.43, β the ratio of the extents of all task vectors below each other), and
/// `variance` the fewest with the share `keep` of Σ λ.
///
/// Norms are at least 1e-6; matrices that no task changes more than that get the mean. Other tensors get
/// the mean, or stay with `others: base` as in the authors' code for vision, which also leaves embeddings
/// (`spectral: false` for them). Shapes: matrices m × n. Cost: O(T m n²), then O(m n²) for each step of Adam or O(n³)
/// once; memory O(n² + m n). Source: Cheng et al., arXiv:2503.08099.
public struct Wudi: MergeMethod {
  static let solver = Parameter<String>(
    "solver", default: "adam", of: ["adam", "swudi", "aswudi"],
    "How the minimum is approached: by Adam, by gradient flow, or in leading directions only.")
  static let steps = Parameter<Int>(
    "iter_num", default: 300, in: .between(0, 1_000_000), "The number of steps of adam.")
  static let rate = Parameter<Double>(
    "lr", default: 1e-5, in: .above(0), "The size of adam's steps.")
  static let start = Parameter<String>(
    "init", default: "sum", of: ["sum", "mean", "zero"], "Where the search begins.")
  static let time = Parameter<Double>(
    "exp_time", default: 300, in: .atLeast(0), "How long the gradient flows with swudi.")
  static let keep = Parameter<Double>(
    "keep", default: 0.65, in: .fraction,
    "The fraction of directions in which swudi moves, or the share of their sum for rank: variance."
  )
  static let rank = Parameter<String>(
    "rank", default: "participation_sqrt", of: EffectiveRank.allCases.map(\.rawValue),
    "How aswudi finds the number of directions.")

  /// The description of the method.
  public let info = MethodInfo(
    name: "wudi", aliases: ["wudi_merging"], title: "WUDI",
    summary: "Finds the task vector that disturbs no task in the directions that it uses.",
    formula: "θ = θ₀ + α argmin Σ ‖(x − τᵢ) τᵢᵀ‖² / ‖τᵢ‖²;  not a matrix: θ₀ + α mean(wᵢ τᵢ)",
    source: "Cheng et al. 2025, Whoever Started the Interference Should End It",
    link: "https://arxiv.org/abs/2503.08099", base: .required, models: 1...Int.max,
    streaming: .tensor,
    parameters: [
      Spectral.weight, Spectral.alpha, solver, steps, rate, start, time, keep, rank,
      Spectral.matrices, Spectral.others,
    ],
    presets: [
      .init(
        "official", [("others", .text("base"))],
        "The authors' code for vision; give spectral: false for embeddings and projections."),
      .init("fusion_bench", [("iter_num", .number(400))], "FusionBench's configuration."),
      .init("swudi", [("solver", .text("swudi"))], "The gradient flow in closed form."),
      .init("aswudi", [("solver", .text("aswudi"))], "The minimum in the leading directions."),
    ])

  /// Creates the method.
  public init() {}

  /// Needs BLAS and LAPACK.
  public func requireFacilities() throws(TinctureError) { _ = try Backend.shared }

  /// The form, the start and a task vector with its copy in other units.
  public func workingMemory(_ parameters: ResolvedParameters, _ scope: WorkingScope)
    -> WorkingMemory
  {
    guard scope.shape.rank == 2, parameters[Spectral.matrices] else { return WorkingMemory() }
    let (rows, columns) = (scope.shape.extents[0], scope.shape.extents[1])
    return WorkingMemory(
      bytes: InterferenceForm.memory(rows: rows, columns: columns) + 24 * rows * columns)
  }

  /// Makes one tensor.
  public func merge(_ inputs: MergeInputs, state: Void) throws(TinctureError) {
    try inputs.mergeMatrices { (tasks) throws(TinctureError) in try Self.searched(tasks) }
  }

  private static func searched(_ tasks: TaskMatrices<Double>) throws(TinctureError) -> Matrix<
    Double
  > {
    var form = InterferenceForm(
      rows: tasks.rows, columns: tasks.columns, directionCount: tasks.count * tasks.rows,
      tasks.algebra)
    var sum = Matrix<Double>(rows: tasks.rows, columns: tasks.columns)
    var largest = 0.0
    for model in 0..<tasks.count {
      let task = try tasks.read(model)
      let norm = task.frobeniusNorm
      largest = max(largest, norm)
      var directions = task
      directions.scale(by: 1 / max(norm, leastNorm))
      try form.add(task, along: directions)
      sum.add(task)
    }
    let inputs = tasks.inputs
    let start = inputs[Self.start]
    if start == "mean" || largest < leastNorm { sum.scale(by: 1 / Double(max(1, tasks.count))) }
    guard largest >= leastNorm else { return sum }
    if start == "zero" { sum.scale(by: 0) }
    let (count, keep) = (tasks.columns, inputs[Self.keep])
    switch inputs[solver] {
    case "swudi":
      let kept = Int((keep * Double(count)).rounded(.up))
      let time = inputs[Self.time]
      return try form.moved(from: sum) { values in
        values.enumerated().map { $0 < kept ? 1 - Powers.exponential(-$1 * time) : 0 }
      }
    case "aswudi":
      let rule = EffectiveRank(rawValue: inputs[rank]) ?? .participationSqrt
      let aspect = Double(tasks.count * tasks.rows) / Double(max(1, count))
      return try form.moved(from: sum) { values in
        let rank = rule.rank(of: values, share: keep, aspect: min(aspect, 1 / aspect))
        return values.indices.map { $0 < rank ? 1 : 0 }
      }
    default:
      let plan = InterferenceForm.Descent(
        optimizer: .adam, rate: inputs[rate], steps: inputs[steps])
      return try form.descent(from: sum, plan, check: inputs.checkInterruption)
    }
  }

  /// The least norm that task vectors are divided by.
  static let leastNorm = 1e-6
}
