import TinctureMerging
import TinctureTensors

extension RecipeDecoder {
  /// More layers than any model has; larger numbers are mistakes.
  static let layerLimit = 1_000_000

  private static let entryKeys = ["model", "parameters", "statistics"]

  /// What is merged; exactly one of the allowed keys must be there.
  mutating func inputs(
    _ members: YAMLMembers, allowed: [String], of owner: String
  ) -> RecipeInputs? {
    let present = allowed.compactMap(members.member).sorted { $0.position < $1.position }
    guard let first = present.first else {
      let listing = Self.listing(allowed)
      reportMissing(
        allowed, of: members, "\(owner) does not say what to merge; add one of \(listing).")
      return nil
    }
    for other in present.dropFirst() {
      report(
        other.position,
        "'\(other.name)' cannot stand beside '\(first.name)' on line \(first.position.line); "
          + "write one of them.")
    }
    return switch first.name {
    case "models": modelEntries(first.value).map { .models($0) }
    case "slices": sliceEntries(first.value).map { .slices($0) }
    default: moduleEntries(first.value).map { .modules($0) }
    }
  }

  private mutating func modelEntries(_ node: YAMLNode) -> [ModelEntry]? {
    guard let items = items(node, "'models'") else { return nil }
    var entries: [ModelEntry] = []
    var places: [ModelReference: SourcePosition] = [:]
    for item in items {
      let place = "a model entry"
      guard let members = members(of: item, keys: Self.entryKeys, in: place) else {
        continue
      }
      let parameters = parameters(members["parameters"])
      guard let (reference, position) = namedModel(members, in: place) else { continue }
      if let first = places.updateValue(position, forKey: reference) {
        report(
          position, "Model '\(reference)' is given twice; it stands first on line \(first.line).")
      }
      entries.append(
        ModelEntry(
          reference: reference, parameters: parameters,
          statistics: text(members["statistics"], "The file of statistics"), position: position))
    }
    return entries
  }

  private mutating func sliceEntries(_ node: YAMLNode) -> [SliceEntry]? {
    guard let items = items(node, "'slices'") else { return nil }
    var entries: [SliceEntry] = []
    for item in items {
      let keys = ["sources", "base_model", "residual_weight", "parameters"]
      guard let members = members(of: item, keys: keys, in: "a slice") else { continue }
      var sources: [SliceSource] = []
      if let node = members["sources"] {
        sources = sliceSources(node)
      } else {
        reportMissing(
          ["sources"], of: members,
          "A slice needs 'sources', a list of models with their layers.")
      }
      entries.append(
        SliceEntry(
          sources: sources, base: base(members["base_model"]),
          residualWeight: number(members["residual_weight"], "The residual weight"),
          parameters: parameters(members["parameters"]), position: item.position))
    }
    return entries
  }

  private mutating func sliceSources(_ node: YAMLNode) -> [SliceSource] {
    guard let items = items(node, "'sources'") else { return [] }
    var sources: [SliceSource] = []
    for item in items {
      let place = "a source of a slice"
      let keys = ["model", "layer_range", "parameters", "statistics"]
      guard let members = members(of: item, keys: keys, in: place) else { continue }
      let parameters = parameters(members["parameters"])
      let named = namedModel(members, in: place)
      let range = members["layer_range"]
      if range == nil {
        reportMissing(
          ["layer_range"], of: members,
          "A source of a slice needs a 'layer_range', e.g. [0, 16].")
      }
      guard let (reference, position) = named, let range, let layers = layerRange(range) else {
        continue
      }
      let source = SliceSource(
        reference: reference, layers: layers, parameters: parameters,
        statistics: text(members["statistics"], "The file of statistics"), position: position,
        layersPosition: range.position)
      compare(source, with: sources)
      sources.append(source)
    }
    return sources
  }

  /// Reports a source that repeats an earlier one or is of another length.
  private mutating func compare(_ source: SliceSource, with others: [SliceSource]) {
    if let first = others.first, first.layers.count != source.layers.count {
      report(
        source.layersPosition,
        "All sources of a slice need as many layers; these are \(source.layers.count), but on line "
          + "\(first.layersPosition.line) there are \(first.layers.count).")
    }
    let twin = others.first { $0.reference == source.reference && $0.layers == source.layers }
    if let twin {
      report(
        source.position,
        "Model '\(source.reference)' is given twice for the same layers; it stands first on line "
          + "\(twin.position.line).")
    }
  }

  private mutating func layerRange(_ node: YAMLNode) -> Range<Int>? {
    let numbers = node.list?.map { $0.scalar?.integer } ?? []
    guard numbers.count == 2, let start = numbers[0], let end = numbers[1] else {
      report(
        node.position,
        "A range of layers must be two whole numbers, the first layer and the one after the last, "
          + "but this is \(node.kind).")
      return nil
    }
    guard start >= 0, start < end, end <= Self.layerLimit else {
      report(
        node.position,
        "The range of layers [\(start), \(end)] holds no layers; it must start at 0 or later and "
          + "end after its start, below \(Self.layerLimit).")
      return nil
    }
    return start..<end
  }

  private mutating func moduleEntries(_ node: YAMLNode) -> [ModuleEntry]? {
    guard let members = node.mapping, !members.isEmpty else {
      report(node.position, "'modules' must map names of modules to their inputs.")
      return nil
    }
    var entries: [ModuleEntry] = []
    for member in members {
      let place = "the module '\(Self.shortened(member.name))'"
      let keys = ["models", "slices", "parameters"]
      guard let content = self.members(of: member.value, keys: keys, in: place) else { continue }
      let parameters = parameters(content["parameters"])
      let owner = "The module '\(Self.shortened(member.name))'"
      if let inputs = inputs(content, allowed: ["models", "slices"], of: owner) {
        entries.append(
          ModuleEntry(
            name: member.name, inputs: inputs, parameters: parameters, position: member.position))
      }
    }
    return entries
  }
}
