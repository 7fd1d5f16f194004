public import TinctureMerging
public import TinctureTensors

/// Adds sparsified task vectors to the base: the family of task arithmetic, TIES, DARE, DELLA and
/// breadcrumbs.
///
/// θ = θ₀ + λ Σᵢ wᵢ sᵢ(τᵢ), where sᵢ sets elements to zero. With an election, only elements whose sign
/// is that of the weighted sum take part. `normalize` divides by the sum of the weights that took part.
public struct SparsifiedArithmetic: MergeMethod {
  /// Which elements of a task vector stay.
  enum Sparsifier: Sendable {
    /// All.
    case none
    /// The largest magnitudes of the tensor or the model.
    case magnitude
    /// Each by chance.
    case random
    /// All but the largest and the smallest magnitudes.
    case outliers
    /// Each by chance, larger ones more likely.
    case rank
  }

  static let weight = PerModelParameter<Double>("weight", "How much of each task vector is added.")
  static let density = PerModelParameter<Double>(
    "density", default: 1, in: .fraction, "The fraction of each task vector that stays.")
  static let gamma = PerModelParameter<Double>(
    "gamma", default: 0.01, in: .fraction, "The fraction of largest magnitudes that is removed.")
  static let epsilon = PerModelParameter<Double>(
    "epsilon", default: 0.15, in: .fraction,
    "How far the chance to stay departs from the density at both ends of the ranking.")
  static let scale = Parameter<Double>(
    "lambda", default: 1, "What the sum of the task vectors is multiplied by.")
  static let int8Mask = Parameter<Bool>(
    "int8_mask", default: false, "Accepted for old recipes; masks take no memory here.")

  /// The description of the method.
  public let info: MethodInfo
  let sparsifier: Sparsifier
  let elects: Bool
  let normalize: Parameter<Bool>
  let rescale: Parameter<Bool>

  /// Creates a member of the family.
  init(
    _ name: String, aliases: [String] = [], title: String, summary: String, formula: String,
    source: String, link: String, sparsifier: Sparsifier, elects: Bool, normalizes: Bool,
    rescales: Bool = false, presets: [MethodInfo.Preset] = []
  ) {
    self.sparsifier = sparsifier
    self.elects = elects
    normalize = Parameter(
      "normalize", default: normalizes, "Divide by the sum of the weights that took part.")
    rescale = Parameter(
      "rescale", default: rescales, "Make up for what was set to zero, by the rule rescale_rule.")
    var parameters: [any DeclaresParameter] = [Self.weight, Self.scale, normalize, Self.int8Mask]
    if sparsifier != .none { parameters += [Self.density, rescale, Self.rescaleRule] }
    if sparsifier == .magnitude { parameters += [Self.trim, Self.selection] }
    if sparsifier == .outliers { parameters += [Self.gamma, Self.band] }
    if sparsifier == .rank { parameters.append(Self.epsilon) }
    if elects { parameters.append(Self.zeroSign) }
    info = MethodInfo(
      name: name, aliases: aliases, title: title, summary: summary, formula: formula,
      source: source, link: link, base: .required, models: 1...Int.max,
      streaming: sparsifier == .none ? .element : .tensor,
      isRandom: sparsifier == .random || sparsifier == .rank, parameters: parameters,
      presets: presets)
  }

  /// Sums without thresholds or norms may be cut.
  public func isElementwise(_ parameters: ResolvedParameters) -> Bool {
    switch sparsifier {
    case .none: true
    case .random: !parameters[rescale] || parameters[Self.rescaleRule] == "density"
    case .magnitude, .outliers, .rank: false
    }
  }

  /// DELLA needs room on both sides of the density.
  public func objection(to parameters: ResolvedParameters, modelCount: Int) -> String? {
    guard sparsifier == .rank else { return nil }
    for (density, epsilon) in zip(parameters[Self.density], parameters[Self.epsilon])
    where density > 0 && density < 1 && (density - epsilon <= 0 || density + epsilon >= 1) {
      return "density ± epsilon must lie between 0 and 1, but \(density) ± \(epsilon) does not"
    }
    return nil
  }

