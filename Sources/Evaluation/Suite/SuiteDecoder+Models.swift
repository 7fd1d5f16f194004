import SystemPackage
import TinctureBanks
import TinctureCheckpoints
import TinctureMerging
import TinctureRecipes
import TinctureSafetensors
import TinctureTensors

extension SuiteDecoder {
  /// The models of a suite, with the recipes of named folders that are not listed themselves.
  mutating func models(
    _ node: YAMLNode, _ tasks: [EvaluationTask], _ file: FilePath
  ) -> [SuiteModel] {
    var models: [SuiteModel] = []
    for item in items(node, "'models'") ?? [] {
      let sorts = ["model", "recipe", "recipes", "experts", "codec", "fusion"]
      let keys = ["name"] + sorts + ["bits", "rescale", "learned", "reference"]
      guard let members = members(of: item, keys: keys, in: "a model") else { continue }
      let sources = sorts.filter { members[$0] != nil }
      guard let source = sources.first, sources.count == 1 else {
        reportMissing(
          keys, of: members, "A model needs one of \(Self.listing(sorts)).")
        continue
      }
      if source == "recipes" {
        let known = Set(models.map(\.source))
        let takesLearned = flag(members["learned"], "'learned'") ?? true
        models += recipes(members["recipes"], file, takesLearned: takesLearned)
          .filter { !known.contains($0.source) }
      } else if let model = model(members, source, tasks) {
        models.append(model)
      }
    }
    return models
  }

  private mutating func model(
    _ members: YAMLMembers, _ kind: String, _ tasks: [EvaluationTask]
  ) -> SuiteModel? {
    let source: SuiteModel.Source
    let fallback: String
    if kind == "experts" || kind == "codec", let task = tasks.first(where: { $0.expert == nil }) {
      report(members.position, "The task '\(task.name)' names no 'expert'.")
    }
    if kind == "experts" {
      guard members[kind]?.scalar?.bool == true else {
        report(members.position, "'experts' is 'true' or left out.")
        return nil
      }
      (source, fallback) = (.experts, "individual experts")
    } else if kind == "codec" {
      guard let codec = codec(members) else { return nil }
      (source, fallback) = (.codec(codec), codec.text)
    } else if kind == "fusion" {
      guard let node = members[kind], let fusion = fusion(node) else { return nil }
      (source, fallback) = (.fusion(fusion), "logit fusion")
    } else {
      guard let path = text(members[kind], "'\(kind)'")?.value else { return nil }
      source = kind == "recipe" ? .recipe(path) : .model(path)
      fallback = FilePath(path).stem ?? path
    }
    if let learned = members["learned"] {
      report(learned.position, "'learned' needs 'recipes'.")
    }
    for key in ["bits", "rescale"] where kind != "codec" && members[key] != nil {
      report(members.position, "'\(key)' needs a 'codec'.")
    }
    let name = text(members["name"], "'name'")?.value ?? fallback
    return SuiteModel(
      name: name, source: source,
      reference: members["reference"].map { reference($0, tasks) } ?? [:])
  }

  /// A large language model with the small ones that steer it.
  private mutating func fusion(_ node: YAMLNode) -> LogitFusion? {
    let keys = ["large", "small", "experts", "config", "limit", "step"]
    guard let members = members(of: node, keys: keys, in: "'fusion'") else { return nil }
    guard let large = text(members["large"], "'large'"),
      let small = text(members["small"], "'small'"),
      let list = members["experts"]
    else {
      reportMissing(
        ["large", "small", "experts"], of: members,
        "'fusion' needs 'large', 'small' and 'experts', which are models.")
      return nil
    }
    let experts = (items(list, "'experts'") ?? []).compactMap { text($0, "An expert")?.value }
    if experts.isEmpty { report(list.position, "'experts' of a fusion names at least one model.") }
    var fusion = LogitFusion(large: large.value, small: small.value, experts: experts)
    fusion.configuration = text(members["config"], "'config'")?.value
    if let limit = number(members["limit"], "'limit'") { fusion.limit = limit }
    if let step = number(members["step"], "'step'") { fusion.step = step }
    if fusion.limit < 0 || fusion.step <= 0 || fusion.limit / max(fusion.step, 1e-300) > 1000 {
      report(
        node.position,
        "'limit' must not be negative, 'step' must be positive, and at most 1000 steps lead to the limit."
      )
      return nil
    }
    return fusion
  }

  private mutating func codec(_ members: YAMLMembers) -> BankCodec? {
    guard let kind = choice(members["codec"], "'codec'", of: BankCodec.Kind.self) else {
      return nil
    }
    let bits = integer(members["bits"], "'bits'", in: 1...8)
    if bits != nil, ![.affine, .tvq, .rtvq].contains(kind) {
      report(members.position, "'bits' are said of affine, tvq and rtvq only.")
    }
    var codec = BankCodec(kind, bits: bits?.value)
    if let rescaling = choice(members["rescale"], "'rescale'", of: BankCodec.Rescaling.self) {
      codec.rescaling = rescaling
      if kind != .emr { report(members.position, "'rescale' is said of emr only.") }
    }
    return codec
  }

  private mutating func reference(
    _ node: YAMLNode, _ tasks: [EvaluationTask]
  ) -> [String: Double] {
    let names = tasks.map(\.name)
    guard let members = members(of: node, keys: names, in: "'reference'") else { return [:] }
    var reference: [String: Double] = [:]
    for name in names {
      if let value = number(members[name], "'\(name)'") { reference[name] = value }
    }
    return reference
  }

  /// Whether a recipe learns; one that cannot be read does not, and says so when it is carried out.
  private static func learns(_ recipe: FilePath) -> Bool {
    guard let bytes = try? InputFile(opening: recipe).contents(),
      let recipes = try? RecipeParser.parse(bytes: bytes, file: recipe.string)
    else { return false }
    return recipes.contains { $0.data != nil }
  }

  /// The recipes of a folder, `recipes/*.yaml`, perhaps without those that learn, which take long.
  private mutating func recipes(
    _ node: YAMLNode?, _ file: FilePath, takesLearned: Bool
  ) -> [SuiteModel] {
    guard let node, let pattern = text(node, "'recipes'")?.value else { return [] }
    let path = FilePath(pattern)
    guard let name = path.lastComponent?.string, name.hasPrefix("*."),
      !path.string.dropLast(name.count).contains("*")
    else {
      report(node.position, "'recipes' is a folder and '*.yaml': 'recipes/*.yaml'.")
      return []
    }
    let relative = path.removingLastComponent()
    let folder = file.removingLastComponent().pushing(relative)
    let found: [String]
    do throws(TinctureError) {
      found = try FolderListing.names(in: folder.isEmpty ? "." : folder) ?? []
    } catch {
      report(node.position, error.message)
      return []
    }
    let named = found.filter { $0.hasSuffix(name.dropFirst()) }
    return named.filter { takesLearned || !Self.learns(folder.appending($0)) }.map {
      let recipe = relative.appending($0)
      return SuiteModel(name: recipe.stem ?? $0, source: .recipe(recipe.string))
    }
  }
}
