internal import TinctureLinearAlgebra
public import TinctureMerging
public import TinctureTensors

/// Changes the weights of attention so that the model does the same and merging it with others gives noise.
///
/// Only the products of queries with keys, and of values with the output, reach anything else. For each head of keys an
/// invertible A and for each head of values an invertible B are drawn: W_Q ← Aᵀ W_Q, b_Q ← Aᵀ b_Q, W_K ← A⁻¹ W_K, b_K ← A⁻¹ b_K,
/// W_V ← B W_V, b_V ← B b_V, W_O ← W_O B⁻¹. (Aᵀ q) · (A⁻¹ k) = q · k, so that outputs are the same but for rounding, while
/// the weights leave the surroundings of the common base. Heads of queries that share a head of keys share its A.
///
/// A and B are a random orthogonal matrix, a permutation and scales between 1 / `spread` and `spread`, drawn by the seed and the
/// path of the attention: the seed is the key, and with `undo` the same seed takes the change back. Where positions
/// rotate queries and keys (`rotary`), A consists of scaled rotations of the same pairs, which commute with them and
/// hide less; where queries or keys are normalised, A is left out. B is always free.
///
/// Experimental: the source was known by its abstract and reviews only, and does not say how matrices are drawn.
/// In bf16 and f16 the change itself is rounded, so that outputs differ as after any rounding of the weights.
/// Cost: O(d_h) for each element of the four projections, in double precision; other tensors are copied.
/// Source: Model Unmerging: Making Your Models Unmergeable for Secure Model Sharing, arXiv:2509.01548.
public struct MergeLock: MergeMethod {
  /// The attentions of the model.
  public struct State: Sendable {
    let layers: [String: AttentionLayer]
  }

  static let heads = Parameter<Int>(
    "heads", default: 0, in: .between(0, 1_000_000),
    "The number of heads of queries; must be given.")
  static let rotary = Parameter<String>(
    "rotary", default: "none", of: AttentionLayer.Rotation.allCases.map(\.rawValue),
    "How positions rotate queries and keys: not at all, elements half a head apart, or neighbours.")
  static let rotaryWidth = Parameter<Int>(
    "rotary_width", default: 0, in: .between(0, 1_000_000),
    "How many elements of a head are rotated, from the first; 0 for all.")
  static let spread = Parameter<Double>(
    "spread", default: 4, in: .between(1, 30), "The largest scale; the smallest is its inverse.")
  static let undo = Parameter<Bool>(
    "undo", default: false, "Take back what the same seed did, instead of doing it.")

  /// The description of the method.
  public let info = MethodInfo(
    name: "merge_lock", aliases: ["mergelock"], title: "MergeLock",
    summary: "Changes attention so that the model does the same and merges of it give noise.",
    formula: "W_Q ← Aᵀ W_Q;  W_K ← A⁻¹ W_K;  W_V ← B W_V;  W_O ← W_O B⁻¹",
    source: "Model Unmerging, 2025", link: "https://arxiv.org/abs/2509.01548", base: .none,
    models: 1...1, streaming: .tensor, isRandom: true, isExperimental: true,
    parameters: [heads, rotary, rotaryWidth, spread, undo])

  /// Creates the method.
  public init() {}

  /// Needs BLAS.
  public func requireFacilities() throws(TinctureError) { _ = try Backend.shared }

  /// The tensor twice, and a head's part of it twice.
  public func workingMemory(_ parameters: ResolvedParameters, _ scope: WorkingScope)
    -> WorkingMemory
  {
    WorkingMemory(bytes: scope.shape.rank <= 2 ? 32 * scope.shape.elementCount : 0)
  }

  /// There must be attentions, with as many heads as were said.
  public func check(_ plan: MergePlan) throws(TinctureError) {
    guard try AttentionLayer.found(in: plan.steps).isEmpty else { return }
    throw TinctureError(
      .checkpoint,
      "There is no attention among the tensors: looked for names such as self_attn.q_proj, k_proj, v_proj and"
        + " o_proj, or attn.qkv and attn.proj.")
  }

