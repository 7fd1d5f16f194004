public import SystemPackage
public import TinctureCheckpoints
internal import TinctureJSON
public import TinctureTensors

/// Turns a recipe into a plan: opens the models, checks everything that can be checked without reading
/// tensors, and decides every step.
public struct Planner {
  /// The recipe.
  public let recipe: Recipe
  /// What the user chose besides.
  public let settings: PlanSettings
  /// The method.
  public let method: any MergeMethod
  /// The opened models, in the order in which the recipe mentions them.
  public let models: [ModelInput]
  let preset: [String: ParameterValue]
  /// What the recipe's steps before and after the method can set, in their order.
  let filterDeclarations: [(entry: FilterEntry, filter: any MergeFilter)]
  let positions: [ModelReference: Int]
  var notes: [String]
  var problems = ProblemList()
  var plannedStatistics: PlannedStatistics?

  /// Opens the models of a recipe.
  ///
  /// - Parameters:
  ///   - recipe: The recipe.
  ///   - methods: The known methods.
  ///   - filters: The known steps before and after methods.
  ///   - settings: What the user chose besides.
  ///   - locator: Finds models.
  ///   - stages: The results of earlier recipes of the same file, by their names.
  /// - Throws: `recipe` for what is wrong in the text, `missingInput` or `checkpoint` for what is wrong with
  ///   the models; all faults of one kind at once.
  public init(
    _ recipe: Recipe, methods: [any MergeMethod], filters: FilterCatalog = FilterCatalog(),
    settings: PlanSettings = PlanSettings(),
    locator: ModelLocator = ModelLocator(), stages: [String: FilePath] = [:]
  ) throws(TinctureError) {
    self.recipe = recipe
    self.settings = settings
    (method, preset, notes) = try Self.checked(recipe, methods, filters)
    filterDeclarations = Self.declarations(recipe, filters)
    var problems = ProblemList()
    var models: [ModelInput] = []
    var positions: [ModelReference: Int] = [:]
    func open(
      _ reference: ModelReference, base: ModelInput? = nil, shelf: BankShelf = BankShelf()
    ) throws(TinctureError) -> ModelInput {
      try ModelInput(
        opening: reference, locator: locator, stage: stages[reference.path],
        folder: recipe.source.folder, base: base, shelf: shelf)
    }
    let references = recipe.referencedModels
    let shelf = BankShelf(
      requiring: try settings.bankBase.map { (base) throws(TinctureError) in try open(base) })
    // The base first: experts of a bank are put together from it. What is wrong with it is said below.
    var base: ModelInput?
    if let reference = recipe.base?.reference, reference.expert == nil,
      references.contains(where: { $0.expert != nil })
    {
      base = try? open(reference)
    }
    for reference in references {
      do throws(TinctureError) {
        positions[reference] = models.count
        if let base, reference == base.reference {
          models.append(base)
        } else {
          let model = try open(reference, base: base, shelf: shelf)
          models.append(
            try Self.folded(model, recipe, method.info, &notes) { (folded) throws(TinctureError) in
              try open(folded)
            })
        }
      } catch { problems.add(error) }
    }
    try problems.finish()
    if let kind = method.info.statistics {
      plannedStatistics = PlannedStatistics(kind, for: method.info, of: recipe, &problems)
      try problems.finish()
    }
    for model in models { notes += model.notes }
    self.models = models
    self.positions = positions
  }

  /// Checks what can be checked before models are opened: method, preset, parameters and base.
  ///
  /// - Parameters:
  ///   - recipe: The recipe.
  ///   - methods: The known methods.
  ///   - filters: The known steps before and after methods.
  /// - Throws: `recipe` with all faults at once.
  public static func check(
    _ recipe: Recipe, methods: [any MergeMethod], filters: FilterCatalog = FilterCatalog()
  ) throws(TinctureError) {
    _ = try checked(recipe, methods, filters)
  }

