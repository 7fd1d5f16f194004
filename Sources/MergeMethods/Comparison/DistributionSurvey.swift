public import TinctureMerging
public import TinctureTensors

/// Finds how the elements of a model are distributed; merges nothing.
///
/// For plans that are surveyed twice, by `MergeEngine.survey(_:interruption:observer:_:)`: with `moments(_:)`, which
/// tell the ranges of histograms, then with `count(_:_:)`. Elements that are not finite are only counted.
/// Cost: two passes, O(n).
public struct DistributionSurvey: MergeMethod {
  /// The description.
  public let info = MethodInfo(
    name: "distribution", title: "Distribution", summary: "Counts the elements of a model by size.",
    formula: "#{i : a ≤ xᵢ < b}", source: "this library", base: .none, models: 1...1,
    streaming: .tensor)

  /// Creates the survey.
  public init() {}

  /// Nothing is merged.
  public func merge(_ inputs: MergeInputs, state: Void) throws(TinctureError) {
    throw TinctureError(.internalError, "Distributions are surveyed, not merged.")
  }

  /// The sums over a tensor.
  ///
  /// - Parameter inputs: The tensor.
  /// - Returns: The sums.
  /// - Throws: `io` when reading fails.
  public static func moments(_ inputs: MergeInputs) throws(TinctureError)
    -> WeightDistribution.Moments
  {
    var moments = WeightDistribution.Moments()
    try inputs.scan(.values) { (block) throws(TinctureError) in
      block.change(model: 0) { x in
        for index in 0..<x.count {
          let value = x[index]
          guard value.isFinite else {
            moments.nonFinite += 1
            x[index] = 0
            continue
          }
          moments.count += 1
          if value == 0 { moments.zeros += 1 }
          moments.smallest = min(moments.smallest, value)
          moments.largest = max(moments.largest, value)
        }
      }
      Kernels.addSum(block[model: 0], to: &moments.sum)
      Kernels.addDot(block[model: 0], block[model: 0], to: &moments.squares)
    }
    return moments
  }

  /// The histograms of a tensor, one for each range.
  ///
  /// - Parameters:
  ///   - inputs: The tensor.
  ///   - empty: The histograms before anything is counted.
  /// - Returns: The histograms.
  /// - Throws: `io` when reading fails.
  static func count(_ inputs: MergeInputs, _ empty: [WeightDistribution.Histogram])
    throws(TinctureError) -> [WeightDistribution.Histogram]
  {
    var histograms = empty
    try inputs.scan(.values) { (block) throws(TinctureError) in
      let x = block[model: 0]
      for index in 0..<x.count where x[index].isFinite {
        for histogram in histograms.indices { histograms[histogram].count(x[index]) }
      }
    }
    return histograms
  }

  /// Finds the distributions of all tensors and of the model.
  ///
  /// - Parameters:
  ///   - plan: A plan of this survey.
  ///   - engine: Workers and memory.
  ///   - bins: How many intervals histograms have, at least one.
  ///   - interruption: Stops the survey when raised.
  ///   - observer: Hears when a tensor is done, from any worker; each is done twice.
  /// - Returns: The distribution of the model, and those of the tensors in the order of the plan.
  /// - Throws: `io` when reading fails.
  public static func find(
    _ plan: MergePlan, by engine: MergeEngine, bins: Int,
    interruption: Interruption = Interruption(), observer: (@Sendable (MergeEvent) -> Void)? = nil
  ) async throws(TinctureError) -> (model: WeightDistribution, tensors: [WeightDistribution]) {
    let moments = try await engine.survey(plan, interruption: interruption, observer: observer) {
      (inputs) throws(TinctureError) in (inputs.step.index, try Self.moments(inputs))
    }
    let own = Dictionary(uniqueKeysWithValues: moments)
    let all = moments.reduce(WeightDistribution.Moments()) { $0 + $1.1 }
    let whole = WeightDistribution.Histogram(all.range, bins: bins)
    let found = try await engine.survey(plan, interruption: interruption, observer: observer) {
      (inputs) throws(TinctureError) in
      let moments = own[inputs.step.index] ?? WeightDistribution.Moments()
      let histograms = try count(inputs, [.init(moments.range, bins: bins), whole])
      return (
        WeightDistribution(name: inputs.step.name, moments: moments, histogram: histograms[0]),
        histograms[1]
      )
    }
    return (
      WeightDistribution(
        name: "", moments: all, histogram: found.reduce(whole) { $0 + $1.1 }), found.map(\.0)
    )
  }
}
