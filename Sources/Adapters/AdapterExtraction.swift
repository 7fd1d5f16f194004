internal import SystemPackage
internal import TinctureCheckpoints
internal import TinctureJSON
internal import TinctureLinearAlgebra
public import TinctureMerging
public import TinctureTensors

/// Makes a LoRA adapter of the difference between two models.
///
/// For each weight with Δ = W − W₀ = U diag(σ) Vᵀ the factors are B = U √σ and A = √σ Vᵀ, cut to the rank; α is the
/// rank, so that the scale is 1. Kernels of convolutions are matrices `out × in·height·width`. Where the
/// rank is a small part of the matrix, random projections with three power iterations find the leading
/// singular values; else all come from the eigenvalues of the smaller of Δ Δᵀ and Δᵀ Δ in double precision. Either
/// way the error is measured. Vocabularies, norms, biases and whatever else is no weight of a layer are
/// listed as not saved, or stored whole. Cost: one decomposition for each weight, two where ranks
/// follow from all singular values. Source of the idea: mergekit-extract-lora.
public struct AdapterExtraction: Sendable {
  /// The base.
  public let base: ModelInput
  /// The fine-tuned model.
  public let model: ModelInput
  /// How ranks are chosen.
  public let rule: RankRule
  /// The type of the factors; nil takes the model's.
  public var dtype: DType?
  /// Whether embeddings and heads are factored, too.
  public var factorsVocabulary = false
  /// Whether tensors that differ and have no factors are stored whole.
  public var savesOthers = false
  private var filter = TensorFilter()

  /// Prepares to extract.
  ///
  /// - Parameters:
  ///   - base: The base.
  ///   - model: The fine-tuned model.
  ///   - rule: How ranks are chosen.
  public init(base: ModelInput, model: ModelInput, to rule: RankRule) {
    self.base = base
    self.model = model
    self.rule = rule
  }

  /// Limits the tensors that take part.
  ///
  /// - Parameters:
  ///   - included: Regular expressions of which one must be found in a name; none means all.
  ///   - excluded: Regular expressions of which none may be found.
  /// - Throws: `recipe` for a malformed expression.
  public mutating func limit(to included: [String], without excluded: [String])
    throws(TinctureError)
  {
    for text in included { filter.included.append(try TensorPattern(text)) }
    for text in excluded { filter.excluded.append(try TensorPattern(text)) }
  }