  /// Finds the attentions.
  public func prepare(_ session: MergeSession) async throws(TinctureError) -> State {
    State(layers: try AttentionLayer.found(in: session.steps + session.copies))
  }

  /// Makes one tensor.
  public func merge(_ inputs: MergeInputs, state: State) throws(TinctureError) {
    let shape = inputs.step.shape
    guard let part = AttentionPart(inputs.step.name), let layer = state.layers[part.module],
      let factors = factors(of: part, layer, inputs), (1...2).contains(shape.rank),
      inputs.elementCount > 0
    else { return try inputs.passThrough(model: 0) }
    // A bias is a column.
    let isColumn = shape.rank == 1
    let rows = shape.extents[0]
    let columns = isColumn ? 1 : shape.extents[1]
    var values = Matrix<Double>(rows: rows, columns: columns)
    try inputs.scan(.values) { (block) throws(TinctureError) in
      values.add(block[model: 0], times: 1, at: block.start)
    }
    let algebra = try Backend.shared
    let isAcross = (part.role == .output) != (layer.isInputMajor && !isColumn)
    var blocks: [Matrix<Double>] = []
    var start = 0
    for factor in factors {
      let range = start..<start + factor.rows
      start = range.upperBound
      blocks.append(
        isAcross
          ? try algebra.multiply(values.columns(range), factor, transposing: .second)
          : try algebra.multiply(factor, values.rows(range)))
    }
    let extent = isAcross ? columns : rows
    guard start == extent else {
      throw TinctureError(
        .recipe, "\(layer.heads) heads do not fit: they have \(start) rows, the tensor \(extent).",
        at: .init(tensor: inputs.step.name))
    }
    let changed: Matrix<Double> =
      isAcross ? .joined(blocks, rows: rows) : .stacked(blocks, columns: columns)
    try inputs.produce(ontoBase: changed, times: 1)
  }

  /// What the rows of each head are multiplied by from the left, seen as outputs of a projection (inputs of the
  /// last one); nil for what stays.
  private func factors(
    of part: AttentionPart, _ layer: AttentionLayer, _ inputs: MergeInputs
  ) -> [Matrix<Double>]? {
    let undoes = inputs[Self.undo]
    let keys = (0..<layer.groups).map { group in
      guard !layer.isNormalized else {
        let one = Matrix<Double>.identity(layer.keyWidth)
        return (matrix: one, inverse: one)
      }
      let key = AttentionKey(
        width: layer.keyWidth, spread: inputs[Self.spread], rotation: layer.rotation,
        rotatedWidth: layer.rotatedWidth, random(part, group, "queries and keys", inputs))
      return undoes ? (key.inverse, key.matrix) : (key.matrix, key.inverse)
    }
    let values = (0..<layer.groups).map { group in
      let key = AttentionKey(
        width: layer.valueWidth, spread: inputs[Self.spread],
        random(part, group, "values and outputs", inputs))
      return undoes
        ? (matrix: key.inverse, inverse: key.matrix) : (matrix: key.matrix, inverse: key.inverse)
    }
    let shared = layer.heads / layer.groups
    let queries = (0..<layer.heads).map { keys[$0 / shared].matrix.transposed() }
    switch part.role {
    case .query: return queries
    case .key: return keys.map(\.inverse)
    case .value: return values.map(\.matrix)
    case .fused: return queries + keys.map(\.inverse) + values.map(\.matrix)
    case .output:
      guard !part.isBias else { return nil }
      // Columns of W_O by B⁻¹ from the right are its inputs by the transpose from the left.
      return (0..<layer.heads).map { values[$0 / shared].inverse.transposed() }
    case .mixed, .normalization: return nil
    }
  }

  private func random(
    _ part: AttentionPart, _ group: Int, _ purpose: String, _ inputs: MergeInputs
  ) -> CounterRandom {
    CounterRandom(
      seed: inputs.seed, tensor: part.module, model: group, purpose: "merge lock, " + purpose)
  }
}
