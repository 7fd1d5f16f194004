public import TinctureMerging
public import TinctureTensors

/// Weighs task vectors by how far lengths and directions of columns moved from the base.
///
/// For matrices, tensors of more axes as [first, rest], column j of model i has
///
/// - Δmᵢ[j] = | ‖θᵢ[:, j]‖ − ‖θ₀[:, j]‖ | and Δdᵢ[j] = 1 − cos(θᵢ[:, j], θ₀[:, j]);
/// - for both, its rank among the n columns of the model, from 0; equal ones rank in their order;
/// - a score: softmax over the models of rank / n; `score_calibration_value` where the rank is above
///   `above_average_value_ratio` times the mean rank;
/// - the weight ωᵢ[j], the mean of both scores.
///
/// θ = θ₀ + Σ τᵢ ωᵢ; weights do not add up to 1. For vectors the score is of |τᵢ| itself instead of ranks. Tables of tokens at the
/// input (`embed_tokens`, `wte`, …) are taken by rows, as published; output heads are not. Columns of zeros have cosine 0.
/// Complexity: O(n) for each model in two passes, and O(c log c) for c columns; norms in double precision.
/// Source: Yu et al., arXiv:2408.03092.
public struct Widen: MergeMethod {
  static let ratio = Parameter<Double>(
    "above_average_value_ratio", default: 1, in: .atLeast(0),
    "From how many times the mean on a column counts as important.")
  static let calibration = Parameter<Double>(
    "score_calibration_value", default: 1, "The score of what is important.")

  /// The description of the method.
  public let info = MethodInfo(
    name: "widen", aliases: ["widen_merging"], title: "WIDEN",
    summary: "Weighs columns of task vectors by how lengths and directions changed.",
    formula:
      "sᵢ = rank of | ‖θᵢ‖ − ‖θ₀‖ | and of 1 − cos(θᵢ, θ₀) by column;  ω = mean softmax sᵢ, or κ above the mean;"
      + "  θ = θ₀ + Σ ωᵢ τᵢ",
    source: "Yu et al. 2024, WIDEN", link: "https://arxiv.org/abs/2408.03092", base: .required,
    models: 1...Int.max, streaming: .tensor, parameters: [ratio, calibration])

  /// Creates the method.
  public init() {}

  /// Squares, products and weights of columns.
  public func workingMemory(_ parameters: ResolvedParameters, _ scope: WorkingScope)
    -> WorkingMemory
  {
    guard scope.shape.rank > 1 else { return WorkingMemory() }
    let columns = max(scope.columnCount, scope.shape.extents[0])
    return WorkingMemory(bytes: 8 * columns * (6 * scope.modelCount + 4))
  }

  /// Makes one tensor.
  public func merge(_ inputs: MergeInputs, state: Void) throws(TinctureError) {
    guard inputs.step.shape.rank > 1, inputs.elementCount > 0 else {
      return try mergeVector(inputs)
    }
    let columns = try ColumnChanges(inputs, byRow: TokenTable.isNamed(inputs.step.name))
    let (lengths, directions) = columns.changes()
    let byLength = scores(Self.ranks(lengths), inputs)
    let byDirection = scores(Self.ranks(directions), inputs)
    let weights = zip(byLength, byDirection).map { pair in
      zip(pair.0, pair.1).map { Float(($0 + $1) / 2) }
    }
    try inputs.produce(.taskVectors) { (block, output) throws(TinctureError) in
      for (model, own) in weights.enumerated() {
        let vector = block[model: model]
        columns.forEachRun(from: block.start, count: block.count) { run, column, step in
          for offset in 0..<run.count {
            let position = run.lowerBound + offset
            output[position] += own[column + step * offset] * vector[position]
          }
        }
      }
      Kernels.add(block.base, to: &output)
    }
  }

  /// The position of each number among those of its model, from 0, in stable order.
  static func ranks(_ values: [[Double]]) -> [[Double]] {
    values.map { own in
      var ranks = [Double](repeating: 0, count: own.count)
      let order = own.indices.sorted { (own[$0], $0) < (own[$1], $1) }
      for (rank, column) in order.enumerated() { ranks[column] = Double(rank) }
      return ranks
    }
  }

  /// The scores of columns by their ranks.
  private func scores(_ ranks: [[Double]], _ inputs: MergeInputs) -> [[Double]] {
    let count = Double(ranks.first?.count ?? 1)
    // Compared as whole numbers: the middle one of an odd number is on the mean.
    let limit = inputs[Self.ratio] * (count - 1) / 2
    var result = ranks
    for column in 0..<(ranks.first?.count ?? 0) {
      let own = Self.softmax(ranks.map { $0[column] / count })
      for model in ranks.indices {
        result[model][column] =
          ranks[model][column] > limit ? inputs[Self.calibration] : own[model]
      }
    }
    return result
  }

  private static func softmax(_ values: [Double]) -> [Double] {
    let largest = values.max() ?? 0
    let parts = values.map { Powers.exponential($0 - largest) }
    let sum = parts.reduce(0, +)
    return parts.map { $0 / sum }
  }

  private func mergeVector(_ inputs: MergeInputs) throws(TinctureError) {
    var sums = [Double](repeating: 0, count: inputs.modelCount)
    try inputs.scan(.taskVectors) { (block) throws(TinctureError) in
      for model in sums.indices { Kernels.addMagnitudes(block[model: model], to: &sums[model]) }
    }
    let limits = sums.map { inputs[Self.ratio] * $0 / Double(max(1, inputs.elementCount)) }
    let important = inputs[Self.calibration]
    try inputs.produce(.taskVectors) { (block, output) throws(TinctureError) in
      for position in 0..<block.count {
        let sizes = (0..<block.modelCount).map { Double(block[model: $0][position].magnitude) }
        let own = Self.softmax(sizes)
        var sum = 0.0
        for model in sizes.indices {
          let score = sizes[model] > limits[model] ? important : own[model]
          sum += score * Double(block[model: model][position])
        }
        output[position] = Float(sum)
      }
      Kernels.add(block.base, to: &output)
    }
  }
}
