internal import TinctureLinearAlgebra
public import TinctureMerging
public import TinctureTensors

/// Finds the merged task vector that disturbs the leading directions of each task least.
///
/// As WUDI, with task vectors cleaned of all but their leading singular directions. For matrices m × n of T
/// models r = max(1, ⌊min(m, n) / T⌋), τᵢ = U diag(σ) V, Rᵢ = diag(σ) V of the first r, and x minimises
/// Σ ‖(x − τ̂ᵢ) Rᵢᵀ‖² / ‖τᵢ‖², θ = θ₀ + α x. Targets τ̂ᵢ are the task vectors of rank r (`truncated`), or the mean of all with
/// the distance from it of rank r (`centred`).
///
/// The authors' scripts are two: `full`, for models that were fine-tuned whole, takes centred targets, begins with
/// the sum, makes 300 steps of Adam and scales by 0.1; `lora` takes truncated ones, begins with the mean and makes as many
/// steps of momentum. Neither reaches the minimum, so that size and number of steps are part of the method. The
/// first are the defaults. Tensors that are not matrices get the mean; tensors for which the authors'
/// code does that, too (embeddings, norms, heads), want `spectral: false`.
///
/// Cost: one or two decompositions for each task, O(m n min(m, n)), and O(m n²) for each step, or O(m n T r) where that is
/// less; memory O(n² + m n). Source: Wei et al., arXiv:2505.19892.
public struct OptMerge: MergeMethod {
  static let alpha = Parameter<Double>(
    "alpha", default: 0.1, "What the merged task vector is multiplied by.")
  static let targets = Parameter<String>(
    "targets", default: "centred", of: ["centred", "truncated"],
    "What of each task vector is aimed at besides its leading directions: the mean of all, or nothing."
  )
  static let start = Parameter<String>(
    "init", default: "sum", of: ["sum", "mean", "zero"], "Where the search begins.")
  static let optimizer = Parameter<String>(
    "optimizer", default: "adam", of: ["adam", "sgd"], "How steps follow from gradients.")
  static let rate = Parameter<Double>("lr", default: 1e-5, in: .above(0), "The size of steps.")
  static let momentum = Parameter<Double>(
    "momentum", default: 0.9, in: .fraction, "How much of its last step sgd adds to the next.")
  static let steps = Parameter<Int>(
    "iter_num", default: 300, in: .between(0, 1_000_000), "The number of steps.")

  /// The description of the method.
  public let info = MethodInfo(
    name: "optmerge", aliases: ["opt_merge"], title: "OptMerge",
    summary: "Finds the task vector that disturbs the leading directions of each task least.",
    formula:
      "τᵢ ≈ Uᵢ Rᵢ of rank ⌊min(m, n) / T⌋;  θ = θ₀ + α argmin Σ ‖(x − τ̂ᵢ) Rᵢᵀ‖² / ‖τᵢ‖²;"
      + "  not a matrix: θ₀ + α mean(wᵢ τᵢ)",
    source: "Wei et al. 2025, OptMerge: Unifying Multimodal LLM Capabilities",
    link: "https://arxiv.org/abs/2505.19892", base: .required, models: 1...Int.max,
    streaming: .tensor,
    parameters: [
      Spectral.weight, alpha, targets, start, optimizer, rate, momentum, steps, Spectral.matrices,
      Spectral.others, Spectral.tolerance,
    ],
    presets: [
      .init("full", [], "The authors' script for models that were fine-tuned whole."),
      .init(
        "lora",
        [
          ("alpha", .number(1)), ("targets", .text("truncated")), ("init", .text("mean")),
          ("optimizer", .text("sgd")), ("lr", .number(1e-4)),
        ], "The authors' script for models that were fine-tuned by LoRA."),
    ])

  /// Creates the method.
  public init() {}

  /// Needs BLAS and LAPACK.
  public func requireFacilities() throws(TinctureError) { _ = try Backend.shared }

  /// The form, the start, a task vector, its distance from the mean, and factors of both.
  public func workingMemory(_ parameters: ResolvedParameters, _ scope: WorkingScope)
    -> WorkingMemory
  {
    guard scope.shape.rank == 2, parameters[Spectral.matrices] else { return WorkingMemory() }
    let (rows, columns) = (scope.shape.extents[0], scope.shape.extents[1])
    var memory = Spectral.memory(parameters, scope, matrices: 5, factors: 2, squares: 0)
    memory.bytes += InterferenceForm.memory(rows: rows, columns: columns)
    return memory
  }

  /// Makes one tensor.
  public func merge(_ inputs: MergeInputs, state: Void) throws(TinctureError) {
    try inputs.mergeMatrices { (tasks) throws(TinctureError) in try Self.searched(tasks) }
  }

  private static func searched(_ tasks: TaskMatrices<Double>) throws(TinctureError) -> Matrix<
    Double
  >? {
    let inputs = tasks.inputs
    let rank = max(1, tasks.smallerExtent / max(1, tasks.count))
    var sum = try tasks.sum()
    var mean = sum
    mean.scale(by: 1 / Double(max(1, tasks.count)))
    var form = InterferenceForm(
      rows: tasks.rows, columns: tasks.columns, directionCount: tasks.count * rank, tasks.algebra)
    for model in 0..<tasks.count {
      let task = try tasks.read(model)
      guard task.largestMagnitude > 0 else { continue }
      let svd = try tasks.decompose(task, rank: rank)
      var directions = svd.vt
      directions.scaleRows(by: svd.singularValues)
      directions.scale(by: 1 / max(task.frobeniusNorm, Wudi.leastNorm))
      if inputs[targets] == "truncated" {
        try form.add(Self.product(svd, tasks.algebra), along: directions)
      } else {
        var distance = task
        distance.add(mean, times: -1)
        var wanted = mean
        if distance.largestMagnitude > 0 {
          wanted.add(
            try Self.product(tasks.decompose(distance, rank: rank), tasks.algebra))
        }
        try form.add(wanted, along: directions)
      }
    }
    switch inputs[start] {
    case "mean": sum = mean
    case "zero": sum.scale(by: 0)
    default: break
    }
    let isAdam = inputs[optimizer] == "adam"
    let plan = InterferenceForm.Descent(
      optimizer: isAdam ? .adam : .momentum(inputs[momentum]), rate: inputs[rate],
      steps: inputs[steps])
    return try form.descent(from: sum, plan, check: inputs.checkInterruption)
  }

  private static func product(
    _ svd: SVD<Double>, _ algebra: Backend
  ) throws(TinctureError) -> Matrix<Double> {
    var left = svd.u
    left.scaleColumns(by: svd.singularValues)
    return try algebra.multiply(left, svd.vt)
  }
}
