public import TinctureMerging
public import TinctureTensors

/// Sets elements of each task vector to zero before a method sees it: the first half of the methods of the
/// TIES family, in front of any method.
///
/// The elements are chosen as `SparsifiedArithmetic` chooses them, with the same names of parameters; defaults
/// are those of the papers.
public struct SparsifyingFilter: TaskVectorFilter {
  /// The description of the step.
  public let info: FilterInfo
  private let family: SparsifiedArithmetic
  private var trim: GlobalTrim?

  private init(_ info: FilterInfo, as family: SparsifiedArithmetic) {
    self.info = info
    self.family = family
  }

  /// Whether the tensor need not be read first.
  public func isElementwise(_ parameters: ResolvedParameters) -> Bool {
    family.isElementwise(parameters)
  }

  /// DELLA needs room on both sides of the density; a majority needs the whole model.
  public func objection(to parameters: ResolvedParameters) -> String? {
    if family.elects, parameters[SparsifiedArithmetic.zeroSign] == "majority",
      parameters[SparsifiedArithmetic.trim] != "global"
    {
      return "zero_sign: majority needs trim: global, as in the published TIES"
    }
    return family.objection(to: parameters, modelCount: 1)
  }

  /// That of the methods.
  public func workingMemory(_ parameters: ResolvedParameters, _ scope: WorkingScope)
    -> WorkingMemory
  { family.workingMemory(parameters, scope) }

  /// Passes for thresholds and sums.
  public func cost(_ parameters: ResolvedParameters) -> String? {
    if family.sparsifier == .magnitude, parameters[SparsifiedArithmetic.trim] == "global" {
      return "finds the thresholds of whole models by two passes over all tensors beforehand"
    }
    if family.isElementwise(parameters) { return nil }
    switch family.sparsifier {
    case .outliers where parameters[SparsifiedArithmetic.band] == "row": return nil
    case .magnitude, .outliers:
      return "finds the thresholds of each tensor by up to three more passes over it"
    case .rank, .random, .none:
      return parameters[SparsifiedArithmetic.rescaleRule] == "l1" && parameters[family.rescale]
        ? "adds up the magnitudes of each tensor by one more pass over it" : nil
    }
  }

  /// Finds the thresholds of whole models where they are wanted.
  public func prepared(_ session: MergeSession) async throws(TinctureError)
    -> any TaskVectorFilter
  {
    var copy = self
    copy.trim = try await family.prepare(session)
    return copy
  }

  /// Finds the thresholds of a tensor.
  public func settled(_ inputs: MergeInputs) throws(TinctureError) -> any TaskVectorPass {
    var cuts = try family.cuts(inputs, trim)
    let factors = try family.rescaling(inputs, &cuts)
    return Pass(
      cuts: cuts, factors: factors, isElementwise: isElementwise(inputs.step.parameters),
      zeroSign: family.elects ? trim?.majority ?? 1 : nil)
  }

  private struct Pass: TaskVectorPass {
    var cuts: [TensorCut]
    let factors: [Float]
    let isElementwise: Bool
    /// The sign that is elected where the sum is zero; nil where there is no election.
    let zeroSign: Float?

    var seesAllModels: Bool { zeroSign != nil }

    mutating func apply(
      to block: inout ElementBlock, models: Range<Int>, _ inputs: MergeInputs
    ) {
      let (start, rowLength) = (block.start, block.rowLength)
      for (position, model) in models.enumerated() {
        block.change(model: position) { x in
          cuts[model].apply(
            to: &x, from: start, rowLength: rowLength, inputs.workspace, scale: factors[model])
        }
      }
      if let zeroSign { SignElection.keepElected(&block, zeroSign: zeroSign, inputs) }
    }
  }
}

extension SparsifyingFilter {
  private static func density(_ value: Double) -> PerModelParameter<Double> {
    PerModelParameter(
      "density", default: value, in: .fraction, "The fraction of each task vector that stays.")
  }

  private static let rescaleRule = Parameter<String>(
    "rescale_rule", default: "density", of: ["density", "l1"],
    "Divide by the chance to stay, or match the sum of magnitudes of each tensor.")

