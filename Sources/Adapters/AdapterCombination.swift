internal import SystemPackage
internal import TinctureCheckpoints
internal import TinctureLinearAlgebra
public import TinctureTensors

/// Makes one adapter of several.
///
/// With changes Δᵢ = sᵢ Bᵢ Aᵢ and weights wᵢ the mode says how; `cat` gives Σ wᵢ Δᵢ exactly. Layers that only some of
/// the adapters change are made of those. Scales go into the factors, α becomes the rank. Changed biases are
/// summed with the weights in every mode. Tensors that an adapter stores whole are taken over, and are an
/// error when two adapters have the same. Cost of the modes without whole changes: O((out + in)(Σ rᵢ)²) for each
/// layer. Source: PEFT's `add_weighted_adapter`, and the papers of the modes.
public struct AdapterCombination: Sendable {
  /// The adapters.
  public let adapters: [Adapter]
  /// What the changes are multiplied by.
  public let weights: [Double]
  /// How they are combined.
  public let mode: CombinationMode
  /// What can be set besides.
  public var options: CombinationOptions
  /// The type of the factors; nil keeps that of the adapters.
  public var dtype: DType?

  /// Prepares a combination.
  ///
  /// - Parameters:
  ///   - adapters: The adapters.
  ///   - weights: One for each, or one for all.
  ///   - mode: How they are combined.
  ///   - options: What can be set besides.
  /// - Throws: `usage` for weights or options that do not fit, `checkpoint` for adapters that do not go together.
  public init(
    _ adapters: [Adapter], weights: [Double], mode: CombinationMode,
    options: CombinationOptions = CombinationOptions()
  ) throws(TinctureError) {
    guard !adapters.isEmpty else {
      throw TinctureError(.usage, "There is no adapter to combine.")
    }
    guard weights.count == adapters.count || weights.count == 1 else {
      throw TinctureError(
        .usage,
        "There are \(weights.count) weights for \(adapters.count) adapters; give one for each, or one "
          + "for all.")
    }
    guard weights.allSatisfy(\.isFinite) else {
      throw TinctureError(.usage, "The weights must be finite numbers.")
    }
    guard options.density > 0, options.density <= 1 else {
      throw TinctureError(
        .usage, "The density must be above 0 and at most 1, not \(options.density).")
    }
    if let rank = options.rank {
      guard mode.hasRank else {
        throw TinctureError(.usage, "The mode \(mode.rawValue) has no rank to choose.")
      }
      try RankRule.rank(rank).check()
      try RankRule.rank(rank).check(adapters.flatMap(\.layers))
    }
    self.adapters = adapters
    self.weights =
      weights.count == 1
      ? [Double](repeating: weights[0], count: adapters.count) : weights
    self.mode = mode
    self.options = options
    try AdapterAgreement.check(adapters)
  }

  /// Writes the combined adapter.
  ///
  /// - Parameter job: How and where.
  /// - Returns: How far each layer is from the weighted sum of the changes.
  /// - Throws: `checkpoint` for ranks that the mode does not allow, `missingFacility` without BLAS, and what
  ///   reading and writing throw.
  public func run(_ job: AdapterJob) async throws(TinctureError) -> AdapterReport {
    let algebra = try Backend.shared
    try job.checkOutput(adapters[0].source.style)
    try job.check(inputs: adapters.map { FilePath($0.source.path) })
    let layers = AdapterAgreement.layers(adapters)
    let bytes =
      layers.map { layer in
        LayerCombination.workingBytes(
          layer, ranks: adapters.reduce(0) { $0 + $1.rank(of: layer) }, mode)
      }.max() ?? 0
    let found = try await survey(layers, bytes, job, algebra)
    var outline = AdapterOutline(
      style: adapters[0].source.style, dtype: dtype ?? .widest(adapters.map(\.dtype)), items: [])
    outline.take(after: adapters)
    for (number, layer) in layers.enumerated() {
      let rank = try resultRank(of: layer, surveyed: found.ranks?[number])
      guard rank > 0 else { continue }
      outline.items.append(
        .init(layer: layer, rank: rank, hasBias: adapters.contains { $0.hasBias(layer) }))
    }
    guard !outline.items.isEmpty else {
      throw TinctureError(.checkpoint, "All changes are zero; there is nothing to write.")
    }
    let (items, type, cuts) = (outline.items, outline.dtype, found.cuts)
    let losses = try await job.write(outline, bytes: bytes) { (number) throws(TinctureError) in
      let (layer, rank) = (items[number].layer, items[number].rank)
      let combination = try changes(of: layer, algebra)
      let pair = try combined(combination, rank, cuts).padded(to: rank)
      var bias: [Double]?
      if items[number].hasBias { bias = try self.bias(of: layer) }
      return (
        try LayerNumbers(pair, bias: bias, as: type, layer),
        try Self.loss(pair, combination, rank)
      )
    }
    var report = AdapterReport()
    report.layers = losses
    report.byteCount = outline.layout.dataSize
    report.saved = outline.wholes.map(\.name)
    report.notes = AdapterAgreement.notes(adapters)
    return report
  }

  /// The ranks that only the numbers tell, and where coordinates are cut.
  private struct Survey: Sendable {
    var ranks: [Int]?
    var cuts: [Int: MagnitudeCut] = [:]
  }

