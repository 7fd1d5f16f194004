public import TinctureMerging
public import TinctureTensors

/// Thresholds that count the elements of whole models.
public struct GlobalTrim: Sendable {
  /// The cut of each model, by its position in the recipe.
  public let cuts: [Int: MagnitudeCut]
  /// The sign of most elements of the trimmed sum: 1, or −1 when the majority is negative or there is none.
  public let majority: Float

  /// The cut of a model; one that keeps everything where the model was not counted.
  func cut(of model: Int) -> MagnitudeCut { cuts[model] ?? MagnitudeCut(at: 0, ties: Int.max) }
}

extension SparsifiedArithmetic {
  /// Finds the thresholds of the whole models, and the majority sign where it is asked for.
  public func prepare(_ session: MergeSession) async throws(TinctureError) -> GlobalTrim? {
    guard sparsifier == .magnitude, let first = session.steps.first else {
      return nil
    }
    let isGlobal = first.parameters[Self.trim] == "global"
    let wantsMajority = elects && first.parameters[Self.zeroSign] == "majority"
    guard isGlobal || wantsMajority else { return nil }
    guard isGlobal else {
      throw TinctureError(
        .recipe, "zero_sign: majority needs trim: global, as in the published TIES.")
    }
    let cuts = try await thresholds(session)
    let trim = GlobalTrim(cuts: cuts, majority: 1)
    guard wantsMajority else { return trim }
    return GlobalTrim(cuts: cuts, majority: try await majority(session, trim))
  }

  private func thresholds(_ session: MergeSession) async throws(TinctureError)
    -> [Int: MagnitudeCut]
  {
    var densities: [Int: Double] = [:]
    for step in session.steps {
      for (model, density) in zip(step.modelIndices, step.parameters[Self.density]) {
        guard densities.updateValue(density, forKey: model) ?? density == density else {
          throw TinctureError(
            .recipe,
            "trim: global needs one density for each whole model, not one that changes by tensor.",
            at: .init(tensor: step.name))
        }
      }
    }
    let exact = session.steps[0].parameters[Self.selection] == "exact"
    return try await GlobalTrim.cuts(session, densities: densities, exact: exact)
  }

  private func majority(_ session: MergeSession, _ trim: GlobalTrim) async throws(TinctureError)
    -> Float
  {
    let balance = try await session.tally {
      0
    } count: { (balance: inout Int, inputs) throws(TinctureError) in
      var sum = inputs.scratch()
      var running = try cuts(inputs, trim)
      // Before a method all models have one vote.
      let isWeighted = inputs.step.parameters.models[Self.weight.declaration.name] != nil
      let weights =
        isWeighted
        ? inputs[Self.weight].map { Float($0) }
        : [Float](repeating: 1, count: inputs.modelCount)
      try inputs.scan(.taskVectors) { (block) throws(TinctureError) in
        let (start, rowLength) = (block.start, block.rowLength)
        for model in weights.indices {
          block.change(model: model) { x in
            running[model].apply(to: &x, from: start, rowLength: rowLength, inputs.workspace)
          }
        }
        balance += sum.use(block.count) { sum in
          block.weightedSum(weights, into: &sum)
          return Kernels.signBalance(sum.span)
        }
      }
    } combine: {
      $0 += $1
    }
    return balance > 0 ? 1 : -1
  }
}

extension GlobalTrim {
  /// The thresholds that leave a fraction of the elements of each whole task vector.
  ///
  /// - Parameters:
  ///   - session: The merge.
  ///   - densities: The fraction of each model, by its position in the recipe.
  ///   - exact: Whether exactly that number stays, or one more as in the published code.
  /// - Returns: The cut of each model with a fraction between 0 and 1; elements that tie with it stay.
  /// - Throws: What reading throws.
  /// - Complexity: Two passes over the models.
  static func cuts(
    _ session: MergeSession, densities: [Int: Double], exact: Bool
  ) async throws(TinctureError) -> [Int: MagnitudeCut] {
    // Which tensor a tie falls into would depend on the order of steps: all ties stay.
    try await thresholds(session, densities: densities, exact: exact)
      .mapValues { MagnitudeCut(at: $0, ties: Int.max) }
  }

  /// The least magnitude that stays of each whole task vector.
  ///
  /// - Parameters:
  ///   - session: The merge.
  ///   - densities: The fraction of each model, by its position in the recipe.
  ///   - exact: Whether exactly that number stays, or one more as in the published code.
  ///   - counts: Whether a tensor is part of the task vector.
  /// - Returns: The threshold of each model with a fraction between 0 and 1.
  /// - Throws: What reading throws.
  /// - Complexity: Two passes over the models.
  static func thresholds(
    _ session: MergeSession, densities: [Int: Double], exact: Bool,
    where counts: @escaping @Sendable (MergeInputs) -> Bool = { _ in true }
  ) async throws(TinctureError) -> [Int: Float] {
    let found = try await session.findings(.magnitude) { model, total in
      guard let density = densities[model], density > 0, density < 1 else { return [] }
      let count = Int(density * Double(total))
      return [exact ? total - max(1, count) : max(0, total - count - 1)]
    } visit: { (inputs, count) throws(TinctureError) in
      guard counts(inputs) else { return }
      try inputs.scan(.taskVectors) { (block) throws(TinctureError) in
        for (position, model) in inputs.step.modelIndices.enumerated() {
          count(block[model: position], model)
        }
      }
    }
    return found.compactMapValues(\.first)
  }
}
