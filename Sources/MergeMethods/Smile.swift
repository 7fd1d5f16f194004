public import TinctureCheckpoints
internal import TinctureLinearAlgebra
public import TinctureMerging
public import TinctureTensors

/// Expands the linear layers of the base by low-rank experts and a gate that tells which of them an input needs.
///
/// The output is no merged model but a routed one: all tensors of the base as they are, and for each weight W
/// [out, in] of a layer `X` and task vectors τᵢ ≈ Uᵢ diag(σᵢ) Vᵢᵀ
///
/// - `X.gate.weights` [T g, in]: the first g right singular vectors of each τᵢ (of the whole weight with `routing: weights`);
/// - `X.experts.i.u` [out, k] and `X.experts.i.svh` [k, in]: Uᵢ and diag(σᵢ) Vᵢᵀ of rank k, i from 0;
/// - `X.experts.i.bias` [out]: the change of the bias, where the layer has one.
///
/// An input x takes y = W x + b + Σᵢ pᵢ (Uᵢ diag(σᵢ) Vᵢᵀ x + Δbᵢ) with p the softmax of ‖gateᵢ x‖ over the tasks, cut to the
/// largest ones. These are FusionBench's names but for the base's weight, which stays `X.weight` (there
/// `X.pretrained_model.weight`); `evaluate` runs the output, with the largest p alone unless `--routing soft` is given. Layers that no model changed
/// get experts of zeros. Weights are tensors of two axes called `….weight` that are not of the vocabulary; `spectral: false`
/// leaves others out. Other tensors are the base's, or the mean of the models with `average_experts`. Directions
/// beyond the rank of a task vector are zero. Cost: T decompositions O(m n min(m, n)).
/// Source: Tang et al., arXiv:2408.10174.
public struct Smile: MergeMethod {
  static let gateRank = Parameter<Int>(
    "gate_rank", default: 16, in: .between(1, 65_536),
    "How many singular vectors of each model the gate has.")
  static let rank = Parameter<Int>(
    "rank", default: 32, in: .between(1, 65_536), "The rank of the experts.")
  static let routing = Parameter<String>(
    "routing", default: "changes", of: ["changes", "weights"],
    "Whose singular vectors the gate has: the task vectors', or the models' weights'.")
  static let averages = Parameter<Bool>(
    "average_experts", default: false,
    "Whether tensors that are not expanded are averaged over the models instead of the base's.")

  /// The description of the method.
  public let info = MethodInfo(
    name: "smile", aliases: ["smile_upscaling"], title: "SMILE",
    summary:
      "Expands layers of the base by low-rank experts and gates: a routed model, not a merged one.",
    formula:
      "y = W₀ x + b₀ + Σ pᵢ (Uᵢ diag(σᵢ) Vᵢᵀ x + Δbᵢ), p = softmax ‖Vᵢᵀ x‖, cut to the largest",
    source: "Tang et al. 2024, SMILE", link: "https://arxiv.org/abs/2408.10174", base: .required,
    models: 1...Int.max, streaming: .tensor,
    parameters: [gateRank, rank, routing, averages, Spectral.matrices, Spectral.tolerance],
    presets: [
      .init(
        "clip", [("gate_rank", .number(1)), ("rank", .number(128))],
        "FusionBench's configuration for CLIP."),
      .init(
        "mistral", [("gate_rank", .number(8)), ("rank", .number(512))],
        "FusionBench's configuration for Mistral."),
    ])

  /// Creates the method.
  public init() {}

  /// Needs BLAS and LAPACK.
  public func requireFacilities() throws(TinctureError) { _ = try Backend.shared }

  /// A weight and its factors; a bias.
  public func workingMemory(_ parameters: ResolvedParameters, _ scope: WorkingScope)
    -> WorkingMemory
  {
    guard scope.shape.rank == 2 else { return WorkingMemory(bytes: 8 * scope.elementCount) }
    var memory = Spectral.memory(parameters, scope, matrices: 2, factors: 3, squares: 0)
    let gates = min(parameters[Self.gateRank], scope.shape.extents.min() ?? 0) * scope.modelCount
    memory.bytes += 4 * gates * scope.columnCount
    return memory
  }

  /// The gate and the experts of a layer.
  public func extraOutputs(_ scope: OutputScope) -> [OutputLayout.Tensor] {
    let tensor = scope.tensor
    guard scope.parameters[Spectral.matrices], !scope.isVocabulary else { return [] }
    if let layer = Self.layer(tensor.name, ".weight"), Self.isMatrix(tensor.shape) {
      let (rows, columns) = (tensor.shape.extents[0], tensor.shape.extents[1])
      let gate = min(scope.parameters[Self.gateRank], rows, columns)
      let rank = min(scope.parameters[Self.rank], rows, columns)
      func output(_ name: String, _ rows: Int, _ columns: Int) -> OutputLayout.Tensor {
        .init(
          name: "\(layer).\(name)", dtype: tensor.dtype, shape: Shape(rows: rows, columns: columns))
      }
      return [output("gate.weights", gate * scope.modelCount, columns)]
        + (0..<scope.modelCount).flatMap {
          [output("experts.\($0).u", rows, rank), output("experts.\($0).svh", rank, columns)]
        }
    }
    guard let layer = Self.layer(tensor.name, ".bias"),
      let weight = scope.shapes[layer + ".weight"], Self.isMatrix(weight)
    else { return [] }
    return (0..<scope.modelCount).map {
      .init(name: "\(layer).experts.\($0).bias", dtype: tensor.dtype, shape: tensor.shape)
    }
  }

