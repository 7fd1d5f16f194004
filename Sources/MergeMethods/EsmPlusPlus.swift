public import TinctureCheckpoints
internal import TinctureLinearAlgebra
public import TinctureMerging
public import TinctureTensors

/// ESM with a small expert of each task behind some layers, one of which every input is routed to.
///
/// θ is merged as by ``Esm``. For each expanded weight W [out, in] and task i, with what the merge lacks, Rᵢ = θᵢ − θ,
/// the expert is the projection onto the `rank` directions of its outputs that matter most on a few examples:
/// Bᵢ holds the leading eigenvectors of Rᵢ G Rᵢᵀ, and Aᵢ = Bᵢᵀ Rᵢ. An input takes y = W x + Bᵢ Aᵢ x of the
/// one task whose prototype, the mean input of the layer under that task, has the largest cosine with the mean of
/// the input's own tokens.
///
/// The output has, beside the merged tensors, for a layer `X` what `evaluate` runs: `X.gate.prototypes` [T, in],
/// `X.experts.i.u` [out, r] and `X.experts.i.svh` [r, in] with i from 0. Expanded are, by default, the projections to
/// queries, keys and values and the first layers of perceptrons. The published text leaves open of which outputs Bᵢ is;
/// here they are those of Rᵢ. Cost: that of ``Esm`` and T decompositions more.
/// Source: arXiv:2606.19164.
public struct EsmPlusPlus: MergeMethod {
  static let rank = Parameter<Int>(
    "rank", default: 32, in: .between(1, 65_536), "The rank of the experts.")
  static let expanded = Parameter<String>(
    "expanded",
    default:
      "qkv,in_proj,q_proj,k_proj,v_proj,query,key,value,fc1,c_fc,gate_proj,up_proj,intermediate",
    "Which layers get experts: parts of names, separated by commas.")

  /// The description of the method.
  public let info = MethodInfo(
    name: "esm_plus_plus", aliases: ["esm++"], title: "ESM++",
    summary: "ESM, and small experts behind some layers that inputs are routed to.",
    formula:
      "θ by esm;  Rᵢ = θᵢ − θ;  Rᵢ Gᵢ Rᵢᵀ = Pᵢ diag(λᵢ) Pᵢᵀ;  y = W x + Bᵢ Bᵢᵀ Rᵢ x, Bᵢ = Pᵢ[:, :r];"
      + "  i: largest cos(mean x, mean input of task i)",
    source: "ESM++ 2026", link: "https://arxiv.org/abs/2606.19164", base: .required,
    models: 1...Int.max, streaming: .model, statistics: .gram, isExperimental: true,
    parameters: [
      Spectral.weight, Spectral.alpha, Esm.power, Esm.balances, rank, expanded, Spectral.matrices,
      Spectral.nullSpace, Spectral.tolerance,
    ],
    presets: Esm().info.presets)

  /// Creates the method.
  public init() {}

  /// Needs BLAS and LAPACK.
  public func requireFacilities() throws(TinctureError) { _ = try Backend.shared }

  /// That of ``Esm``, and the merged matrix and what a model lacks.
  public func workingMemory(_ parameters: ResolvedParameters, _ scope: WorkingScope)
    -> WorkingMemory
  {
    var memory = Esm().workingMemory(parameters, scope)
    guard scope.shape.rank == 2 else { return memory }
    memory.bytes += 8 * (3 * scope.elementCount + 2 * scope.modelCount * scope.columnCount)
    return memory
  }

