public import TinctureMerging
public import TinctureTensors

/// Makes task vectors equally long: τᵢ ← τᵢ n̄ / ‖τᵢ‖ with n̄ the mean of the norms.
///
/// Norms are those of a tensor or of whole models. A task vector that is zero stays zero and does not count
/// in the mean.
public struct NormFilter: TaskVectorFilter {
  static let scope = Parameter<String>(
    "norm_of", default: "tensor", of: ["tensor", "model"],
    "Whether the task vectors of each tensor or those of whole models get the same norm.")

  /// The description of the step.
  public let info = FilterInfo(
    name: "normalize", aliases: ["normalise", "equal_norms"],
    summary: "Scales all task vectors to the mean of their norms.",
    formula: "τᵢ ← τᵢ n̄ / ‖τᵢ‖, n̄ = mean ‖τⱼ‖",
    source: "Equal norms for all tasks", parameters: [scope])

  private var factors: [Int: Float]?

  /// Creates the filter.
  public init() {}

  /// Whether the norms of tensors need not be known.
  public func isElementwise(_ parameters: ResolvedParameters) -> Bool {
    parameters[Self.scope] == "model"
  }

  /// One pass more.
  public func cost(_ parameters: ResolvedParameters) -> String? {
    parameters[Self.scope] == "model"
      ? "finds the norms of whole models by a pass over all tensors beforehand"
      : "finds the norms of each tensor by one more pass over it"
  }

  /// Adds up the norms of whole models.
  public func prepared(_ session: MergeSession) async throws(TinctureError)
    -> any TaskVectorFilter
  {
    guard session.steps.contains(where: { $0.parameters[Self.scope] == "model" }) else {
      return self
    }
    let found = try await session.survey { (inputs) throws(TinctureError) in
      (inputs.step.modelIndices, try Self.squares(inputs))
    }
    var squares: [Int: Double] = [:]
    for (models, own) in found {
      for (model, square) in zip(models, own) { squares[model, default: 0] += square }
    }
    let models = squares.keys.sorted()
    let values = Self.factors(models.map { squares[$0] ?? 0 })
    var copy = self
    copy.factors = Dictionary(uniqueKeysWithValues: zip(models, values))
    return copy
  }

  /// Finds the norms of a tensor.
  public func settled(_ inputs: MergeInputs) throws(TinctureError) -> any TaskVectorPass {
    guard inputs[Self.scope] == "model" else {
      return FactorPass(factors: Self.factors(try Self.squares(inputs)))
    }
    return FactorPass(factors: inputs.step.modelIndices.map { factors?[$0] ?? 1 })
  }

  private static func squares(_ inputs: MergeInputs) throws(TinctureError) -> [Double] {
    var squares = [Double](repeating: 0, count: inputs.modelCount)
    try inputs.scan(.taskVectors) { (block) throws(TinctureError) in
      for model in squares.indices {
        Kernels.addDot(block[model: model], block[model: model], to: &squares[model])
      }
    }
    return squares
  }

  private static func factors(_ squares: [Double]) -> [Float] {
    let norms = squares.map { $0.squareRoot() }
    let lengths = norms.filter { $0 > 0 }
    let mean = lengths.reduce(0, +) / Double(max(1, lengths.count))
    return norms.map { $0 > 0 ? Float(mean / $0) : 1 }
  }
}

/// Multiplies each task vector by a number.
struct FactorPass: TaskVectorPass {
  let factors: [Float]

  func apply(to block: inout ElementBlock, models: Range<Int>, _ inputs: MergeInputs) {
    for (position, model) in models.enumerated() where factors[model] != 1 {
      block.change(model: position) { Kernels.scale(&$0, by: factors[model]) }
    }
  }
}
