package import TinctureMerging

/// A YAML value with its place in the text.
package struct YAMLNode {
  /// What a value can be.
  package enum Content {
    case scalar(YAMLScalar)
    case list([YAMLNode])
    case mapping([YAMLMember])
  }

  package var content: Content
  package var position: SourcePosition

  package init(content: Content, position: SourcePosition) {
    self.content = content
    self.position = position
  }

  /// The scalar, when this is one.
  package var scalar: YAMLScalar? { if case .scalar(let scalar) = content { scalar } else { nil } }
  /// The items, when this is a list.
  package var list: [YAMLNode]? { if case .list(let items) = content { items } else { nil } }
  /// The members, when this is a mapping.
  package var mapping: [YAMLMember]? {
    if case .mapping(let members) = content { members } else { nil }
  }

  /// Whether this is `null`, `~` or nothing at all.
  package var isNull: Bool { scalar?.isNull ?? false }

  /// What this is, in words for messages.
  package var kind: String {
    switch content {
    case .scalar(let scalar): scalar.isNull ? "nothing" : "'\(scalar.text)'"
    case .list: "a list"
    case .mapping: "a mapping"
    }
  }
}

/// A name and a value of a YAML mapping.
package struct YAMLMember {
  package var name: String
  package var position: SourcePosition
  package var value: YAMLNode

  package init(name: String, position: SourcePosition, value: YAMLNode) {
    self.name = name
    self.position = position
    self.value = value
  }
}
