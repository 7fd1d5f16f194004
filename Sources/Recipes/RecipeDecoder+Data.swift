import TinctureMerging

extension RecipeDecoder {
  /// What a learned method learns from.
  ///
  /// A text is the suite's file; a mapping can say more.
  mutating func learningData(_ node: YAMLNode?) -> LearningData? {
    guard let node else { return nil }
    if node.scalar != nil {
      return text(node, "'data'").map {
        LearningData(suite: $0, position: node.position, source: source)
      }
    }
    let keys = ["suite", "tasks", "file", "limit"]
    guard let members = members(of: node, keys: keys, in: "'data'") else { return nil }
    guard let suite = text(members["suite"], "The suite") else {
      if members["suite"] == nil {
        reportMissing(
          ["suite"], of: members, "'data' needs a 'suite', the file of an evaluation suite.")
      }
      return nil
    }
    var data = LearningData(suite: suite, position: node.position, source: source)
    data.file = text(members["file"], "'file'")
    data.limit = integer(members["limit"], "'limit'", in: 1 ... .max)
    if let list = members["tasks"], let items = items(list, "'tasks'") {
      var names: [String] = []
      for item in items {
        guard let name = text(item, "A task") else { continue }
        if names.contains(name.value) {
          report(name.position, "The task '\(name.value)' is named twice.")
        }
        names.append(name.value)
      }
      data.tasks = Located(names, at: list.position)
    }
    return data
  }
}
