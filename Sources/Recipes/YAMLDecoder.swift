package import TinctureMerging
package import TinctureTensors

/// Turns YAML values into something else and collects what is wrong with them.
///
/// A function that meets a fault reports it and returns what it can, so that one run finds all faults.
package protocol YAMLDecoder {
  /// The text.
  var source: RecipeSource { get }
  /// What was reported.
  var problems: [(position: SourcePosition, message: String)] { get set }
}

extension YAMLDecoder {
  /// Notes a fault.
  package mutating func report(_ position: SourcePosition, _ message: String) {
    problems.append((position, message))
  }

  /// Throws what was reported: one fault as itself, several as the causes of one error.
  ///
  /// - Throws: `recipe` with the places of the faults.
  package func throwProblems() throws(TinctureError) {
    var shown = Set<String>()
    let sorted = problems.enumerated()
      .sorted { ($0.element.position, $0.offset) < ($1.element.position, $1.offset) }
      .map(\.element)
      .filter { shown.insert("\($0.position) \($0.message)").inserted }
    guard let first = sorted.first else { return }
    guard sorted.count > 1 else { throw source.error(at: first.position, first.message) }
    var summary = source.error(at: nil, "The \(source.noun) has \(sorted.count) faults.")
    if sorted.count > 20 {
      summary.message = "The \(source.noun) has \(sorted.count) faults; 20 follow."
    }
    summary.causes = sorted.prefix(20).map { source.error(at: $0.position, $0.message) }
    throw summary
  }
}

/// The members of a mapping, found by name; those without a value count as absent.
package struct YAMLMembers {
  /// Where the mapping begins.
  package let position: SourcePosition
  /// Known keys for which a misspelt one seems to stand.
  package let misspelt: Set<String>
  private let members: [String: YAMLMember]

  init(position: SourcePosition, members: [YAMLMember], misspelt: Set<String>) {
    self.position = position
    self.misspelt = misspelt
    self.members = Dictionary(
      members.filter { !$0.value.isNull }.map { ($0.name, $0) }, uniquingKeysWith: { old, _ in old }
    )
  }

  /// The value under a key.
  package subscript(key: String) -> YAMLNode? { members[key]?.value }

  /// The key with its value.
  package func member(_ key: String) -> YAMLMember? { members[key] }
}

extension YAMLDecoder {
  /// The members of a mapping, after a report of every key that has no business there.
  ///
  /// - Parameters:
  ///   - node: The mapping.
  ///   - keys: The keys that may stand in it.
  ///   - place: Names the mapping in messages, e.g. "a model entry".
  /// - Returns: The members, or nil when this is no mapping.
  package mutating func members(
    of node: YAMLNode, keys: [String], in place: String
  ) -> YAMLMembers? {
    guard let members = node.mapping else {
      report(
        node.position,
        "There must be a mapping for \(place), with \(Self.listing(keys)), but this is "
          + "\(node.kind).")
      return nil
    }
    var misspelt: Set<String> = []
    let hint = keys.contains("parameters") ? " Parameters of the method go under 'parameters'." : ""
    for member in members where !keys.contains(member.name) {
      let unknown = "Unknown key '\(Self.shortened(member.name))' in \(place)"
      if let nearest = nearestName(to: member.name, among: keys) {
        misspelt.insert(nearest)
        report(member.position, "\(unknown); did you mean '\(nearest)'?")
      } else {
        report(member.position, "\(unknown); it may hold \(Self.listing(keys)).\(hint)")
      }
    }
    return YAMLMembers(position: node.position, members: members, misspelt: misspelt)
  }

  /// Reports that none of some keys is there, unless one of them seems to be misspelt.
  package mutating func reportMissing(_ keys: [String], of members: YAMLMembers, _ message: String)
  {
    if members.misspelt.isDisjoint(with: keys) { report(members.position, message) }
  }

  /// The text of a scalar.
  package mutating func text(_ node: YAMLNode?, _ what: String) -> Located<String>? {
    guard let node else { return nil }
    guard let scalar = node.scalar else {
      report(node.position, "\(what) must be a text, but this is \(node.kind).")
      return nil
    }
    guard !scalar.text.isEmpty else {
      report(node.position, "\(what) is empty.")
      return nil
    }
    return Located(scalar.text, at: node.position)
  }

  /// A whole number within bounds.
  package mutating func integer(
    _ node: YAMLNode?, _ what: String, in bounds: ClosedRange<Int>
  ) -> Located<Int>? {
    guard let node else { return nil }
    guard let value = node.scalar?.integer, bounds.contains(value) else {
      let range =
        bounds.upperBound == .max
        ? "of at least \(bounds.lowerBound)" : "from \(bounds.lowerBound) to \(bounds.upperBound)"
      report(node.position, "\(what) must be a whole number \(range), but this is \(node.kind).")
      return nil
    }
    return Located(value, at: node.position)
  }

  /// A truth value.
  package mutating func flag(_ node: YAMLNode?, _ what: String) -> Bool? {
    guard let node else { return nil }
    guard let value = node.scalar?.bool else {
      report(node.position, "\(what) must be 'true' or 'false', but this is \(node.kind).")
      return nil
    }
    return value
  }

  /// The items of a list that must not be empty.
  package mutating func items(_ node: YAMLNode, _ what: String) -> [YAMLNode]? {
    guard let items = node.list else {
      report(node.position, "\(what) must be a list, but this is \(node.kind).")
      return nil
    }
    guard !items.isEmpty else {
      report(node.position, "\(what) is an empty list.")
      return nil
    }
    return items
  }

  package static func listing(_ names: [String]) -> String {
    names.map { "'\($0)'" }.joined(separator: ", ")
  }

  package static func shortened(_ text: String) -> String {
    text.count > 60 ? text.prefix(60) + "…" : text
  }
}