  private static func rescale(_ value: Bool) -> Parameter<Bool> {
    Parameter(
      "rescale", default: value, "Make up for what was set to zero, by the rule rescale_rule.")
  }

  /// Drops elements at random and scales the rest up.
  ///
  /// Source: Yu et al., arXiv:2311.03099.
  public static let dare = SparsifyingFilter(
    FilterInfo(
      name: "dare", aliases: ["drop_and_rescale"],
      summary: "Drops elements of each task vector at random and scales the rest up.",
      formula: "τᵢ ← τᵢ mᵢ / density with mᵢ ~ Bernoulli(density)",
      source: "Yu et al. 2024, Language Models are Super Mario",
      link: "https://arxiv.org/abs/2311.03099", isRandom: true,
      parameters: [density(0.9), rescale(true), rescaleRule]), as: .dareLinear)

  /// Keeps the largest magnitudes.
  ///
  /// Source: Yadav et al., arXiv:2306.01708.
  public static let trim = SparsifyingFilter(
    FilterInfo(
      name: "trim", aliases: ["magnitude"],
      summary: "Keeps the largest elements of each task vector, of each tensor or of the model.",
      formula: "τᵢ ← top(τᵢ, density)",
      source: "Yadav et al. 2023, TIES-Merging", link: "https://arxiv.org/abs/2306.01708",
      parameters: [
        density(0.2), SparsifiedArithmetic.trim, SparsifiedArithmetic.selection, rescale(false),
        SparsifiedArithmetic.rescaleRule,
      ]), as: trimming)

  /// Keeps the largest magnitudes, and of those what has the elected sign.
  ///
  /// Source: Yadav et al., arXiv:2306.01708.
  public static let ties = SparsifyingFilter(
    FilterInfo(
      name: "ties",
      summary: "Trims each task vector and drops what disagrees with the sign of their sum.",
      formula: "vᵢ = top(τᵢ, density);  τᵢ ← vᵢ [sign vᵢ = sign Σ vⱼ]",
      source: "Yadav et al. 2023, TIES-Merging", link: "https://arxiv.org/abs/2306.01708",
      parameters: [
        density(0.2), SparsifiedArithmetic.trim, SparsifiedArithmetic.selection,
        SparsifiedArithmetic.zeroSign,
      ]), as: .ties)

  /// Drops elements at random, small ones more often.
  ///
  /// Source: Deep et al., arXiv:2406.11617.
  public static let della = SparsifyingFilter(
    FilterInfo(
      name: "della", aliases: ["magprune"],
      summary: "Drops elements at random, small ones of a row more often, and scales the rest up.",
      formula: "p = density − ε + 2 ε rank/(n − 1) in each row;  τᵢ ← τᵢ mᵢ / p",
      source: "Deep et al. 2024, DELLA-Merging", link: "https://arxiv.org/abs/2406.11617",
      isRandom: true,
      parameters: [
        density(0.7),
        PerModelParameter(
          "epsilon", default: 0.07, in: .fraction,
          "How far the chance to stay departs from the density at both ends of the ranking."),
        rescale(true), rescaleRule,
      ]), as: .dellaLinear)

  /// Removes the largest and the smallest magnitudes.
  ///
  /// Source: Davari and Belilovsky, arXiv:2312.06795.
  public static let breadcrumbs = SparsifyingFilter(
    FilterInfo(
      name: "breadcrumbs",
      summary: "Removes the largest and the smallest elements of each task vector.",
      formula: "τᵢ ← τᵢ without its γ largest and all but density smaller",
      source: "Davari and Belilovsky 2023, Model Breadcrumbs",
      link: "https://arxiv.org/abs/2312.06795",
      parameters: [
        density(0.15),
        PerModelParameter(
          "gamma", default: 0.006, in: .fraction,
          "The fraction of largest magnitudes that is removed."),
        Parameter(
          "band", default: "row", of: ["row", "tensor"],
          "Whether the fractions count elements of each row or of the tensor."),
      ]), as: .breadcrumbs)

  /// The choice of TIES without its election.
  private static let trimming = SparsifiedArithmetic(
    "trim", title: "Trim", summary: "", formula: "", source: "", link: "",
    sparsifier: .magnitude, elects: false, normalizes: false)
}
