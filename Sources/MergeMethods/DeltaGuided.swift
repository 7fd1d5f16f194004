public import TinctureMerging
public import TinctureTensors

/// Averages task vectors with weights from how far each moved from the base; experimental.
///
/// wᵢ = δᵢᵖ / Σ δⱼᵖ, where δᵢ is the mean |τᵢ| of the tensor, of the row, or |τᵢ| of the element itself; equal weights
/// where no model moved. θ = θ₀ + Σ wᵢ τᵢ. With p = 0 it is the plain mean. The paper's own formula could not be had: it says that weights
/// of parameters come from their deviations from the pretrained ones. Complexity: O(n) for each model, twice
/// unless by element. Source: CoDiEmb, arXiv:2508.11442.
public struct DeltaGuided: MergeMethod {
  static let granularity = Parameter<String>(
    "granularity", default: "tensor", of: ["tensor", "row", "element"],
    "What has a weight of its own.")
  static let power = Parameter<Double>(
    "power", default: 1, in: .between(0, 64), "The power of the distance in the weight.")

  /// The description of the method.
  public let info = MethodInfo(
    name: "delta_guided", aliases: ["codiemb"], title: "Delta-guided fusion",
    summary: "Averages task vectors weighed by how far each moved; the formula is our own.",
    formula: "δᵢ = mean |τᵢ| of a tensor, row or element;  wᵢ = δᵢᵖ / Σ δⱼᵖ;  θ = θ₀ + Σ wᵢ τᵢ",
    source: "CoDiEmb, 2025", link: "https://arxiv.org/abs/2508.11442", base: .required,
    models: 1...Int.max, streaming: .tensor, isExperimental: true,
    parameters: [granularity, power])

  /// Creates the method.
  public init() {}

  /// Weights of elements need nothing else.
  public func isElementwise(_ parameters: ResolvedParameters) -> Bool {
    parameters[Self.granularity] == "element"
  }

  /// The sums of rows.
  public func workingMemory(_ parameters: ResolvedParameters, _ scope: WorkingScope)
    -> WorkingMemory
  {
    guard parameters[Self.granularity] == "row" else { return WorkingMemory() }
    let rows = scope.elementCount / max(1, scope.rowLength)
    return WorkingMemory(bytes: 16 * (rows + 1) * scope.modelCount, wholeRows: true)
  }

  /// Makes one tensor.
  public func merge(_ inputs: MergeInputs, state: Void) throws(TinctureError) {
    let power = inputs[Self.power]
    switch inputs[Self.granularity] {
    case "element":
      try inputs.produce(.taskVectors) { (block, output) throws(TinctureError) in
        for position in 0..<block.count {
          let weights = Self.weights(
            (0..<block.modelCount).map { Double(block[model: $0][position].magnitude) }, power)
          var sum = 0.0
          for (model, weight) in weights.enumerated() {
            sum += weight * Double(block[model: model][position])
          }
          output[position] = Float(sum)
        }
        Kernels.add(block.base, to: &output)
      }
    case "row":
      var sums = [[Double]](repeating: [], count: inputs.modelCount)
      try inputs.scan(.taskVectors) { (block) throws(TinctureError) in
        let length = max(1, block.rowLength)
        for model in sums.indices {
          for start in stride(from: 0, to: block.count, by: length) {
            var sum = 0.0
            let row = start..<min(start + length, block.count)
            Kernels.addMagnitudes(block[model: model].extracting(row), to: &sum)
            sums[model].append(sum)
          }
        }
      }
      let weights = sums[0].indices.map { row in Self.weights(sums.map { $0[row] }, power) }
      try inputs.produce(.taskVectors) { (block, output) throws(TinctureError) in
        let length = max(1, block.rowLength)
        for start in stride(from: 0, to: block.count, by: length) {
          let range = start..<min(start + length, block.count)
          let own = weights[(block.start + start) / length]
          var row = output._mutatingExtracting(range)
          for (model, weight) in own.enumerated() {
            Kernels.add(block[model: model].extracting(range), times: Float(weight), to: &row)
          }
        }
        Kernels.add(block.base, to: &output)
      }
    default:
      var sums = [Double](repeating: 0, count: inputs.modelCount)
      try inputs.scan(.taskVectors) { (block) throws(TinctureError) in
        for model in sums.indices { Kernels.addMagnitudes(block[model: model], to: &sums[model]) }
      }
      let weights = Self.weights(sums, power).map { Float($0) }
      try inputs.produceWeightedSum(.taskVectors, weights)
    }
  }

  /// δᵖ over their sum; scaled by the largest first, so that powers stay finite.
  private static func weights(_ sizes: [Double], _ power: Double) -> [Double] {
    let largest = sizes.max() ?? 0
    guard largest > 0 else { return sizes.map { _ in 1 / Double(sizes.count) } }
    let powers = sizes.map { Powers.power($0 / largest, power) }
    let sum = powers.reduce(0, +)
    return powers.map { $0 / sum }
  }
}
