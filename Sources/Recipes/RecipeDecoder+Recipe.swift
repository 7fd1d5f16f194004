import TinctureMerging
import TinctureTensors

extension RecipeDecoder {
  static let recipeKeys = [
    "name", "merge_method", "preset", "base_model", "models", "slices", "modules", "parameters",
    "statistics", "dtype", "out_dtype", "tokenizer", "tokenizer_source", "chat_template", "keep",
    "seed", "data", "preprocess", "postprocess",
  ]

  /// The recipe that a document holds; nil when what is missing leaves nothing to speak of.
  mutating func recipe(_ node: YAMLNode) -> Recipe? {
    guard let members = members(of: node, keys: Self.recipeKeys, in: "the recipe") else {
      return nil
    }
    let method = text(members["merge_method"], "The method")
    if members["merge_method"] == nil {
      reportMissing(
        ["merge_method"], of: members,
        "The recipe names no method; add 'merge_method', e.g. 'linear'.")
    }
    let inputs = inputs(members, allowed: ["models", "slices", "modules"], of: "The recipe")
    var recipe = Recipe(
      method: method ?? Located("", at: members.position), inputs: inputs ?? .models([]),
      source: source)
    readOptions(members, into: &recipe)
    return method == nil || inputs == nil ? nil : recipe
  }

  private mutating func readOptions(_ members: YAMLMembers, into recipe: inout Recipe) {
    recipe.name = text(members["name"], "The name")
    recipe.preset = text(members["preset"], "The preset")
    recipe.base = base(members["base_model"])
    recipe.parameters = parameters(members["parameters"])
    recipe.preprocess = filters(members["preprocess"], "'preprocess'")
    recipe.postprocess = filters(members["postprocess"], "'postprocess'")
    recipe.statistics = text(members["statistics"], "The file of statistics")
    recipe.dtype = dtype(members["dtype"], isArithmetic: true)
    recipe.outputDtype = dtype(members["out_dtype"], isArithmetic: false)
    recipe.tokenizer = tokenizer(members)
    recipe.chatTemplate = text(members["chat_template"], "The chat template")
    recipe.keep = keepRules(members["keep"])
    recipe.data = learningData(members["data"])
    recipe.seed = integer(members["seed"], "The seed", in: 0 ... .max)
  }

  /// The one base, with its place.
  mutating func base(_ node: YAMLNode?) -> ModelEntry? {
    guard let node else { return nil }
    if let list = node.list, list.count != 1 {
      report(node.position, "There is one base, but this is a list of \(list.count) models.")
      return nil
    }
    return model(node).map { ModelEntry(reference: $0, position: node.position) }
  }

  /// A type of numbers.
  mutating func dtype(_ node: YAMLNode?, isArithmetic: Bool) -> Located<DType>? {
    guard let name = text(node, "The dtype") else { return nil }
    let known = ["float32", "float16", "bfloat16", "float64", "float8_e4m3fn", "float8_e5m2"]
    guard let dtype = DType(recipeName: name.value) else {
      let nearest = nearestName(to: name.value, among: known)
      let advice =
        nearest.map { "did you mean '\($0)'?" } ?? "known are \(Self.listing(known))."
      report(name.position, "Unknown dtype '\(Self.shortened(name.value))'; \(advice)")
      return nil
    }
    guard dtype.isArithmetic || !isArithmetic else {
      report(
        name.position,
        "There is no arithmetic in '\(name.value)'; known are \(Self.listing(known)).")
      return nil
    }
    return Located(dtype, at: name.position)
  }

  /// The rules under `keep`.
  mutating func keepRules(_ node: YAMLNode?) -> [KeepRule] {
    guard let node, let items = items(node, "'keep'") else { return [] }
    var rules: [KeepRule] = []
    for item in items {
      let keys = ["model"] + Self.selectorKeys
      guard let members = members(of: item, keys: keys, in: "a rule of 'keep'") else { continue }
      guard Self.selectorKeys.contains(where: { members[$0] != nil }) else {
        reportMissing(
          Self.selectorKeys, of: members,
          "A rule of 'keep' must choose tensors by \(Self.listing(Self.selectorKeys)).")
        continue
      }
      let reference = members["model"].flatMap { model($0) }
      if let selector = selector(members) {
        rules.append(KeepRule(selector: selector, reference: reference, position: item.position))
      }
    }
    return rules
  }
}
