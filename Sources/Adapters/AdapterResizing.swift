internal import SystemPackage
internal import TinctureCheckpoints
internal import TinctureJSON
internal import TinctureLinearAlgebra
internal import TinctureMerging
public import TinctureTensors

/// Gives an adapter other ranks.
///
/// The change of each layer is cut to its largest singular values, which is the nearest change of that rank. They
/// come from QR decompositions of both factors and a small one of r × r, never from the dense change, so a
/// rank at least as large as before loses nothing but rounding. Scales go into the factors; α becomes the
/// rank. Magnitudes of a DoRA, changed biases and tensors that are stored whole stay as they are. Cost:
/// O((out + in) r²) for each layer.
public struct AdapterResizing: Sendable {
  /// The adapter.
  public let adapter: Adapter
  /// How ranks are chosen.
  public let rule: RankRule
  /// The type of the factors; nil keeps it.
  public var dtype: DType?

  /// Prepares to resize.
  ///
  /// - Parameters:
  ///   - adapter: The adapter.
  ///   - rule: How ranks are chosen.
  ///   - dtype: The type of the factors; nil keeps it.
  public init(_ adapter: Adapter, to rule: RankRule, dtype: DType? = nil) {
    self.adapter = adapter
    self.rule = rule
    self.dtype = dtype
  }

  /// Writes the resized adapter.
  ///
  /// - Parameter job: How and where.
  /// - Returns: What each layer lost.
  /// - Throws: `usage` for a rule that does not fit the adapter, `checkpoint` for factors that are not finite,
  ///   `missingFacility` without BLAS, and what writing throws.
  public func run(_ job: AdapterJob) async throws(TinctureError) -> AdapterReport {
    let algebra = try Backend.shared
    try rule.check()
    try rule.check(adapter.layers)
    try job.checkOutput(adapter.source.style)
    try job.check(inputs: [FilePath(adapter.source.path)])
    let (adapter, layers) = (adapter, adapter.layers)
    let bytes = layers.map { 64 * $0.elementsPerRank * adapter.rank(of: $0) }.max() ?? 0
    var spectra: [[Double]] = []
    try await job.forEach(layers, bytes: bytes) { (number) throws(TinctureError) in
      guard let pair = try adapter.factors(of: layers[number]) else { return [Double]() }
      return try pair.decomposed(algebra).singularValues
    } take: { _, values in
      spectra.append(values)
    }
    var outline = AdapterOutline(
      style: adapter.source.style, dtype: dtype ?? adapter.dtype,
      items: layers.map { layer in
        AdapterOutline.Item(
          layer: layer, rank: adapter.rank(of: layer), hasBias: adapter.hasBias(layer),
          magnitude: adapter.magnitude(of: layer))
      })
    outline.take(after: [adapter])
    let ranks = try outline.ranks(rule, spectra, hidden: layers.map(adapter.needs))
    for (number, rank) in ranks.enumerated() { outline.items[number].rank = rank }
    outline.items.removeAll { $0.rank == 0 }
    guard !outline.items.isEmpty else {
      throw TinctureError(.usage, "The budget has no room for a single rank of any layer.")
    }
    let kept = outline.items
    let type = outline.dtype
    let losses = try await job.write(outline, bytes: bytes) { (number) throws(TinctureError) in
      let (layer, rank) = (kept[number].layer, kept[number].rank)
      guard let pair = try adapter.factors(of: layer) else {
        throw TinctureError(.internalError, "The layer has no factors.")
      }
      let svd = try pair.decomposed(algebra)
      let cut = FactorPair(svd, rank: rank).padded(to: rank)
      let numbers = try LayerNumbers(cut, bias: adapter.bias(of: layer), as: type, layer)
      return (numbers, LayerLoss(layer, rank: rank, Spectrum(svd.singularValues)))
    }
    return outline.report(layers, spectra: spectra, losses)
  }
}

extension Adapter {
  /// Whether a layer must stay even where its change is zero: it has more than factors.
  func needs(_ layer: AdapterLayer) -> Bool { hasBias(layer) || magnitude(of: layer) != nil }
}

extension LayerLoss {
  /// What the largest singular values leave.
  init(_ layer: AdapterLayer, rank: Int, _ spectrum: Spectrum) {
    let rest = Spectrum(spectrum.values.dropFirst(rank))
    self.init(layer: layer, rank: rank, norm: spectrum.frobeniusNorm, error: rest.frobeniusNorm)
  }
}

extension AdapterOutline {
  /// Takes over from adapters what concerns the whole of them.
  mutating func take(after adapters: [Adapter]) {
    let configurations = adapters.compactMap(\.source.configuration)
    baseModel = configurations.first?.baseModel
    taskType = configurations.first?.document["task_type"] ?? .null
    isTransposed = configurations.first?.isTransposed ?? false
    for adapter in adapters {
      for (name, entry) in adapter.source.replacements {
        wholes.append(
          Whole(
            name: name,
            reader: StoredTensorReader(entry.tensor, in: entry.file, model: adapter.name)))
      }
    }
  }

  /// Ranks of the items by a rule; their present ranks are the largest possible.
  ///
  /// - Parameters:
  ///   - rule: The rule.
  ///   - spectra: The singular values of each item, largest first.
  ///   - hidden: Which items must stay with one rank at least.
  /// - Returns: A rank for each item.
  /// - Throws: `usage` for a budget without room.
  func ranks(_ rule: RankRule, _ spectra: [[Double]], hidden: [Bool]) throws(TinctureError) -> [Int]
  {
    let least = hidden.map { $0 ? 1 : 0 }
    switch rule {
    case .rank(let rank):
      return items.map { min(rank, $0.layer.fullRank) }
    case .energy(let share):
      return zip(spectra, least).map { max(Spectrum($0).rank(holding: share), $1) }
    case .budget(let bytes):
      // The header with the present names and ranks is the longest that there can be.
      let fixed = layout.files.reduce(0) { $0 + $1.header.count }
      var other = self
      other.items = items.map { item in
        var item = item
        item.rank = 0
        return item
      }
      let width = dtype.byteWidth ?? 4
      let room = (bytes - fixed - other.layout.dataSize) / width
      let reserved = zip(items, least).reduce(0) { $0 + $1.0.layer.elementsPerRank * $1.1 }
      guard room > reserved else {
        throw TinctureError(
          .usage,
          "The budget of \(bytes) bytes has no room for factors: names and other tensors take "
            + "\(fixed + other.layout.dataSize).")
      }
      let budget = RankBudget(spectra: spectra, costs: items.map(\.layer.elementsPerRank))
      return zip(budget.ranks(elements: room - reserved), least).map { max($0, $1) }
    }
  }

  /// The report on all layers, also those that got no rank.
  func report(_ layers: [AdapterLayer], spectra: [[Double]], _ losses: [LayerLoss])
    -> AdapterReport
  {
    let known = Dictionary(losses.map { ($0.layer, $0) }) { first, _ in first }
    var report = AdapterReport()
    report.layers = zip(layers, spectra).map { layer, values in
      known[layer] ?? LayerLoss(layer, rank: 0, Spectrum(values))
    }
    report.byteCount = layout.dataSize
    report.saved = wholes.map(\.name)
    return report
  }
}