  /// Writes the adapter.
  ///
  /// - Parameter job: How and where.
  /// - Returns: What each layer lost, and what is not in the adapter.
  /// - Throws: `checkpoint` for models that do not fit, `usage` for a rule that does not,
  ///   `missingFacility` without BLAS, and what writing throws.
  public func run(_ job: AdapterJob) async throws(TinctureError) -> AdapterReport {
    let algebra = try Backend.shared
    try rule.check()
    try job.checkOutput(.peft)
    try job.check(inputs: ModelSource(base).files + ModelSource(model).files)
    var survey = try ExtractionSurvey(
      base: base, model: model, filter, factorsVocabulary: factorsVocabulary)
    // PEFT has no changed biases beside factored embeddings.
    let storesTables = savesOthers ? try survey.storeTablesBesideBiases() : false
    let candidates = survey.candidates
    let layers = candidates.map(\.layer)
    try rule.check(layers)
    let bytes = candidates.map(\.workingBytes).max() ?? 0
    var spectra: [[Double]] = []
    let isFixed = if case .rank = rule { true } else { false }
    try await job.forEach(layers, bytes: isFixed ? 0 : bytes) { (number) throws(TinctureError) in
      isFixed
        ? [try candidates[number].weight.norm()] : try candidates[number].spectrum(algebra)
    } take: { _, values in
      spectra.append(values)
    }
    var (outline, report) = try draft(survey, spectra)
    if storesTables {
      report.notes.append(
        "Embeddings are stored whole: PEFT has no changed biases beside factored embeddings.")
    }
    var ranks = try outline.ranks(rule, spectra, hidden: outline.items.map(\.hasBias))
    for (number, values) in spectra.enumerated() where values.first ?? 0 == 0 { ranks[number] = 0 }
    for number in ranks.indices { outline.items[number].rank = ranks[number] }
    let chosen = outline.items.indices.filter { ranks[$0] > 0 }
    guard !chosen.isEmpty else {
      throw TinctureError(
        .checkpoint,
        "No weight of a layer differs from the base, or the budget has no room for one.",
        at: .init(model: model.name))
    }
    outline.items = chosen.map { outline.items[$0] }
    let (items, type) = (outline.items, outline.dtype)
    let biases = Dictionary(
      survey.others.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    let losses = try await job.write(outline, bytes: bytes) { (number) throws(TinctureError) in
      let (item, candidate) = (items[number], candidates[chosen[number]])
      let found = try candidate.approximation(item.rank, algebra)
      let pair = FactorPair(found.svd, rank: item.rank).padded(to: item.rank)
      var bias: [Double]?
      if item.hasBias { bias = try biases[item.layer.module + ".bias"]?.values() }
      let loss = LayerLoss(
        layer: item.layer, rank: item.rank, norm: found.norm, error: found.error)
      return (try LayerNumbers(pair, bias: bias, as: type, item.layer), loss)
    }
    let whole = outline.report(layers, spectra: spectra, losses)
    report.layers = whole.layers
    report.byteCount = whole.byteCount
    return report
  }

  /// The adapter with the largest possible ranks, and what it leaves out.
  private func draft(_ survey: ExtractionSurvey, _ spectra: [[Double]]) throws(TinctureError) -> (
    AdapterOutline, AdapterReport
  ) {
    var report = AdapterReport()
    var outline = AdapterOutline(
      style: .peft,
      dtype: dtype ?? .widest(survey.candidates.map(\.weight.model.dtype)),
      items: survey.candidates.map { .init(layer: $0.layer, rank: $0.layer.fullRank) })
    outline.baseModel = base.name
    outline.isTransposed = survey.isTransposed
    outline.taskType = taskType
    var changed: [TensorDifference] = []
    for other in survey.others where try other.norm() > 0 { changed.append(other) }
    guard savesOthers else {
      report.unsaved = changed.map(\.name) + survey.added.map(\.name)
      return (outline, report)
    }
    let factored = Set(
      zip(outline.items, spectra).filter { $0.1.first ?? 0 > 0 }.map(\.0.layer.module))
    let saved = changed.filter { !Self.isBias($0.name, of: factored) }
    if saved.count < changed.count {
      let present = Set(survey.others.map(\.name))
      for index in outline.items.indices {
        outline.items[index].hasBias = present.contains(
          outline.items[index].layer.module + ".bias")
      }
      let bare = outline.items.filter { !$0.hasBias }.count
      if bare > 0 {
        report.notes.append(
          "\(bare) layers have no bias in the base: PEFT runs the adapter but cannot merge it.")
      }
    }
    // PEFT replaces modules as a whole, so what did not change in them is stored, too.
    let modules = Set(saved.compactMap { ModuleParts($0.name)?.module })
    let all = survey.others + survey.candidates.map(\.weight)
    let names = Set(saved.map(\.name))
    for tensor in all {
      let module = ModuleParts(tensor.name)?.module
      guard names.contains(tensor.name) || module.map(modules.contains) ?? false else { continue }
      outline.wholes.append(.init(name: tensor.name, reader: tensor.model))
    }
    outline.wholes += survey.added.map { .init(name: $0.name, reader: $0.reader) }
    report.saved = outline.wholes.map(\.name)
    let loose = report.saved.filter { ModuleParts($0) == nil }
    if !loose.isEmpty {
      report.notes.append(
        "\(loose.count) stored tensors are no weight or bias of a module, which PEFT cannot load: "
          + NameList.text(loose) + ".")
    }
    return (outline, report)
  }

  private static func isBias(_ name: String, of modules: Set<String>) -> Bool {
    name.hasSuffix(".bias") && modules.contains(String(name.dropLast(".bias".count)))
  }

  /// PEFT's word for what the base does.
  private var taskType: JSONValue {
    let architecture = base.configuration?.architectures.first ?? ""
    for (suffix, word) in [
      ("ForCausalLM", "CAUSAL_LM"), ("LMHeadModel", "CAUSAL_LM"),
      ("ForConditionalGeneration", "SEQ_2_SEQ_LM"), ("ForSequenceClassification", "SEQ_CLS"),
      ("ForTokenClassification", "TOKEN_CLS"), ("ForQuestionAnswering", "QUESTION_ANS"),
    ] where architecture.hasSuffix(suffix) {
      return .string(word)
    }
    return .null
  }
}
