internal import TinctureTensors

/// Checks a recipe's parameters against what its method declares, before any model is opened.
struct ParameterCheck {
  let recipe: Recipe
  let method: MethodInfo
  /// Every parameter of any method.
  let known: Set<String>
  private(set) var problems: [TinctureError] = []
  private(set) var notes: [String] = []

  init(_ recipe: Recipe, _ method: MethodInfo, all methods: [any MergeMethod]) {
    self.recipe = recipe
    self.method = method
    known = Set(methods.flatMap { $0.info.parameters.map(\.name) })
    check(recipe.parameters, isForModel: false)
    check(recipe.inputs)
  }

  private mutating func check(_ inputs: RecipeInputs) {
    switch inputs {
    case .models(let entries):
      for entry in entries { check(entry.parameters, isForModel: true) }
    case .slices(let slices):
      for slice in slices {
        check(slice.parameters, isForModel: false)
        for source in slice.sources { check(source.parameters, isForModel: true) }
      }
    case .modules(let modules):
      for module in modules {
        check(module.parameters, isForModel: false)
        check(module.inputs)
      }
    }
  }

  private mutating func check(_ table: ParameterTable, isForModel: Bool) {
    for entry in table.entries {
      guard let declaration = method.parameters.first(where: { $0.name == entry.name }) else {
        reportUnknown(entry)
        continue
      }
      if isForModel, declaration.scope == .merge {
        notes.append(
          "line \(entry.position.line): \(entry.name) has one value for all models and is ignored"
            + " under a single one; write it under the parameters of the recipe.")
        continue
      }
      for value in entry.setting.writtenValues {
        if let objection = declaration.objection(to: value) {
          problems.append(recipe.error(at: entry.settingPosition, objection + "."))
          break
        }
      }
    }
  }

  private mutating func reportUnknown(_ entry: ParameterTable.Entry) {
    if known.contains(entry.name) {
      notes.append(
        "line \(entry.position.line): \(entry.name) has no effect with \(method.name).")
      return
    }
    let names = method.parameters.map(\.name)
    let advice =
      nearestName(to: entry.name, among: names).map { "did you mean \($0)?" }
      ?? (names.isEmpty
        ? "\(method.name) has none." : "\(method.name) has \(names.joined(separator: ", ")).")
    problems.append(
      recipe.error(at: entry.position, "There is no parameter \"\(entry.name)\"; \(advice)"))
  }
}