  /// The prototypes and the experts of a layer.
  public func extraOutputs(_ scope: OutputScope) -> [OutputLayout.Tensor] {
    let tensor = scope.tensor
    let end = ".weight"
    let parts = scope.parameters[Self.expanded].split(separator: ",")
    guard scope.parameters[Spectral.matrices], !scope.isVocabulary, tensor.name.hasSuffix(end),
      tensor.shape.rank == 2, tensor.shape.elementCount > 0,
      parts.contains(where: { tensor.name.contains($0) })
    else { return [] }
    let layer = tensor.name.dropLast(end.count)
    let (rows, columns) = (tensor.shape.extents[0], tensor.shape.extents[1])
    let rank = min(scope.parameters[Self.rank], rows, columns)
    func output(_ name: String, _ rows: Int, _ columns: Int) -> OutputLayout.Tensor {
      .init(
        name: "\(layer).\(name)", dtype: tensor.dtype, shape: Shape(rows: rows, columns: columns))
    }
    return [output("gate.prototypes", scope.modelCount, columns)]
      + (0..<scope.modelCount).flatMap {
        [output("experts.\($0).u", rows, rank), output("experts.\($0).svh", rank, columns)]
      }
  }

  /// Weighs the layers as ``Esm`` does.
  public func prepare(_ session: MergeSession) async throws(TinctureError) -> Esm.State {
    try await Esm().prepare(session)
  }

  /// Makes one tensor, and what stands beside it.
  public func merge(_ inputs: MergeInputs, state: Esm.State) throws(TinctureError) {
    var merged: Matrix<Double>?
    try inputs.mergeMatrices { (tasks) throws(TinctureError) in
      merged = try Esm.merged(tasks, state)
      return merged
    }
    guard !inputs.step.extras.isEmpty else { return }
    merged?.scale(by: inputs[Spectral.alpha])
    let isFinite = try inputs.isFinite()
    let tasks = try TaskMatrices<Double>(inputs, [Double](repeating: 1, count: inputs.modelCount))
    let rank = inputs.step.extras[1].tensor.shape.extents[1]
    var prototypes: [Float] = []
    for model in 0..<inputs.modelCount {
      prototypes += try prototype(of: model, inputs, tasks.columns)
      var lacking = try tasks.read(model)
      if let merged { lacking.add(merged, times: -1) }
      var (up, down) = (
        Matrix<Double>(rows: tasks.rows, columns: rank),
        Matrix<Double>(rows: rank, columns: tasks.columns)
      )
      if isFinite, lacking.frobeniusNorm > 0 {
        let gram = try inputs.gramMatrix(of: model, extent: tasks.columns)
        let vectors = try Esm.directions(lacking, gram, rank, tasks.algebra).vectors
        let factor = try tasks.algebra.multiply(vectors, lacking, transposing: .first)
        for k in 0..<vectors.columns {
          for i in 0..<tasks.rows { up[i, k] = vectors[i, k] }
          for j in 0..<tasks.columns { down[k, j] = factor[k, j] }
        }
      }
      try inputs.write(extra: 2 * model + 1, up.converted(to: Float.self).elements)
      try inputs.write(extra: 2 * model + 2, down.converted(to: Float.self).elements)
    }
    try inputs.write(extra: 0, prototypes.span)
  }

  /// The mean input of the layer under a task.
  private func prototype(
    of model: Int, _ inputs: MergeInputs, _ width: Int
  ) throws(TinctureError) -> [Float] {
    guard inputs.hasStatistics, !inputs.step.statistics[model].isInputMajor,
      let reader = inputs.step.statistics[model].mean, reader.shape.extents == [width]
    else {
      throw TinctureError(
        .checkpoint,
        "There is no mean input [\(width)] of this layer. Collect the statistics anew, or leave the layer out"
          + " by 'expanded'.", at: .init(tensor: inputs.step.name))
    }
    var values = [Float](repeating: 0, count: width)
    var span = values.mutableSpan
    let largest = try reader.read(0..<width, into: &span, window: ReadWindow(byteCount: 1 << 16))
    guard largest < Float.infinity.bitPattern else {
      throw TinctureError(
        .checkpoint, "An element of the mean input is not finite. Collect the statistics anew.",
        at: reader.place)
    }
    return values
  }
}
