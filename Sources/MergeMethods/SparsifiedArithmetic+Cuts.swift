internal import TinctureMerging
internal import TinctureTensors

extension SparsifiedArithmetic {
  static let rescaleRule = Parameter<String>(
    "rescale_rule", default: "l1", of: ["l1", "density"],
    "Match the sum of magnitudes of each tensor, or divide by the chance to stay.")
  static let trim = Parameter<String>(
    "trim", default: "tensor", of: ["tensor", "global"],
    "Whether the density counts elements of each tensor or of the whole model.")
  static let selection = Parameter<String>(
    "selection", default: "exact", of: ["exact", "threshold"],
    "Keep exactly the wanted number, or everything from the threshold on, ties included.")
  static let band = Parameter<String>(
    "band", default: "tensor", of: ["tensor", "row"],
    "Whether the fractions count elements of the tensor or of each row.")
  static let zeroSign = Parameter<String>(
    "zero_sign", default: "positive", of: ["positive", "majority"],
    "The sign elected where the sum is zero: positive, or that of most elements of the model.")

  /// Which elements of each model's task vector stay in this tensor.
  func cuts(_ inputs: MergeInputs, _ state: GlobalTrim?) throws(TinctureError) -> [TensorCut] {
    guard sparsifier != .none else {
      return [TensorCut](repeating: .everything, count: inputs.modelCount)
    }
    var densities = inputs[Self.density]
    var cuts = densities.map { $0 > 0 ? TensorCut.everything : .nothing }
    if inputs.elementCount == 0 { densities = densities.map { _ in 1 } }
    let partial = densities.indices.filter { densities[$0] > 0 && densities[$0] < 1 }
    guard !partial.isEmpty else { return cuts }
    switch sparsifier {
    case .none: break
    case .random:
      for model in partial {
        cuts[model] = .random(inputs.random("dare", model: model), probability: densities[model])
      }
    case .rank:
      let inverse = inputs[rescale] && inputs[Self.rescaleRule] == "density"
      for (model, epsilon) in inputs[Self.epsilon].enumerated() where partial.contains(model) {
        let drop = RankedDrop(
          random: inputs.random("della", model: model), low: densities[model] - epsilon,
          spread: epsilon)
        cuts[model] = inverse ? .rankedInverse(drop) : .ranked(drop)
      }
    case .magnitude:
      if let state {
        for model in partial {
          cuts[model] = .largest(state.cut(of: inputs.step.modelIndices[model]))
        }
      } else {
        try cutLargest(&cuts, partial, densities, inputs)
      }
    case .outliers: try cutBands(&cuts, partial, densities, inputs)
    }
    return cuts
  }

  private func cutLargest(
    _ cuts: inout [TensorCut], _ partial: [Int], _ densities: [Double], _ inputs: MergeInputs
  ) throws(TinctureError) {
    let total = inputs.elementCount
    let exact = inputs[Self.selection] == "exact"
    var ranks: [Int: Int] = [:]
    for model in partial {
      let count = Int(densities[model] * Double(total))
      // The published rule keeps the element on the threshold and so one more than asked.
      ranks[model] = exact ? total - max(1, count) : max(0, total - count - 1)
    }
    let findings = try findings(partial, { [ranks[$0] ?? 0] }, inputs)
    for model in partial {
      guard let finding = findings[model]?.first else { continue }
      cuts[model] = .largest(
        exact
          ? finding.cut(keeping: total - (ranks[model] ?? 0), of: total)
          : MagnitudeCut(at: finding.value, ties: Int.max))
    }
  }

  private func cutBands(
    _ cuts: inout [TensorCut], _ partial: [Int], _ densities: [Double], _ inputs: MergeInputs
  ) throws(TinctureError) {
    let gammas = inputs[Self.gamma]
    if inputs[Self.band] == "row" {
      let length = Double(inputs.step.shape.rowLength)
      for model in partial {
        cuts[model] = .rowBand(
          drop: Int(gammas[model] * length), keep: Int(densities[model] * length))
      }
      return
    }
    let total = inputs.elementCount
    var bands: [Int: (kept: Int, dropped: Int)] = [:]
    for model in partial {
      let kept = Int(densities[model] * Double(total))
      let bottom = max(0, total - kept - Int(gammas[model] * Double(total)))
      if kept == 0 { cuts[model] = .nothing } else { bands[model] = (kept, total - bottom - kept) }
    }
    let counted = partial.filter { bands[$0] != nil }
    let findings = try findings(
      counted,
      { model in
        guard let band = bands[model] else { return [] }
        let lowest = total - band.kept - band.dropped
        return band.dropped > 0 ? [lowest, total - band.dropped] : [lowest]
      }, inputs)
    for model in counted {
      guard let band = bands[model], let found = findings[model], let low = found.first else {
        continue
      }
      let drop = band.dropped > 0 ? found[1].cut(keeping: band.dropped, of: total) : nil
      cuts[model] = .band(keep: low.cut(keeping: band.kept + band.dropped, of: total), drop: drop)
    }
  }