  private static func checked(
    _ recipe: Recipe, _ methods: [any MergeMethod], _ filters: FilterCatalog
  ) throws(TinctureError)
    -> (method: any MergeMethod, preset: [String: ParameterValue], notes: [String])
  {
    let wanted = recipe.method.value.lowercased().replacing("-", with: "_")
    guard
      let method = methods.first(where: {
        $0.info.name == wanted || $0.info.aliases.contains(wanted)
      })
    else {
      let names = methods.flatMap { [$0.info.name] + $0.info.aliases }
      let nearest = nearestName(to: wanted, among: names)
      throw recipe.error(
        at: recipe.method.position,
        "There is no method \"\(recipe.method.value)\"; "
          + (nearest.map { "did you mean \($0)?" } ?? "`tincture methods` lists them."))
    }
    let preset = try preset(recipe, method.info)
    let check = ParameterCheck(recipe, method.info, all: methods)
    var problems = ProblemList()
    for problem in check.problems { problems.add(problem) }
    try checkBase(recipe, method.info, &problems)
    checkData(recipe, method.info, &problems)
    var notes = check.notes
    checkStatistics(recipe, method.info, &problems, &notes)
    let composed = composed(method, recipe, filters, &problems)
    try problems.finish()
    return (composed, preset, notes + ignoredSettings(recipe))
  }

  /// What mergekit's recipes may say and nothing here depends on.
  private static func ignoredSettings(_ recipe: Recipe) -> [String] {
    var notes: [String] = []
    if recipe.referencedModels.contains(where: { $0.overrideArchitecture != nil }) {
      notes.append("override_architecture has no effect: the structure is told from tensor names.")
    }
    func slices(_ inputs: RecipeInputs) -> [SliceEntry] {
      switch inputs {
      case .models: []
      case .slices(let slices): slices
      case .modules(let modules): modules.flatMap { slices($0.inputs) }
      }
    }
    if slices(recipe.inputs).contains(where: { $0.residualWeight != nil }) {
      notes.append("residual_weight has no effect, in mergekit neither.")
    }
    return notes
  }

  private static func preset(_ recipe: Recipe, _ method: MethodInfo) throws(TinctureError)
    -> [String: ParameterValue]
  {
    guard let wanted = recipe.preset else { return [:] }
    guard let preset = method.presets.first(where: { $0.name == wanted.value }) else {
      let names = method.presets.map(\.name)
      let advice =
        names.isEmpty
        ? "\(method.name) has none." : "\(method.name) has \(names.joined(separator: ", "))."
      throw recipe.error(at: wanted.position, "There is no preset \"\(wanted.value)\"; \(advice)")
    }
    return Dictionary(preset.values.map { ($0.name, $0.value) }) { $1 }
  }

  private static func checkBase(
    _ recipe: Recipe, _ method: MethodInfo, _ problems: inout ProblemList
  ) throws(TinctureError) {
    guard method.base == .required, recipe.base == nil else { return }
    if case .slices(let slices) = recipe.inputs, slices.allSatisfy({ $0.base != nil }) { return }
    problems.add(
      recipe.error(
        at: recipe.method.position, "\(method.name) needs a base; add base_model: to the recipe."))
  }

  private static func checkData(
    _ recipe: Recipe, _ method: MethodInfo, _ problems: inout ProblemList
  ) {
    if method.learns, recipe.data == nil {
      problems.add(
        recipe.error(
          at: recipe.method.position,
          "\(method.name) learns from examples; "
            + (recipe.source.origin == .file
              ? "add 'data' with a 'suite' to the recipe." : "name a suite by --data.")))
    } else if !method.learns, method.statistics == nil, let data = recipe.data {
      guard let validated = method.validated else {
        problems.add(
          recipe.error(
            at: data.position, "\(method.name) learns nothing from data; remove 'data'."))
        return
      }
      check(validated, data, recipe, &problems)
    }
  }

  /// Says of a recipe whether a parameter can be chosen on its data.
  private static func check(
    _ validated: ValidatedParameter, _ data: LearningData, _ recipe: Recipe,
    _ problems: inout ProblemList
  ) {
    guard case .models(let entries) = recipe.inputs else {
      problems.add(
        recipe.error(
          at: data.position,
          "\(validated.name) can be chosen by 'data' for whole models only; remove 'data'."))
      return
    }
    for table in [recipe.parameters] + entries.map(\.parameters) {
      guard let given = table[validated.name] else { continue }
      problems.add(
        recipe.error(
          at: given.position,
          "The recipe gives \(validated.name), and by 'data' what to choose it on; remove one of them."
        ))
    }
  }

