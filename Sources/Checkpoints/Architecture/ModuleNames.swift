/// The modules of a model, derived from the paths of its stacks of layers.
///
/// A model whose stacks all serve the same purpose is one module, `default`. Otherwise every purpose is
/// a module, a stack that says nothing about its purpose is the text model, and what belongs to no
/// module goes to the text model or, where there is none, to `shared`.
struct ModuleNames: Sendable {
  /// The module of every stack, in the order in which they were given.
  let ofStacks: [String]
  private let isComposite: Bool
  private let names: [ModuleKind: String]

  init(stackPrefixes: [String]) {
    let found = stackPrefixes.map { ModuleKind.classify(TensorNameParts($0).parts) }
    let composite = Set(found.map { $0?.kind }).count > 1
    isComposite = composite
    var names: [ModuleKind: String] = [:]
    ofStacks = found.map { match in
      guard composite else { return ModelLayout.defaultModule }
      let kind = match?.kind ?? .text
      let name = names[kind] ?? kind.moduleName(word: match?.word)
      names[kind] = name
      return name
    }
    self.names = names
  }

  /// The module of a tensor that stands outside of layers.
  func module(of name: TensorNameParts) -> String {
    guard isComposite else { return ModelLayout.defaultModule }
    if let (kind, word) = ModuleKind.classify(name.parts) {
      return names[kind] ?? kind.moduleName(word: word)
    }
    let towers: [(word: Substring, kind: ModuleKind)] = [
      ("visual_projection", .vision), ("text_projection", .text), ("audio_projection", .audio),
    ]
    for (word, kind) in towers where name.parts.contains(word) {
      if let tower = names[kind] { return tower }
    }
    // What two towers have in common, such as the scale of their similarity, belongs to neither.
    let isCommon = name.parts.contains { $0 == "logit_scale" || $0 == "logit_bias" }
    if !isCommon, let text = names[.text] { return text }
    return ModelLayout.sharedModule
  }
}
