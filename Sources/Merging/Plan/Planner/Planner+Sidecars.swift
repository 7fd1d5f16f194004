internal import SystemPackage
internal import TinctureCheckpoints
internal import TinctureSafetensors
internal import TinctureTensors

extension Planner {
  /// The name of the recipe's copy beside the output.
  public static let recipeFileName = "merge_recipe.yaml"

  /// The files that are written beside the tensors: configuration, tokenizer, further files of the
  /// donor, model card and recipe.
  mutating func sidecars(_ vocabulary: PlannedVocabulary?, outputNames: Set<String>)
    throws(TinctureError) -> [MergePlan.Sidecar]
  {
    let donor = donor
    var files: [MergePlan.Sidecar] = []
    if let configuration = configuration(vocabulary, outputNames) {
      files.append(
        .init(path: ModelConfiguration.fileName, contents: Array(configuration.text.utf8)))
    }
    let replaced = try tokenizerFiles(vocabulary)
    if let directory = donor.checkpoint.directory {
      if !settings.isConversion {
        notes.append("Configuration and tokenizer come from \(donor.name).")
      }
      for file in try SidecarFiles.list(in: directory) {
        let isTokenizer = file.category == .tokenizer || file.category == .chatTemplate
        if vocabulary != nil, isTokenizer { continue }
        if replaced.contains(where: { $0.path == file.path }) { continue }
        guard file.size <= 1 << 30 else {
          notes.append("\(file.path) has \(file.size) bytes and is not copied.")
          continue
        }
        var path = directory
        for component in FilePath(file.path).components { path.append(component) }
        files.append(.init(path: file.path, contents: try InputFile(opening: path).contents()))
      }
    }
    files += replaced
    if settings.isConversion {
      // A single task's model has nothing beside it.
      let parts = donor.reference.expert == nil ? [TaskParts.fileName, Mixture.fileName] : []
      for name in ["README.md"] + parts {
        guard let path = donor.checkpoint.directory?.appending(name), FileKind(of: path) == .file
        else { continue }
        files.append(.init(path: name, contents: try InputFile(opening: path).contents()))
      }
      return files
    }
    files.append(.init(path: "README.md", contents: Array(card.text.utf8)))
    files.append(.init(path: Self.recipeFileName, contents: Array(recipe.source.text.utf8)))
    return files
  }

  private func tokenizerFiles(_ vocabulary: PlannedVocabulary?) throws(TinctureError)
    -> [MergePlan.Sidecar]
  {
    if let vocabulary {
      return vocabulary.merged.files.map { .init(path: $0.name, contents: $0.contents) }
    }
    guard let wanted = recipe.chatTemplate else { return [] }
    var tokenizers: [Tokenizer?] = []
    for model in models {
      tokenizers.append(
        try model.checkpoint.directory.map { (directory) throws(TinctureError) in
          try Tokenizer.read(directory: directory)
        } ?? nil)
    }
    guard let template = try ChatTemplate.resolve(wanted.value, among: tokenizers) else {
      return []
    }
    guard let directory = donor.checkpoint.directory,
      let tokenizer = try Tokenizer.read(directory: directory)
    else {
      throw recipe.error(
        at: wanted.position, "\(donor.name) has no tokenizer that could carry the chat template.")
    }
    return try tokenizer.files(chatTemplate: template).map {
      .init(path: $0.name, contents: $0.contents)
    }
  }

  /// The donor's configuration with what the merge changes.
  private mutating func configuration(_ vocabulary: PlannedVocabulary?, _ names: Set<String>)
    -> ModelConfiguration?
  {
    let donor = donor
    guard var configuration = donor.configuration else { return nil }
    if let dtype = recipe.outputDtype?.value ?? recipe.dtype?.value {
      configuration.setDType(dtype)
    }
    if let vocabulary { configuration.setVocabularySize(vocabulary.merged.rowCount) }
    for (module, layers) in stackedLayers() {
      notes += configuration.setLayers(layers, of: module)
    }
    if !settings.isConversion,
      let head = names.first(where: { donor.layout.tiedSource(of: $0) != nil && isHead($0) })
    {
      configuration.setTiesWordEmbeddings(false)
      notes.append(
        "\(head) differs between the models and is written; the output's head is not tied.")
    }
    return configuration
  }

  private func isHead(_ name: String) -> Bool { donor.layout.isEmbedding(name) }

  /// The donor's layers that each output layer comes from, for modules made of slices.
  private func stackedLayers() -> [(module: String, layers: [Int])] {
    func layers(_ slices: [SliceEntry]) -> [Int] {
      slices.flatMap { slice in
        let own = slice.sources.first { $0.reference == donor.reference } ?? slice.sources.first
        return own.map { Array($0.layers) } ?? []
      }
    }
    switch recipe.inputs {
    case .models: return []
    case .slices(let slices): return [(ModelLayout.defaultModule, layers(slices))]
    case .modules(let modules):
      return modules.compactMap { entry in
        guard case .slices(let slices) = entry.inputs else { return nil }
        return (donor.layout.module(named: entry.name) ?? entry.name, layers(slices))
      }
    }
  }

  private var card: ModelCard {
    func model(_ input: ModelInput) -> ModelCard.Model {
      .init(
        input.name, hubIdentifier: input.location.hubIdentifier,
        revision: input.location.commit ?? input.reference.revision,
        byteCount: input.checkpoint.byteCount)
    }
    let base = recipe.base.flatMap { positions[$0.reference] }.map { models[$0] }
    let merged = recipe.mergedModels.filter { $0 != recipe.base?.reference }
      .compactMap { positions[$0] }.map { models[$0] }
    return ModelCard(
      title: recipe.name?.value ?? "Merged model", method: method.info.title,
      methodLink: method.info.link, base: base.map(model), models: merged.map(model),
      recipe: recipe.source.text, toolVersion: settings.toolVersion, license: commonLicense)
  }

  /// The licence that all inputs name in their cards; nil when they differ or one names none.
  private var commonLicense: String? {
    var licenses: Set<String> = []
    for model in models {
      guard let directory = model.checkpoint.directory,
        let file = try? InputFile(opening: directory.appending("README.md")), file.size < 1 << 22,
        let bytes = try? file.contents(),
        let license = ModelCard.license(inCard: String(decoding: bytes, as: UTF8.self))
      else { return nil }
      licenses.insert(license)
    }
    return licenses.count == 1 ? licenses.first : nil
  }
}