  private static func isMatrix(_ shape: Shape) -> Bool {
    shape.rank == 2 && shape.elementCount > 0
  }

  private static func layer(_ name: String, _ end: String) -> String? {
    name.hasSuffix(end) && name.count > end.count ? String(name.dropLast(end.count)) : nil
  }

  /// Makes one tensor.
  public func merge(_ inputs: MergeInputs, state: Void) throws(TinctureError) {
    guard !inputs.step.extras.isEmpty else {
      let share = inputs[Self.averages] ? 1 / Double(inputs.modelCount) : 0
      let shares = [Double](repeating: share, count: inputs.modelCount)
      return try inputs.produceCombination(shares, base: 1, .taskVectors)
    }
    // The base's own elements, and at the same time a check that all are finite.
    let isFinite = try inputs.isFinite()
    try inputs.produceBase()
    guard inputs.step.shape.rank == 2 else { return try writeBiases(inputs) }
    let weights = [Double](repeating: 1, count: inputs.modelCount)
    let tasks = try TaskMatrices<Double>(inputs, weights)
    let gateShape = inputs.step.extras[0].tensor.shape
    let gateRank = gateShape.extents[0] / inputs.modelCount
    let rank = inputs.step.extras[1].tensor.shape.extents[1]
    var gate = Matrix<Float>(rows: 0, columns: tasks.columns)
    for model in 0..<tasks.count {
      guard isFinite else {
        let extras = inputs.step.extras
        for index in [2 * model + 1, 2 * model + 2] {
          try inputs.write(extra: index, Self.notANumber(extras[index].tensor.shape).elements)
        }
        gate = Self.notANumber(gateShape)
        continue
      }
      let task = try tasks.read(model)
      let svd = try tasks.decompose(task)
      var expert = svd.prefix(min(rank, svd.rank))
      expert.vt.scaleRows(by: expert.singularValues)
      let (u, svh) = (
        Self.padded(expert.u, columns: rank), Self.padded(expert.vt, rows: rank)
      )
      try inputs.write(extra: 2 * model + 1, u.elements)
      try inputs.write(extra: 2 * model + 2, svh.elements)
      let routed = try inputs[Self.routing] == "weights" ? wholeWeight(task, tasks) : svd
      let vectors = routed.prefix(min(gateRank, routed.rank)).vt
      gate = .stacked([gate, Self.padded(vectors, rows: gateRank)], columns: tasks.columns)
    }
    try inputs.write(extra: 0, gate.elements)
  }

  /// The decomposition of base and task vector together.
  private func wholeWeight(
    _ task: Matrix<Double>, _ tasks: TaskMatrices<Double>
  ) throws(TinctureError) -> SVD<Double> {
    var whole = task
    try tasks.inputs.scan(.values, models: 0..<0) { (block) throws(TinctureError) in
      whole.add(block.base, times: 1, at: block.start)
    }
    return try tasks.decompose(whole)
  }

  private func writeBiases(_ inputs: MergeInputs) throws(TinctureError) {
    for model in 0..<inputs.modelCount {
      var values = Matrix<Float>(rows: 1, columns: inputs.elementCount)
      try inputs.scan(.taskVectors, models: model..<model + 1) { (block) throws(TinctureError) in
        let change = block[model: 0]
        values.change { values in
          for i in 0..<block.count { values[block.start + i] = change[i] }
        }
      }
      try inputs.write(extra: model, values.elements)
    }
  }

  private static func notANumber(_ shape: Shape) -> Matrix<Float> {
    let (rows, columns) = (shape.extents[0], shape.extents[1])
    return Matrix(
      rows: rows, columns: columns, repeatElement(.nan, count: rows * columns))
  }

  /// A matrix in single precision with columns or rows of zeros added.
  private static func padded(
    _ matrix: Matrix<Double>, rows: Int? = nil, columns: Int? = nil
  ) -> Matrix<Float> {
    let narrow = matrix.converted(to: Float.self)
    let (rows, columns) = (rows ?? matrix.rows, columns ?? matrix.columns)
    guard rows > matrix.rows || columns > matrix.columns else { return narrow }
    var result = Matrix<Float>(rows: rows, columns: columns)
    for i in 0..<matrix.rows { for j in 0..<matrix.columns { result[i, j] = narrow[i, j] } }
    return result
  }
}
