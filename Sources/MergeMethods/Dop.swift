internal import TinctureLinearAlgebra
public import TinctureMerging
public import TinctureTensors

/// Takes models in one after another, each time as near as possible to both sides in what matters to them.
///
/// The merged model θ₁ begins with the first model. With each further model θ₂ a matrix becomes the W that
/// minimises c₁ L₁ + c₂ L₂, where Lᵢ = ‖diag(σ) Uᵀ (W − θᵢ)‖² + ‖(W − θᵢ) V diag(σ)‖² and U diag(σ) Vᵀ = θᵢ − θ₀ holds the
/// share `threshold` of Σ σ. Both terms are quadratic, so that with c = (α, 1 − α) the minimum solves the Sylvester
/// equation Σ cᵢ Aᵢ X + X Σ cᵢ Bᵢ = Σ cᵢ (Aᵢ τᵢ + τᵢ Bᵢ), A = U diag(σ²) Uᵀ, B = V diag(σ²) Vᵀ, in closed form by the eigenvectors of
/// both sums; where both eigenvalues are below 1e-10 of the largest, W stays the mean of both models. The
/// published code makes 200 steps of Adam from the mean instead, which do not reach the minimum, with
/// weights by the smallest norm of the combined gradient (MGDA): `solver: adam`. Other tensors are the
/// mean of both models, so that later models count more. The order of the models matters.
///
/// Shapes: matrices m × n. Cost of each further model: two decompositions and two eigenvalue problems of at most
/// 2 min(m, n), or 16 m n min(m, n) operations for each step of Adam.
/// Source: Continual Model Merging without Data: Dual Projections for Balancing Stability and
/// Plasticity, NeurIPS 2025; FusionBench.
public struct Dop: MergeMethod {
  static let solver = Parameter<String>(
    "solver", default: "closed_form", of: ["closed_form", "adam"],
    "How the minimum is found: exactly, or by the published code's steps, which stop before it.")
  static let alpha = Parameter<Double>(
    "alpha", default: 0.8, in: .fraction,
    "The weight of the models that are merged already; the new one has the rest.")
  static let threshold = Parameter<Double>(
    "threshold", default: 0.99999, in: .fraction,
    "The share of the sum of singular values that counts.")
  static let crossing = Parameter<String>(
    "crossing", default: "kept", of: ["kept", "dropped"],
    "Whether the singular value counts that reaches the threshold; dropped as in the published code."
  )
  static let sides = Parameter<String>(
    "sides", default: "both", of: ["both", "left", "right"],
    "Whose directions count: of outputs (left), of inputs (right) or of both.")
  static let balances = Parameter<Bool>(
    "mgda", default: true,
    "Whether steps of adam weigh both models by their gradients, beginning with alpha.")
  static let smoothing = Parameter<Double>(
    "ema_beta", default: 0.999, in: .fraction, "How much of their weights stays in each step.")
  static let steps = Parameter<Int>(
    "steps", default: 200, in: .between(0, 1_000_000), "The number of steps of adam.")
  static let rate = Parameter<Double>(
    "learning_rate", default: 1e-4, in: .above(0), "The size of adam's steps.")

  /// The description of the method.
  public let info = MethodInfo(
    name: "dop", title: "DOP",
    summary: "Takes models in one after another, near both sides in the directions that they use.",
    formula:
      "θ ← argmin Σ cᵢ (‖diag(σᵢ) Uᵢᵀ (θ − θᵢ)‖² + ‖(θ − θᵢ) Vᵢ diag(σᵢ)‖²), Uᵢ diag(σᵢ) Vᵢᵀ = θᵢ − θ₀,"
      + " i: merged, new;  not a matrix: their mean",
    source: "Continual Model Merging without Data, NeurIPS 2025",
    link: "https://github.com/tanganke/fusion_bench", base: .required, models: 1...Int.max,
    streaming: .tensor,
    parameters: [
      solver, alpha, threshold, crossing, sides, balances, smoothing, steps, rate,
      Spectral.matrices, Spectral.tolerance,
    ],
    presets: [
      .init(
        "fusion_bench", [("solver", .text("adam")), ("crossing", .text("dropped"))],
        "FusionBench: 200 steps of Adam from the mean.")
    ])

