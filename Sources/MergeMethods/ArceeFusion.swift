public import TinctureMerging
public import TinctureTensors

/// Takes from the other model the elements that matter most, by distance and row divergence.
///
/// The importance of an element is |θ₁ − θ₀| times the Kullback–Leibler divergence of the softmax of its
/// row. Elements at or above median + 1.5 interquartile ranges are taken. Quantiles are exact, where the
/// published code samples a million elements. Source: Arcee AI; mergekit.
public struct ArceeFusion: MergeMethod {
  /// The description of the method.
  public let info = MethodInfo(
    name: "arcee_fusion", title: "Arcee Fusion",
    summary: "Takes from the other model only the elements whose importance stands out.",
    formula:
      "s = |θ₁ − θ₀| · KL(softmax θ₁ ‖ softmax θ₀);  θ = θ₁ where s ≥ median + 1.5 (Q₃ − Q₁), else θ₀",
    source: "Arcee AI; mergekit", link: "https://arcee.ai", base: .required, models: 1...1,
    streaming: .tensor)

  /// Creates the method.
  public init() {}

  /// A divergence for each row, histograms, and one vector.
  public func workingMemory(_ parameters: ResolvedParameters, _ scope: WorkingScope)
    -> WorkingMemory
  {
    let rows = scope.elementCount / max(1, scope.rowLength)
    return WorkingMemory(vectors: 1, bytes: 2_400_000 + 8 * rows, wholeRows: true)
  }

  /// The divergences of the rows, worked out in the first pass and kept for the others.
  private struct Divergences {
    private var rows: [Float] = []

    mutating func importance(_ block: inout ElementBlock, into score: inout ScratchVector) {
      let length = max(1, block.rowLength)
      score.use(block.count) { score in
        for start in stride(from: 0, to: block.count, by: length) {
          let range = start..<min(start + length, block.count)
          let (a, b) = (block.base.extracting(range), block[model: 0].extracting(range))
          let row = (block.start + start) / length
          if row == rows.count { rows.append(Float(Kernels.softmaxDivergence(a, b, floor: 1e-8))) }
          var target = score._mutatingExtracting(range)
          Kernels.scaledDistance(a, b, times: rows[row], into: &target)
        }
      }
    }
  }

  /// Makes one tensor.
  public func merge(_ inputs: MergeInputs, state: Void) throws(TinctureError) {
    guard inputs.elementCount > 0 else { return try inputs.passThrough(model: 0) }
    var score = inputs.scratch()
    var divergences = Divergences()
    var statistic = OrderStatistic(.value)
    try inputs.scan(.values) { (block) throws(TinctureError) in
      divergences.importance(&block, into: &score)
      statistic.count(score.prefix(block.count))
    }
    // Exact, and as the published code rounds for the million elements at most that it looks at.
    let ranks = [0.25, 0.5, 0.75].map { Int($0 * Double(inputs.elementCount - 1)) }
    statistic.select(ranks)
    try inputs.scan(.values) { (block) throws(TinctureError) in
      divergences.importance(&block, into: &score)
      statistic.refine(score.prefix(block.count))
    }
    let quantiles = ranks.compactMap { statistic.finding(rank: $0)?.value }
    let threshold = quantiles[1] + 1.5 * (quantiles[2] - quantiles[0])
    try inputs.produce(.values) { (block, output) throws(TinctureError) in
      divergences.importance(&block, into: &score)
      Kernels.choose(
        block.base, block[model: 0], where: score.prefix(block.count), reaches: threshold,
        into: &output)
    }
  }
}
