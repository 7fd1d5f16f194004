internal import TinctureMerging
internal import TinctureTensors

extension MergeSession {
  /// Finds numbers of given ranks among all those that steps have for each model, exactly.
  ///
  /// - Parameters:
  ///   - order: What is ordered.
  ///   - ranks: The ranks, counted from zero, for a model by its position in the recipe and its number of
  ///     elements.
  ///   - visit: Hands a step's numbers over with their model; the same in both passes.
  /// - Returns: The numbers by model, in the order of the ranks.
  /// - Throws: What reading throws.
  /// - Complexity: Two passes over the models; about a megabyte for each model, rank and worker.
  func findings(
    _ order: OrderStatistic.Order, ranks: (Int, Int) -> [Int],
    visit:
      @escaping @Sendable (MergeInputs, (Span<Float>, Int) -> Void) throws(TinctureError)
      -> Void
  ) async throws(TinctureError) -> [Int: [Float]] {
    var tally = try await self.tally {
      OrderTally(order)
    } count: { (tally, inputs) throws(TinctureError) in
      try visit(inputs) { x, model in tally.count(x, model: model) }
    } combine: {
      $0.add(counts: $1)
    }
    var wanted: [Int: [Int]] = [:]
    for model in tally.models where tally.total(model) > 0 {
      wanted[model] = ranks(model, tally.total(model))
    }
    tally.select(wanted)
    let selected = tally
    let refined = try await self.tally {
      selected
    } count: { (tally, inputs) throws(TinctureError) in
      try visit(inputs) { x, model in tally.refine(x, model: model) }
    } combine: {
      $0.add(refinements: $1)
    }
    var found: [Int: [Float]] = [:]
    for (model, ranks) in wanted {
      found[model] = ranks.compactMap { refined.finding(model, rank: $0)?.value }
    }
    return found
  }
}

extension MergePlan {
  /// The steps that the method makes; the others copy.
  var merged: [MergeStep] {
    steps.filter { if case .merge = $0.action { true } else { false } }
  }

  /// Makes sure that parameters have the same value for all tensors.
  ///
  /// - Parameter names: The parameters.
  /// - Throws: `recipe` with the first tensor that has another value.
  func requireOneValue(of names: [String]) throws(TinctureError) {
    let merged = merged
    guard let first = merged.first?.parameters.merge else { return }
    for step in merged {
      for name in names where step.parameters.merge[name] != first[name] {
        throw TinctureError(
          .recipe,
          "\(method.info.name) looks at whole models, so that \(name) must have one value, not one that"
            + " changes by tensor.", at: .init(tensor: step.name))
      }
    }
  }
}