  /// What is chosen on the recipe's data while it is carried out, and the models.
  package var validation: (parameter: ValidatedParameter, models: [ModelInput])? {
    guard let parameter = method.info.validated, recipe.data != nil else { return nil }
    let references = recipe.inputModels(withoutBase: method.info.separatesBase)
    return (parameter, references.compactMap { positions[$0].map { models[$0] } })
  }

  /// Makes the plan.
  ///
  /// - Returns: The plan.
  /// - Throws: `recipe` or `checkpoint` with all missing and mismatching tensors at once, `missingFacility`
  ///   when the method computes with a library that is not there.
  /// - Complexity: O(n m) for n tensors and m models; of tensor data only small samples are read.
  public mutating func plan() throws(TinctureError) -> MergePlan {
    try method.requireFacilities()
    let assignments = try assignments()
    try problems.finish()
    let vocabulary = try mergedVocabulary()
    var drafts: [StepDraft] = []
    for assignment in assignments {
      if let draft = try draft(assignment, vocabulary) { drafts.append(draft) }
    }
    plannedStatistics?.report(recipe, to: &problems)
    try problems.finish()
    if let note = plannedStatistics?.note { notes.append(note) }
    if let (parameter, models) = validation {
      notes.append(
        "\(parameter.name) is chosen for each task from \(parameter.list), by \(parameter.candidates.count)"
          + " merges that go before and \(parameter.candidates.count * models.count) evaluations.")
    }
    noteFilterCosts(drafts)
    guard !drafts.isEmpty else {
      throw recipe.error(at: recipe.method.position, "The recipe makes no tensor at all.")
    }
    try noteUnrelatedBase(drafts)
    addExtraOutputs(to: &drafts)
    try problems.finish()
    let layout = OutputLayout(tensors: drafts.flatMap(\.outputs), shardSize: settings.shardSize)
    var steps: [MergeStep] = []
    var places = layout.places[...]
    for (index, draft) in drafts.enumerated() {
      let own = places.prefix(draft.outputs.count)
      places = places.dropFirst(own.count)
      steps.append(draft.step(index: index, outputs: own))
    }
    var options = MergeOptions(
      seed: settings.seed ?? recipe.seed.map { UInt64(bitPattern: Int64($0.value)) } ?? 0,
      nonFinite: settings.nonFinite)
    options.data = recipe.data
    options.machine = settings.machine
    let plan = MergePlan(
      method: method, steps: steps, layout: layout,
      sidecars: try sidecars(vocabulary, outputNames: Set(drafts.map(\.name))), options: options,
      notes: notes)
    try method.check(plan)
    return plan
  }

  /// The files with statistics.
  public var statisticsFiles: [FilePath] { plannedStatistics?.files ?? [] }

  /// Asks the method what it writes besides the merged tensors.
  private mutating func addExtraOutputs(to drafts: inout [StepDraft]) {
    var shapes: [String: Shape] = [:]
    for draft in drafts { if case .merge = draft.action { shapes[draft.name] = draft.shape } }
    var names = Set(drafts.map { ExactString($0.name) })
    for index in drafts.indices {
      let draft = drafts[index]
      guard case .merge = draft.action else { continue }
      let extras = method.extraOutputs(
        OutputScope(
          tensor: draft.outputs[0], modelCount: draft.models.count,
          parameters: draft.parameters, isVocabulary: isVocabularyTensor(draft.name),
          shapes: shapes))
      for extra in extras where !names.insert(ExactString(extra.name)).inserted {
        problems.add(
          TinctureError(
            .checkpoint,
            "\(method.info.name) writes a tensor of this name, which the models have already.",
            at: .init(tensor: extra.name)))
      }
      drafts[index].extras = extras
    }
  }

  /// The model from which configuration, tokenizer and further files come: the base, else the first.
  public var donor: ModelInput {
    if let base = recipe.base, let position = positions[base.reference] { return models[position] }
    return models[recipe.mergedModels.first.flatMap { positions[$0] } ?? 0]
  }
}

/// Faults that are reported together.
struct ProblemList {
  private var problems: [TinctureError] = []

  mutating func add(_ problem: TinctureError) {
    if !problems.contains(problem) { problems.append(problem) }
  }

  /// Throws what was collected: a single fault as it is, several under one heading.
  mutating func finish() throws(TinctureError) {
    defer { problems = [] }
    guard let first = problems.first else { return }
    guard problems.count > 1 else { throw first }
    throw TinctureError(first.code, "\(problems.count) things are wrong:", causes: problems)
  }
}