  /// Creates the method.
  public init() {}

  /// Needs BLAS and LAPACK.
  public func requireFacilities() throws(TinctureError) { _ = try Backend.shared }

  /// Both task vectors, their mean, the result and what is between; factors of both, and squares of twice
  /// the rank.
  public func workingMemory(_ parameters: ResolvedParameters, _ scope: WorkingScope)
    -> WorkingMemory
  {
    Spectral.memory(parameters, scope, matrices: 8, factors: 10, squares: 40)
  }

  /// Makes one tensor.
  public func merge(_ inputs: MergeInputs, state: Void) throws(TinctureError) {
    guard inputs.isMatrix else {
      return try inputs.produceCombination(Self.shares(inputs.modelCount))
    }
    guard try inputs.isFinite() else {
      return try inputs.produce(ontoBase: .notANumber(inputs.step.shape), times: 1)
    }
    let weights = [Double](repeating: 1, count: inputs.modelCount)
    let tasks = try TaskMatrices<Double>(inputs, weights)
    var merged = try tasks.read(0)
    for model in 1..<max(1, tasks.count) {
      let task = try tasks.read(model)
      merged = try Self.joined(merged, task, tasks)
    }
    try inputs.produce(ontoBase: merged, times: 1)
  }

  /// The weights of means of two, one after another: the last model has a half.
  static func shares(_ count: Int) -> [Double] {
    (0..<count).map { model in
      let later = Double(count - max(model, 1))
      return Double(sign: .plus, exponent: -Int(later), significand: 1)
    }
  }

  private static func joined(
    _ merged: Matrix<Double>, _ task: Matrix<Double>, _ tasks: TaskMatrices<Double>
  ) throws(TinctureError) -> Matrix<Double> {
    var mean = merged
    mean.add(task)
    mean.scale(by: 0.5)
    guard mean.largestMagnitude > 0 || task.largestMagnitude > 0 else { return mean }
    let inputs = tasks.inputs
    let sides: DualProjection.Sides =
      switch inputs[Self.sides] {
      case "left": .left
      case "right": .right
      default: .both
      }
    let problem = DualProjection(
      models: [
        .init(task: merged, used: try used(merged, tasks)),
        .init(task: task, used: try used(task, tasks)),
      ], start: mean, sides: sides, algebra: tasks.algebra)
    let weights = [inputs[alpha], 1 - inputs[alpha]]
    guard inputs[solver] == "adam" else { return try problem.minimum(weights: weights) }
    return try problem.descent(
      DualProjection.Descent(
        weights: weights, balances: inputs[balances], smoothing: inputs[smoothing],
        steps: inputs[steps], rate: inputs[rate]))
  }

  /// The singular directions that count.
  private static func used(
    _ task: Matrix<Double>, _ tasks: TaskMatrices<Double>
  ) throws(TinctureError) -> SVD<Double> {
    let svd = try tasks.decompose(task)
    let isKept = tasks.inputs[crossing] == "kept"
    return svd.prefix(
      countReaching(tasks.inputs[threshold], of: svd.singularValues, keepsCrossing: isKept))
  }

  /// How many singular values reach a share of their sum, with or without the one that crosses it.
  static func countReaching(
    _ share: Double, of values: [Double], keepsCrossing: Bool
  ) -> Int {
    let total = values.reduce(0, +)
    var sum = 0.0
    for (index, value) in values.enumerated() {
      sum += value
      if sum >= share * total { return keepsCrossing ? index + 1 : index }
    }
    return values.count
  }
}
