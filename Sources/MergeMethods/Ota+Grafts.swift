internal import TinctureMerging
internal import TinctureTensors

extension Ota {
  /// How grafted task vectors become one.
  enum Aggregation: String, CaseIterable {
    case precond
    case linear
    case ties
  }

  /// What is left of the task vectors of one tensor before they are merged.
  struct Grafts {
    /// The scores from which on elements stay; all stay by 0.
    private let cuts: [Float]
    /// What brings each vector back to its length after masking.
    private var factors: [Double]
    /// The magnitudes from which on TIES keeps what the mask left.
    private var trims: [Float]
    private let hasBase: Bool

    /// Whether there are masks.
    var isMasked: Bool { cuts.contains { $0 > 0 } }

    /// Prepares a step.
    ///
    /// - Parameters:
    ///   - inputs: The step; it has statistics.
    ///   - moments: Its second moments.
    ///   - cuts: The thresholds of its models.
    /// - Throws: What reading and the library throw.
    /// - Complexity: One pass more to rescale, some more to trim.
    init(
      _ inputs: MergeInputs, _ moments: SecondMoments, _ cuts: [Float]
    ) throws(TinctureError) {
      self.cuts = cuts
      hasBase = inputs.hasBase
      factors = [Double](repeating: 1, count: cuts.count)
      trims = [Float](repeating: 0, count: cuts.count)
      guard inputs.hasBase, inputs.elementCount > 0 else { return }
      if inputs[Ota.rescale], isMasked {
        // Norms need all elements.
        if try inputs.isFinite() {
          try findFactors(inputs, moments)
        } else {
          factors = factors.map { _ in .nan }
        }
      }
      if inputs[Ota.aggregation] == Aggregation.ties.rawValue { try findTrims(inputs, moments) }
    }

    /// Whether the mask keeps an element.
    func keeps(_ model: Int, _ moment: Float, _ value: Float) -> Bool {
      cuts[model] <= 0 || Ota.score(moment, value, hasBase: hasBase) >= cuts[model]
    }

    /// What an element becomes that the mask keeps.
    func grafted(_ model: Int, _ value: Float) -> Double {
      value.magnitude < trims[model] ? 0 : factors[model] * Double(value)
    }

    private mutating func findFactors(
      _ inputs: MergeInputs, _ moments: SecondMoments
    ) throws(TinctureError) {
      for model in factors.indices where cuts[model] > 0 {
        var (whole, left) = (OperatorLength(inputs.step), OperatorLength(inputs.step))
        try visit(inputs, moments, model) { start, all, kept in
          whole.add(all, from: start)
          left.add(kept, from: start)
        }
        let isRough = inputs[Ota.approximate]
        let (before, after) = (
          try whole.value(approximately: isRough), try left.value(approximately: isRough)
        )
        factors[model] = after > inputs[Ota.rescaleThreshold] * before ? before / after : 0
      }
    }

    private mutating func findTrims(
      _ inputs: MergeInputs, _ moments: SecondMoments
    ) throws(TinctureError) {
      let total = inputs.elementCount
      let kept = Int(inputs[Ota.tiesDensity] * Double(total))
      guard kept < total else { return }
      guard kept > 0 else {
        trims = trims.map { _ in .infinity }
        return
      }
      for model in trims.indices {
        var search = RankSearch(.magnitude, reusing: inputs.workspace.takeTables(1))
        while !search.isFinished {
          try visit(inputs, moments, model) { _, _, kept in search.count(kept) }
          search.endPass(ranks: [total - kept])
        }
        trims[model] = search.finding(rank: total - kept)?.value ?? 0
        inputs.workspace.giveBack(search.tables)
      }
    }

    /// Shows the task vector of a model, and what the mask leaves of it.
    private func visit(
      _ inputs: MergeInputs, _ moments: SecondMoments, _ model: Int,
      _ body: (Int, Span<Float>, Span<Float>) -> Void
    ) throws(TinctureError) {
      var found = inputs.scratch()
      var masked = inputs.scratch()
      try inputs.scan(.taskVectors, models: model..<model + 1) { (block) throws(TinctureError) in
        let count = block.count
        try moments.read(model, block.start, count: count, into: &found)
        masked.use(count) { masked in
          for i in 0..<count {
            let value = block[model: 0][i]
            masked[i] = keeps(model, found.prefix(count)[i], value) ? value : 0
          }
        }
        body(block.start, block[model: 0], masked.prefix(count))
      }
    }
  }
}

/// Sums over models for each element of a block.
struct CurvatureSums {
  private var products: ContiguousArray<Double>
  private var weights: ContiguousArray<Double>
  private var values: ContiguousArray<Double>
  private var grafts: ContiguousArray<Double>

  /// The vectors of a block's length that the sums take.
  static let vectors = 8

  init(count: Int) {
    products = ContiguousArray(repeating: 0, count: count)
    weights = products
    values = products
    grafts = products
  }

  /// Adds an element of one model.
  ///
  /// - Parameters:
  ///   - value: The element as it is.
  ///   - grafted: What masks leave of it.
  ///   - weight: Its weight.
  ///   - index: Its position in the block.
  mutating func add(_ value: Double, grafted: Double, _ weight: Double, at index: Int) {
    products[index] += weight * grafted
    weights[index] += weight
    values[index] += value
    grafts[index] += grafted
  }

  /// Whether the models' weights come to more than this.
  func weight(at index: Int, isAbove least: Double) -> Bool { weights[index] > least }
  /// The mean by weight.
  func mean(at index: Int) -> Double { products[index] / weights[index] }
  /// The sum of the elements as they are.
  func sum(at index: Int) -> Double { values[index] }
  /// The sum of what masks leave.
  func grafted(at index: Int) -> Double { grafts[index] }
}
