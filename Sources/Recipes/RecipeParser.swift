public import TinctureMerging
public import TinctureTensors

/// Reads recipes: mergekit's YAML and what this program adds to it.
public enum RecipeParser {
  /// Reads the recipes of a YAML text, one from each document.
  ///
  /// A recipe may use the name of another one as a model; the result is in an order in which every
  /// recipe stands after those it uses, and otherwise that of the text.
  ///
  /// - Parameters:
  ///   - text: The YAML.
  ///   - file: The name of the file, for errors.
  ///   - exists: Tells whether a path of a model exists; by default asks the disk.
  /// - Returns: At least one recipe.
  /// - Throws: `recipe` with line, column and snippet; several faults are the causes of one error,
  ///   in the order of the text.
  public static func parse(
    _ text: String, file: String,
    exists: @escaping (String) -> Bool = ModelReference.isOnDisk
  ) throws(TinctureError) -> [Recipe] {
    var text = text
    if text.unicodeScalars.first == "\u{FEFF}" { text.unicodeScalars.removeFirst() }
    text.makeContiguousUTF8()
    let source = RecipeSource(name: file, text: text)
    var reader = YAMLReader(source)
    let documents = try reader.documents(text)
    guard !documents.isEmpty else { throw source.error(at: nil, "The recipe is empty.") }
    var decoder = RecipeDecoder(source, exists: exists)
    var recipes: [(recipe: Recipe, position: SourcePosition)] = []
    for document in documents {
      if let recipe = decoder.recipe(document) { recipes.append((recipe, document.position)) }
    }
    if documents.count > 1 { decoder.checkNames(recipes) }
    try decoder.throwProblems()
    return try inOrderOfUse(recipes.map(\.recipe))
  }

  /// Reads the recipes of a file's bytes, one from each document.
  ///
  /// - Parameters:
  ///   - bytes: The YAML in UTF-8.
  ///   - file: The name of the file, for errors.
  ///   - exists: Tells whether a path of a model exists; by default asks the disk.
  /// - Returns: At least one recipe, in order of use.
  /// - Throws: `recipe` with line, column and snippet, or when the bytes are not UTF-8.
  public static func parse(
    bytes: [UInt8], file: String,
    exists: @escaping (String) -> Bool = ModelReference.isOnDisk
  ) throws(TinctureError) -> [Recipe] {
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw TinctureError(
        .recipe, "The recipe is not text in UTF-8; save it in that encoding.",
        at: .init(file: file))
    }
    return try parse(text, file: file, exists: exists)
  }

  /// Sorts recipes so that each stands after those whose names it uses as models.
  private static func inOrderOfUse(_ recipes: [Recipe]) throws(TinctureError) -> [Recipe] {
    guard recipes.count > 1 else { return recipes }
    let names = Set(recipes.compactMap { $0.name?.value })
    var waiting = recipes.map { recipe in
      (recipe, uses: Set(recipe.referencedModels.map(\.path)).intersection(names))
    }
    var sorted: [Recipe] = []
    while !waiting.isEmpty {
      guard let next = waiting.firstIndex(where: { $0.uses.isEmpty }) else {
        throw cycle(waiting.map { ($0.0, $0.uses) })
      }
      let recipe = waiting.remove(at: next).0
      sorted.append(recipe)
      if let name = recipe.name?.value {
        for index in waiting.indices { waiting[index].uses.remove(name) }
      }
    }
    return sorted
  }

  /// The error about recipes that use each other in a circle.
  private static func cycle(_ waiting: [(recipe: Recipe, uses: Set<String>)]) -> TinctureError {
    var path: [Int] = []
    var current = waiting.indices.first { waiting[$0].recipe.name != nil } ?? 0
    while !path.contains(current) {
      path.append(current)
      let used = waiting[current].uses
      current =
        waiting.indices.first { index in
          waiting[index].recipe.name.map { used.contains($0.value) } ?? false
        } ?? current
    }
    let circle = path.drop { $0 != current } + [current]
    let words = circle.map { "'\(waiting[$0].recipe.name?.value ?? "the unnamed recipe")'" }
    let recipe = waiting[current].recipe
    return recipe.error(
      at: recipe.name?.position ?? recipe.method.position,
      "The recipes use each other in a circle: \(words.joined(separator: " uses ")).")
  }
}

extension RecipeDecoder {
  /// Reports recipes of one file whose names are missing, repeated or no names of models.
  mutating func checkNames(_ recipes: [(recipe: Recipe, position: SourcePosition)]) {
    var places: [String: SourcePosition] = [:]
    var unnamed: SourcePosition?
    for (recipe, position) in recipes {
      guard let name = recipe.name else {
        if let unnamed {
          report(
            position,
            "Of several recipes only one may be without a 'name'; another stands on line "
              + "\(unnamed.line).")
        }
        unnamed = position
        continue
      }
      if let first = places.updateValue(name.position, forKey: name.value) {
        report(
          name.position,
          "Two recipes are named '\(name.value)'; the first stands on line \(first.line).")
      }
      let marks = "-_.".unicodeScalars
      let isPlain = name.value.unicodeScalars.allSatisfy { scalar in
        scalar.properties.isAlphabetic || ("0"..."9").contains(scalar) || marks.contains(scalar)
      }
      if !isPlain || name.value.hasPrefix(".") {
        report(
          name.position,
          "'\(Self.shortened(name.value))' cannot name one of several recipes; use letters, "
            + "digits, '-', '_' and '.', and no '.' first.")
      }
    }
  }
}