  private func survey(
    _ layers: [AdapterLayer], _ bytes: Int, _ job: AdapterJob, _ algebra: Backend
  ) async throws(TinctureError) -> Survey {
    guard mode == .knots else { return Survey() }
    var survey = Survey(ranks: [])
    // The coordinates of all layers are cut together: the share is one of the whole adapter.
    let isCut = options.inner.pruning == .magnitude && options.density < 1
    var statistics = adapters.map { _ in isCut ? OrderStatistic(.magnitude) : nil }
    func look(_ body: (Int, Span<Float>) -> Void) async throws(TinctureError) -> [Int] {
      var ranks: [Int] = []
      try await job.forEach(layers, bytes: bytes) { (number) throws(TinctureError) in
        let combination = try changes(of: layers[number], algebra)
        let coordinates = try combination.knots()
        return (coordinates.rank, coordinates.tasks, combination.positions)
      } take: { _, found in
        ranks.append(found.0)
        guard isCut else { return }
        for (task, position) in zip(found.1, found.2) { body(position, task.span) }
      }
      return ranks
    }
    survey.ranks = try await look { statistics[$0]?.count($1) }
    guard isCut else { return survey }
    var places: [Int] = []
    for index in adapters.indices {
      // The published rule keeps the element on the threshold and so one more than asked.
      let total = statistics[index]?.total ?? 0
      places.append(max(0, total - Int(options.density * Double(total)) - 1))
      if total > 0 { statistics[index]?.select([places[index]]) }
    }
    _ = try await look { statistics[$0]?.refine($1) }
    for index in adapters.indices where statistics[index]?.total ?? 0 > 0 {
      guard let value = statistics[index]?.finding(rank: places[index])?.value else { continue }
      survey.cuts[index] = MagnitudeCut(at: value, ties: .max)
    }
    return survey
  }

  private func resultRank(of layer: AdapterLayer, surveyed: Int?) throws(TinctureError) -> Int {
    let ranks = adapters.map { $0.rank(of: layer) }.filter { $0 > 0 }
    let largest = ranks.max() ?? 0
    switch mode {
    case .cat: return ranks.reduce(0, +)
    case .linear, .ties, .dareLinear, .dareTies, .magnitudePrune:
      guard ranks.allSatisfy({ $0 == largest }) else {
        throw TinctureError(
          .checkpoint,
          "The mode \(mode.rawValue) merges factors and needs equal ranks, not "
            + ranks.map(String.init).joined(separator: ", ")
            + "; choose cat, svd or a mode on changes, or resize first.",
          at: .init(tensor: layer.name))
      }
      return largest
    case .lego: return min(options.rank ?? largest, ranks.reduce(0, +))
    case .knots, .core:
      let rank = surveyed ?? min(layer.outputs, ranks.reduce(0, +))
      return min(options.rank ?? rank, rank)
    default: return min(options.rank ?? largest, layer.fullRank)
    }
  }

  private func changes(of layer: AdapterLayer, _ algebra: Backend) throws(TinctureError)
    -> LayerCombination
  {
    let positions = adapters.indices.filter { adapters[$0].has(layer) }
    var pairs: [FactorPair] = []
    for position in positions {
      if let pair = try adapters[position].factors(of: layer) { pairs.append(pair) }
    }
    return LayerCombination(
      layer: layer, pairs: pairs, weights: positions.map { weights[$0] }, positions: positions,
      options: options, algebra: algebra)
  }

  private func combined(_ layer: LayerCombination, _ rank: Int, _ cuts: [Int: MagnitudeCut])
    throws(TinctureError) -> FactorPair
  {
    if let rule = mode.elementRule {
      return try mode.actsOnFactors
        ? layer.mergedFactors(rule) : layer.mergedChange(rule, rank)
    }
    switch mode {
    case .svd: return try layer.truncatedSum(rank)
    case .lego:
      return UnitClusters(layer).merged(
        into: rank, largestRank: layer.largestRank,
        CounterRandom(seed: options.seed, tensor: layer.layer.name, purpose: "lego"))
    case .knots, .core:
      let coordinates = try mode == .knots ? layer.knots() : layer.core()
      var merge = ElementMerge(
        options.inner, weights: layer.weights, options, random: layer.random("coordinates"),
        cuts: layer.positions.map { cuts[$0] })
      let merged =
        try mode == .knots
        ? merge.merge(coordinates.tasks, from: 0) : merge.merge(coordinates.tasks)
      let whole = try coordinates.factors(merged, layer.algebra)
      guard whole.rank > rank else { return whole }
      return FactorPair(try whole.decomposed(layer.algebra), rank: rank)
    default: return FactorPair.joined(layer.pairs, layer.weights)
    }
  }

  private func bias(of layer: AdapterLayer) throws(TinctureError) -> [Double] {
    var sum = [Double](repeating: 0, count: layer.outputs)
    for (adapter, weight) in zip(adapters, weights) {
      for (index, value) in (try adapter.bias(of: layer) ?? []).enumerated() {
        sum[index] += weight * value
      }
    }
    return sum
  }

  /// How far a change is from the weighted sum of all.
  private static func loss(_ pair: FactorPair, _ layer: LayerCombination, _ rank: Int)
    throws(TinctureError) -> LayerLoss
  {
    let sum = FactorPair.joined(layer.pairs, layer.weights)
    let rest = FactorPair.joined([pair, sum], [1, -1])
    return LayerLoss(
      layer: layer.layer, rank: rank,
      norm: Spectrum(try sum.decomposed(layer.algebra).singularValues).frobeniusNorm,
      error: Spectrum(try rest.decomposed(layer.algebra).singularValues).frobeniusNorm)
  }
}
