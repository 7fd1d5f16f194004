import TinctureMerging
import TinctureTensors

extension RecipeDecoder {
  /// The steps under `preprocess` or `postprocess`: names, or names with parameters.
  mutating func filters(_ node: YAMLNode?, _ what: String) -> [FilterEntry] {
    guard let node, let items = items(node, what) else { return [] }
    return items.compactMap { filter($0, what) }
  }

  /// One step: `dare`, or `dare: {density: 0.5}`.
  mutating func filter(_ node: YAMLNode, _ what: String) -> FilterEntry? {
    guard let members = node.mapping else {
      return text(node, "A step under \(what)").map { FilterEntry(name: $0) }
    }
    guard let first = members.first, members.count == 1 else {
      report(
        members.dropFirst().first?.position ?? node.position,
        "A step under \(what) has one name, as in '- dare' or '- dare: {density: 0.5}'; begin every"
          + " step with '- '.")
      return nil
    }
    let name = Located(first.name, at: first.position)
    guard !first.value.isNull else { return FilterEntry(name: name) }
    guard first.value.mapping != nil else {
      report(
        first.value.position,
        "The parameters of '\(Self.shortened(first.name))' must map names to values, as in"
          + " '- dare: {density: 0.5}', but this is \(first.value.kind).")
      return nil
    }
    return FilterEntry(name: name, parameters: parameters(first.value))
  }
}
