internal import TinctureTensors

extension Planner {
  /// The recipe's steps before and after the method that are known, in their order.
  static func declarations(_ recipe: Recipe, _ catalog: FilterCatalog)
    -> [(entry: FilterEntry, filter: any MergeFilter)]
  {
    let before: [(FilterEntry, (any MergeFilter)?)] = recipe.preprocess.map { entry in
      (entry, catalog.preprocess.first { $0.info.isNamed(entry.name.value) })
    }
    let after: [(FilterEntry, (any MergeFilter)?)] = recipe.postprocess.map { entry in
      (entry, catalog.postprocess.first { $0.info.isNamed(entry.name.value) })
    }
    return (before + after).compactMap { entry, filter in filter.map { (entry, $0) } }
  }

  /// The method between the recipe's other steps; the method itself where there are none.
  static func composed(
    _ method: any MergeMethod, _ recipe: Recipe, _ catalog: FilterCatalog,
    _ problems: inout ProblemList
  ) -> any MergeMethod {
    guard let first = (recipe.preprocess + recipe.postprocess).first else { return method }
    if let objection = objection(to: method.info, recipe) {
      problems.add(recipe.error(at: first.name.position, objection))
    }
    var before: [any TaskVectorFilter] = []
    var after: [any MergedVectorFilter] = []
    for entry in recipe.preprocess {
      let known = catalog.preprocess.first { $0.info.isNamed(entry.name.value) }
      guard let filter = known else {
        report(entry, under: "preprocess", recipe, catalog, &problems)
        continue
      }
      before.append(filter)
    }
    for entry in recipe.postprocess {
      let known = catalog.postprocess.first { $0.info.isNamed(entry.name.value) }
      guard let filter = known else {
        report(entry, under: "postprocess", recipe, catalog, &problems)
        continue
      }
      after.append(filter)
    }
    for (entry, filter) in declarations(recipe, catalog) {
      check(entry, filter.info, recipe, &problems)
    }
    return method.between(before, after)
  }

  /// Why nothing can stand before and after a method; nil when it can.
  private static func objection(to info: MethodInfo, _ recipe: Recipe) -> String? {
    if info.learns {
      return
        "\(info.name) learns from whole models, so that no step can stand before or after it. Give its"
        + " result a name and let a second recipe with task_arithmetic go on from it."
    }
    if info.makesParts, !recipe.postprocess.isEmpty {
      return
        "\(info.name) writes beside the merged model what makes models of single tasks out of it, which a step"
        + " after it would not change, so that none can stand there. Remove postprocess."
    }
    if recipe.base == nil {
      if case .slices(let slices) = recipe.inputs, slices.allSatisfy({ $0.base != nil }) {
        return nil
      }
      // Without a base other methods say so themselves.
      return info.base == .required
        ? nil : "preprocess and postprocess change task vectors; add base_model: to the recipe."
    }
    return nil
  }

  private static func report(
    _ entry: FilterEntry, under key: String, _ recipe: Recipe, _ catalog: FilterCatalog,
    _ problems: inout ProblemList
  ) {
    let before = catalog.preprocess.map(\.info)
    let after = catalog.postprocess.map(\.info)
    let (own, other, otherKey) =
      key == "preprocess" ? (before, after, "postprocess") : (after, before, "preprocess")
    var advice = "known are \(own.map(\.name).joined(separator: ", "))."
    if other.contains(where: { $0.isNamed(entry.name.value) }) {
      advice = "it can stand under \(otherKey)."
    } else if let nearest = nearestName(
      to: entry.name.value, among: own.flatMap { [$0.name] + $0.aliases })
    {
      advice = "did you mean \(nearest)?"
    }
    problems.add(
      recipe.error(
        at: entry.name.position, "There is no step \"\(entry.name.value)\" under \(key); \(advice)")
    )
  }

  private static func check(
    _ entry: FilterEntry, _ info: FilterInfo, _ recipe: Recipe, _ problems: inout ProblemList
  ) {
    let names = info.parameters.map(\.name)
    for written in entry.parameters.entries {
      guard let declaration = info.parameters.first(where: { $0.name == written.name }) else {
        let advice =
          nearestName(to: written.name, among: names).map { "did you mean \($0)?" }
          ?? (names.isEmpty
            ? "it has none." : "it has \(names.joined(separator: ", ")).")
        problems.add(
          recipe.error(
            at: written.position, "\(info.name) has no parameter \"\(written.name)\"; \(advice)"))
        continue
      }
      for value in written.setting.writtenValues {
        if let objection = declaration.objection(to: value) {
          problems.add(recipe.error(at: written.settingPosition, objection + "."))
          break
        }
      }
    }
    for declaration in info.parameters
    where declaration.defaultValue == nil && entry.parameters[declaration.name] == nil {
      problems.add(
        recipe.error(
          at: entry.name.position,
          "\(info.name) needs \(declaration.name), as in {\(info.name): {\(declaration.name): …}}:"
            + " \(declaration.summary)"))
    }
  }

  /// The values of the steps before and after the method for one tensor.
  mutating func filterParameters(_ assignment: TensorAssignment, modelCount: Int)
    -> [ResolvedParameters]
  {
    filterDeclarations.map { entry, filter in
      var own = ResolvedParameters()
      let scope = ParameterScope([entry.parameters])
      for declaration in filter.info.parameters {
        let found = scope.resolve(
          declaration.name, tensor: assignment.name, layer: assignment.layer,
          depth: assignment.depth)?.value
        guard let value = found ?? declaration.defaultValue else {
          problems.add(
            recipe.error(
              at: entry.name.position,
              "\(filter.info.name) needs \(declaration.name): \(declaration.summary) Some tensors have"
                + " no value; give one without a filter."))
          continue
        }
        switch declaration.scope {
        case .merge: own.merge[declaration.name] = value
        case .model:
          own.models[declaration.name] = [ParameterValue](repeating: value, count: modelCount)
        }
      }
      if own.isComplete(for: filter.info), let objection = filter.objection(to: own) {
        problems.add(
          recipe.error(at: entry.name.position, "\(filter.info.name): \(objection)."))
      }
      return own
    }
  }

  /// Says what steps before and after the method cost beyond the one pass.
  mutating func noteFilterCosts(_ drafts: [StepDraft]) {
    let merged = drafts.filter { if case .merge = $0.action { true } else { false } }
    for (position, (_, filter)) in filterDeclarations.enumerated() {
      for draft in merged where draft.parameters.filters.indices.contains(position) {
        guard let cost = filter.cost(draft.parameters.filters[position]) else { continue }
        let note = "\(filter.info.name) \(cost)."
        if !notes.contains(note) { notes.append(note) }
        break
      }
    }
    guard !recipe.preprocess.isEmpty else { return }
    if merged.contains(where: { draft in
      method.info.takesAdapters && draft.models.contains { $0 is LowRankReader }
    }) {
      problems.add(
        recipe.error(
          at: recipe.preprocess[0].name.position,
          "\(method.info.name) takes the factors of adapters as they are, which preprocess would change;"
            + " extract full models first, or leave preprocess out."))
    }
  }
}

extension ResolvedParameters {
  /// Whether every parameter of a filter has a value.
  fileprivate func isComplete(for info: FilterInfo) -> Bool {
    info.parameters.allSatisfy { merge[$0.name] != nil || models[$0.name] != nil }
  }
}