  /// The magnitudes of the task vectors that have the wanted ranks.
  private func findings(
    _ models: [Int], _ ranks: (Int) -> [Int], _ inputs: MergeInputs
  ) throws(TinctureError) -> [Int: [OrderStatistic.Finding]] {
    let ranksByModel = models.map(ranks)
    var searches = ranksByModel.map {
      RankSearch(.magnitude, reusing: inputs.workspace.takeTables($0.count))
    }
    let most = ranksByModel.map(\.count).max() ?? 0
    if inputs.workingScope.samples(ranks: most, series: inputs.modelCount) {
      try inputs.sample(.taskVectors, count: RankSearch.sampleCount) {
        (block) throws(TinctureError) in
        for (index, model) in models.enumerated() { searches[index].sample(block[model: model]) }
      }
      let total = Double(inputs.elementCount)
      for index in models.indices {
        searches[index].expect(ranksByModel[index].map { Double($0) / total })
      }
    }
    while searches.contains(where: { !$0.isFinished }) {
      try inputs.scan(.taskVectors) { (block) throws(TinctureError) in
        for (index, model) in models.enumerated() { searches[index].count(block[model: model]) }
      }
      for index in models.indices { searches[index].endPass(ranks: ranksByModel[index]) }
    }
    var findings: [Int: [OrderStatistic.Finding]] = [:]
    for (index, model) in models.enumerated() {
      findings[model] = ranksByModel[index].compactMap { searches[index].finding(rank: $0) }
      inputs.workspace.giveBack(searches[index].tables)
    }
    return findings
  }

  /// What each sparsified task vector is multiplied by to make up for what was set to zero.
  ///
  /// Cuts that are costly to apply are replaced by the masks they gave.
  func rescaling(_ inputs: MergeInputs, _ cuts: inout [TensorCut]) throws(TinctureError) -> [Float]
  {
    var factors = [Float](repeating: 1, count: cuts.count)
    guard sparsifier != .none, inputs[rescale] else { return factors }
    if inputs[Self.rescaleRule] == "density" {
      if sparsifier != .rank {
        for (model, density) in inputs[Self.density].enumerated() where density > 0 {
          factors[model] = Float(1 / density)
        }
      }
      return factors
    }
    let cut = cuts.indices.filter {
      switch cuts[$0] {
      case .everything, .nothing: false
      default: true
      }
    }
    guard !cut.isEmpty else { return factors }
    var before = [Double](repeating: 0, count: cuts.count)
    var after = before
    var running = cuts
    let records = keepsMasks(inputs.step.parameters, inputs.workingScope)
    var masks = [RecordedMask](repeating: RecordedMask(), count: cuts.count)
    if records { for model in cut { masks[model].reserve(maskBytes(inputs.workingScope)) } }
    let workspace = inputs.workspace
    let wholeRows = sparsifier == .rank || (sparsifier == .outliers && inputs[Self.band] == "row")
    try inputs.scan(.taskVectors) { (block) throws(TinctureError) in
      // Blocks of whole rows are summed row by row, so that sums do not depend on the block size.
      let (first, rowLength) = (block.start, block.rowLength)
      let piece = wholeRows ? max(1, rowLength) : block.count
      for model in cut {
        for start in stride(from: 0, to: block.count, by: piece) {
          let range = start..<min(start + piece, block.count)
          if case .ranked(let drop) = cuts[model] {
            drop.select(
              block[model: model].extracting(range), from: first + start, workspace,
              all: &before[model], kept: &after[model])
            if records { workspace.readMask(range.count) { masks[model].append($0) } }
          } else {
            Kernels.addMagnitudes(block[model: model].extracting(range), to: &before[model])
          }
        }
        if case .ranked = cuts[model] { continue }
        block.change(model: model) { x in
          running[model].apply(to: &x, from: first, rowLength: rowLength, workspace)
        }
        for start in stride(from: 0, to: block.count, by: piece) {
          let range = start..<min(start + piece, block.count)
          Kernels.addMagnitudes(block[model: model].extracting(range), to: &after[model])
        }
      }
    }
    if records { for model in cut { cuts[model] = .recorded(masks[model]) } }
    for model in cut where before[model] >= 1e-7 && after[model] >= 1e-7 {
      factors[model] = Float(before[model] / after[model])
    }
    return factors
  }
}