  /// Thresholds need histograms, ranks need masks.
  public func workingMemory(_ parameters: ResolvedParameters, _ scope: WorkingScope)
    -> WorkingMemory
  {
    var memory = WorkingMemory(vectors: elects ? 1 : 0)
    switch sparsifier {
    case .none, .random: break
    case .magnitude: memory.bytes = scope.rankSearchBytes(ranks: 1, series: scope.modelCount)
    case .outliers:
      memory.wholeRows = parameters[Self.band] == "row"
      memory.bytes =
        memory.wholeRows
        ? 32 * scope.rowLength : scope.rankSearchBytes(ranks: 2, series: scope.modelCount)
    case .rank:
      memory.wholeRows = true
      memory.bytes = (parameters[Self.rescaleRule] == "density" ? 28 : 1) * scope.rowLength
      if keepsMasks(parameters, scope) { memory.bytes += scope.modelCount * maskBytes(scope) }
    }
    return memory
  }

  /// Whether the masks of a tensor are kept between passes, one bit for each element, instead of being
  /// worked out again; the result is the same.
  func keepsMasks(_ parameters: ResolvedParameters, _ scope: WorkingScope) -> Bool {
    sparsifier == .rank && parameters[rescale] && parameters[Self.rescaleRule] == "l1"
      && scope.modelCount * maskBytes(scope) <= scope.share / 2
  }

  func maskBytes(_ scope: WorkingScope) -> Int {
    RecordedMask.bytes(scope.elementCount, rowLength: scope.rowLength)
  }

  /// The plain sum alone forgets nothing that a further task vector would need.
  public func continuation(_ state: GlobalTrim?, _ parameters: ResolvedParameters, modelCount: Int)
    -> MergeContinuation?
  {
    let scale = parameters[Self.scale]
    let weights = parameters[Self.weight]
    let sum = weights.reduce(0, +)
    // Divided sums are added up again where nothing but the division scales them.
    let share = parameters[normalize] ? (scale == 1 ? sum : 0) : 1 / scale
    guard sparsifier == .none, share.isFinite, share.magnitude >= 1e-8 else { return nil }
    return MergeContinuation(
      modelCount: modelCount, merged: ["weight": .number(share)],
      appended: Set(weights).count == 1 ? ["weight": .number(weights[0])] : [:])
  }

  /// Makes one tensor.
  public func merge(_ inputs: MergeInputs, state: GlobalTrim?) throws(TinctureError) {
    let weights = inputs[Self.weight].map { Float($0) }
    let scale = Float(inputs[Self.scale])
    let sum = inputs[Self.weight].reduce(0, +)
    let normalizes = inputs[normalize] && sum.magnitude >= 1e-8
    let total = normalizes ? scale / Float(sum) : scale
    if sparsifier == .none, !elects {
      return try inputs.produceWeightedSum(.taskVectors, weights, scale: total)
    }
    var cuts = try cuts(inputs, state)
    let factors = try rescaling(inputs, &cuts)
    let zeroSign = state?.majority ?? 1
    var running = cuts
    try inputs.produce(.taskVectors) { (block, output) throws(TinctureError) in
      let (start, rowLength) = (block.start, block.rowLength)
      for model in weights.indices {
        block.change(model: model) { x in
          running[model].apply(
            to: &x, from: start, rowLength: rowLength, inputs.workspace, scale: factors[model])
        }
      }
      if elects {
        block.elect(
          votes: weights, weights: weights, zeroSign: zeroSign,
          divisor: inputs[normalize] ? .participants : .none, scale: scale, into: &output)
      } else {
        block.weightedSum(weights, scale: total, addingBase: true, into: &output)
      }
    }
  }
}
