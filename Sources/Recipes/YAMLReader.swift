package import TinctureMerging
package import TinctureTensors
import Yams

/// Reads YAML into values with positions, within bounds on size, depth and expansion.
///
/// Aliases are expanded and merge keys (`<<`) are applied here; nothing after this step knows them.
package struct YAMLReader {
  static let depthLimit = 64
  static let sizeLimit = 4 << 20

  private let source: RecipeSource
  private var budget = 1_000_000

  package init(_ source: RecipeSource) { self.source = source }

  /// The documents of a text, without empty ones.
  ///
  /// - Throws: `recipe` with the position of the first fault.
  package mutating func documents(_ text: String) throws(TinctureError) -> [YAMLNode] {
    guard text.utf8.count <= Self.sizeLimit else {
      throw source.error(
        at: nil,
        "The \(source.noun) has \(text.utf8.count) bytes; at most \(Self.sizeLimit) are read.")
    }
    guard AliasBound(text).isSafe else {
      throw source.error(
        at: nil,
        "The aliases of the \(source.noun) nest so that they could expand without end in sight; "
          + "write the values out or use fewer anchors.")
    }
    var documents: [YAMLNode] = []
    do {
      let parser = try Parser(yaml: text, encoding: .utf8)
      while let root = try parser.nextRoot() {
        let node = try convert(root, depth: 0)
        if !node.isNull { documents.append(node) }
      }
    } catch let error as TinctureError {
      throw error
    } catch {
      throw YAMLFault(error, in: text).error(in: source)
    }
    return documents
  }

  private mutating func convert(_ node: Node, depth: Int) throws(TinctureError) -> YAMLNode {
    let position = SourcePosition(line: node.mark?.line ?? 1, column: node.mark?.column ?? 1)
    budget -= 1
    guard budget > 0 else {
      throw source.error(
        at: position, "The \(source.noun) holds too many values once its aliases are expanded.")
    }
    guard depth < Self.depthLimit else {
      throw source.error(
        at: position, "The \(source.noun) is nested deeper than \(Self.depthLimit) levels.")
    }
    switch node {
    case .scalar(let scalar):
      return YAMLNode(content: .scalar(try convert(scalar, position)), position: position)
    case .sequence(let sequence):
      try check(sequence.tag, [.implicit, .nonSpecific, .seq], position)
      var items: [YAMLNode] = []
      for item in sequence { items.append(try convert(item, depth: depth + 1)) }
      return YAMLNode(content: .list(items), position: position)
    case .mapping(let mapping):
      try check(mapping.tag, [.implicit, .nonSpecific, .map], position)
      let members = try convert(mapping, depth: depth)
      return YAMLNode(content: .mapping(members), position: position)
    case .alias:
      throw source.error(at: position, "The alias has no anchor before it.")
    }
  }

  private func convert(
    _ scalar: Node.Scalar, _ position: SourcePosition
  ) throws(TinctureError) -> YAMLScalar {
    let resolved: [Tag.Name] = [.implicit, .null, .bool, .int, .float, .merge]
    try check(scalar.tag, resolved + [.str, .nonSpecific], position)
    let isPlain = scalar.style == .plain || scalar.style == .any
    return YAMLScalar(
      text: scalar.string, isPlain: isPlain && Self.tag(scalar.tag, isIn: resolved))
  }

  private mutating func convert(
    _ mapping: Node.Mapping, depth: Int
  ) throws(TinctureError) -> [YAMLMember] {
    var members: [YAMLMember] = []
    var merged: [YAMLMember] = []
    var places: [[UInt8]: SourcePosition] = [:]
    for (key, value) in mapping {
      let name = try convert(key, depth: depth + 1)
      guard let scalar = name.scalar else {
        throw source.error(at: name.position, "A key must be a name, but this is \(name.kind).")
      }
      let node = try convert(value, depth: depth + 1)
      if scalar.isPlain, scalar.text == "<<" {
        merged += try mergedMembers(node)
        continue
      }
      if let first = places.updateValue(name.position, forKey: Array(scalar.text.utf8)) {
        throw source.error(
          at: name.position, YAMLFault.duplicate(scalar.text, firstLine: first.line))
      }
      members.append(YAMLMember(name: scalar.text, position: name.position, value: node))
    }
    for member in merged
    where places.updateValue(member.position, forKey: Array(member.name.utf8)) == nil {
      members.append(member)
    }
    return members
  }

  /// The members that a merge key brings in: of a mapping, or of several, the first winning.
  private func mergedMembers(_ node: YAMLNode) throws(TinctureError) -> [YAMLMember] {
    if let members = node.mapping { return members }
    var members: [YAMLMember] = []
    for item in node.list ?? [node] {
      guard let more = item.mapping else {
        throw source.error(at: item.position, "The key '<<' merges mappings, not \(item.kind).")
      }
      members += more
    }
    return members
  }

  private func check(
    _ tag: Tag, _ known: [Tag.Name], _ position: SourcePosition
  ) throws(TinctureError) {
    guard Self.tag(tag, isIn: known) else {
      throw source.error(
        at: position, "The tag '\(tag.description)' has no meaning in a \(source.noun).")
    }
  }

  private static func tag(_ tag: Tag, isIn names: [Tag.Name]) -> Bool {
    names.contains { $0.rawValue == tag.description }
  }
}
