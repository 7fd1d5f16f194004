internal import TinctureLinearAlgebra
internal import TinctureTensors

/// The adapters that change one layer, and what is made of them.
struct LayerCombination {
  let layer: AdapterLayer
  let pairs: [FactorPair]
  /// The weights of the adapters that change the layer.
  let weights: [Double]
  /// The positions of these adapters among all.
  let positions: [Int]
  let options: CombinationOptions
  let algebra: Backend

  /// The largest rank of the inputs.
  var largestRank: Int { pairs.map(\.rank).max() ?? 0 }

  /// The weighted sum, cut to a rank.
  func truncatedSum(_ rank: Int) throws(TinctureError) -> FactorPair {
    let svd = try FactorPair.joined(pairs, weights).decomposed(algebra)
    return FactorPair(svd, rank: rank).padded(to: rank)
  }

  /// A rule on both factors, each for itself: A gets the weight ±√|w s|, B √|w s|.
  func mergedFactors(_ rule: ElementRule) throws(TinctureError) -> FactorPair {
    let products = zip(weights, pairs).map { $0 * $1.scale }
    let roots = products.map { $0.magnitude.squareRoot() }
    let signed = zip(roots, products).map { $1 < 0 ? -$0 : $0 }
    let down = try merged(rule, pairs.map(\.down), signed, "A")
    let up = try merged(rule, pairs.map(\.up), roots, "B")
    return FactorPair(down: down, up: up)
  }

  private func merged(
    _ rule: ElementRule, _ matrices: [Matrix<Double>], _ weights: [Double], _ purpose: String
  ) throws(TinctureError) -> Matrix<Double> {
    var merge = ElementMerge(rule, weights: weights, options, random: random(purpose))
    let result = try merge.merge(matrices.map { ContiguousArray($0.array.map { Float($0) }) })
    return Matrix(
      rows: matrices[0].rows, columns: matrices[0].columns, result.map { Double($0) })
  }

  /// A rule on the whole changes, cut to a rank.
  ///
  /// Only the merged change is ever whole; those of the adapters are made a few rows at a time.
  func mergedChange(_ rule: ElementRule, _ rank: Int) throws(TinctureError) -> FactorPair {
    let (rows, columns) = (layer.outputs, layer.inputCount)
    let height = max(1, min(rows, Self.pieceLength / max(1, columns)))
    let starts = stride(from: 0, to: rows, by: height)
    func piece(_ adapter: Int, _ start: Int) throws(TinctureError) -> ContiguousArray<Float> {
      ContiguousArray(
        try pairs[adapter].product(start..<min(start + height, rows), algebra).array)
    }
    var merge = ElementMerge(rule, weights: weights, options, random: random("change"))
    try merge.findCuts(count: rows * columns) { (adapter, body) throws(TinctureError) in
      for start in starts { body(try piece(adapter, start)) }
    }
    var change = Matrix<Float>(rows: rows, columns: columns)
    for start in starts {
      var pieces: [ContiguousArray<Float>] = []
      for adapter in pairs.indices { pieces.append(try piece(adapter, start)) }
      let merged = merge.merge(pieces, from: start * columns)
      change.change { target in
        for index in merged.indices { target[start * columns + index] = merged[index] }
      }
    }
    let svd = try algebra.svdByGram(change, keepingAbove: 1e-7, rank: rank)
    return FactorPair(svd, rank: rank).padded(to: rank)
  }

  private static let pieceLength = 1 << 20

  /// The memory that the modes need at most.
  static func workingBytes(_ layer: AdapterLayer, ranks: Int, _ mode: CombinationMode) -> Int {
    let factors = 64 * layer.elementsPerRank * ranks
    guard mode.elementRule != nil, !mode.actsOnFactors else { return factors }
    let memory = FactorizationMemory(
      rows: layer.outputs, columns: layer.inputCount, precision: .single)
    return factors + 4 * layer.outputs * layer.inputCount + memory.svdByGram
  }

  /// The random numbers of each adapter.
  func random(_ purpose: String) -> [CounterRandom] {
    positions.map {
      CounterRandom(seed: options.seed, tensor: layer.name, model: $0, purpose: purpose)
    }
  }
}
