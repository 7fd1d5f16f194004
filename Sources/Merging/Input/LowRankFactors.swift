internal import TinctureSafetensors
public import TinctureTensors

/// The factors of a task vector that is a low-rank adapter and nothing else: τ = s B A.
public struct LowRankFactors: Sendable {
  /// The rank; zero where the adapter leaves the tensor as it is.
  public let rank: Int
  /// B, with as many rows as the weight and `rank` columns.
  public let up: ContiguousArray<Float>
  /// A, with `rank` rows and as many columns as the weight.
  public let down: ContiguousArray<Float>
  /// What the product is multiplied by.
  public let scale: Float
}

extension MergeInputs {
  /// The factors of a model's task vector, where the model is the base with an adapter folded in.
  ///
  /// - Parameter model: The position of the model in the step.
  /// - Returns: The factors; nil for other models, where the adapter stretches rows (DoRA) or holds numbers
  ///   that are not finite, and where inputs are rounded first.
  /// - Throws: `io` when reading fails.
  /// - Complexity: O(r (m + n)) for an m × n weight.
  public func lowRankFactors(model: Int) throws(TinctureError) -> LowRankFactors? {
    guard let rank = step.adapterRank(model) else { return nil }
    guard rank > 0, let reader = step.models[model] as? LowRankReader else {
      return LowRankFactors(rank: 0, up: [], down: [], scale: 0)
    }
    let factors = try reader.factors()
    guard factors.allSatisfy({ $0.allSatisfy(\.isFinite) }), reader.scale.isFinite else {
      return nil
    }
    return LowRankFactors(rank: rank, up: factors[1], down: factors[0], scale: reader.scale)
  }
}

extension MergeStep {
  /// The ranks of all models' adapters together; nil where a model is no adapter of the base.
  var adapterRanks: Int? {
    var sum = 0
    for model in models.indices {
      guard let rank = adapterRank(model) else { return nil }
      sum += rank
    }
    return sum
  }

  /// The rank of a model's adapter, zero where it is the base itself; nil where it is neither.
  func adapterRank(_ model: Int) -> Int? {
    guard let base, inputRounding == nil else { return nil }
    guard let adapted = models[model] as? LowRankReader else {
      return models[model].isStored(as: base) ? 0 : nil
    }
    return adapted.magnitude == nil && adapted.weight.isStored(as: base) ? adapted.rank : nil
  }
}

extension TensorReader {
  /// Whether both are the same bytes of the same file.
  func isStored(as other: any TensorReader) -> Bool {
    guard let own = storedRange, let its = other.storedRange else { return false }
    return own.file.path == its.file.path && own.offset == its.offset && dtype == other.dtype
      && shape == other.shape
  }
}
