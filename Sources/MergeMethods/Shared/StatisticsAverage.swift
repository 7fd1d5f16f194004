internal import TinctureMerging
internal import TinctureTensors

/// What becomes of a measured weight before elements are averaged with it: max(S + added, least).
struct StatisticsFloor: Sendable, Hashable {
  var added = 0.0
  var least = 0.0
}

extension MergeInputs {
  /// Averages element by element, each with a weight of its own from the statistics.
  ///
  /// θ₀ + λ Σ wᵢ xᵢ / Σ wᵢ with wᵢ = scaleᵢ max(Sᵢ + added, least), and θ₀ zero for blocks of models; where
  /// Σ wᵢ is zero, the models' shares decide. Sums are in double precision.
  ///
  /// - Parameters:
  ///   - form: Models, or task vectors that are added to the base.
  ///   - scales: One factor for each model.
  ///   - floors: What becomes of each model's statistics first.
  ///   - shares: What counts where all weights are zero; they add up to one.
  ///   - factor: λ.
  /// - Throws: `checkpoint` for statistics that are negative or not finite, `io`.
  /// - Complexity: One pass over models and statistics.
  func produceStatisticsAverage(
    _ form: InputForm, scales: [Double], floors: [StatisticsFloor], shares: [Double],
    factor: Double = 1
  ) throws(TinctureError) {
    var measured = scratch()
    try produce(form) { (block, output) throws(TinctureError) in
      var sums = StatisticsSums(count: block.count)
      for model in 0..<block.modelCount {
        var failure: TinctureError?
        measured.use(block.count) { span in
          do throws(TinctureError) {
            try readStatistics(
              of: model, block.start..<block.start + block.count, into: &span)
          } catch { failure = error }
        }
        if let failure { throw failure }
        let weights = measured.prefix(block.count)
        if let index = weights.firstNegative {
          throw TinctureError(
            .checkpoint,
            "Element \(block.start + index) of the statistics is \(weights[index]); a mean of squares is"
              + " never negative. Collect them anew.", at: step.statistics[model].reader.place)
        }
        sums.add(
          block[model: model], weights, scale: scales[model], floors[model], share: shares[model])
      }
      if form == .taskVectors { Kernels.copy(block.base, to: &output) }
      sums.addMean(times: factor, to: &output)
    }
  }

  /// Vectors of a block's length that averaging by statistics takes: one, and three in double precision.
  static var statisticsAverageVectors: Int { 7 }
}

/// Sums over models for each element of a block.
private struct StatisticsSums {
  private var products: ContiguousArray<Double>
  private var weights: ContiguousArray<Double>
  private var means: ContiguousArray<Double>

  init(count: Int) {
    products = ContiguousArray(repeating: 0, count: count)
    weights = products
    means = products
  }

  mutating func add(
    _ values: Span<Float>, _ measured: Span<Float>, scale: Double, _ floor: StatisticsFloor,
    share: Double
  ) {
    for index in 0..<values.count {
      let value = Double(values[index])
      let weight = scale * Swift.max(Double(measured[index]) + floor.added, floor.least)
      products[index] += weight * value
      weights[index] += weight
      means[index] += share * value
    }
  }

  func addMean(times factor: Double, to output: inout MutableSpan<Float>) {
    for index in products.indices {
      let mean = weights[index] > 0 ? products[index] / weights[index] : means[index]
      output[index] = Float(Double(output[index]) + factor * mean)
    }
  }
}

extension Span where Element == Float {
  /// The first element below zero.
  fileprivate var firstNegative: Int? { (0..<count).first { self[$0] < 0 } }
}

/// The coefficients of models whose statistics are merged.
enum StatisticsCoefficients {
  static let coefficients = PerModelParameter<Double>(
    "coefficients", default: 1, in: .atLeast(0), "How much each model's statistics count.")

  /// Coefficients that are all zero leave nothing to divide by.
  static func objection(to parameters: ResolvedParameters) -> String? {
    parameters[coefficients].reduce(0, +) > 0
      ? nil : "the coefficients add up to zero; give at least one model a coefficient above zero"
  }
}

extension MergeInputs {
  /// The coefficients divided by their sum.
  var coefficientShares: [Double] {
    let coefficients = self[StatisticsCoefficients.coefficients]
    let sum = coefficients.reduce(0, +)
    return coefficients.map { $0 / sum }
  }
}
