import TinctureMerging

/// A YAML value with its place in the text.
struct YAMLNode {
  /// What a value can be.
  enum Content {
    case scalar(YAMLScalar)
    case list([YAMLNode])
    case mapping([YAMLMember])
  }

  var content: Content
  var position: SourcePosition

  /// The scalar, when this is one.
  var scalar: YAMLScalar? { if case .scalar(let scalar) = content { scalar } else { nil } }
  /// The items, when this is a list.
  var list: [YAMLNode]? { if case .list(let items) = content { items } else { nil } }
  /// The members, when this is a mapping.
  var mapping: [YAMLMember]? { if case .mapping(let members) = content { members } else { nil } }

  /// Whether this is `null`, `~` or nothing at all.
  var isNull: Bool { scalar?.isNull ?? false }

  /// What this is, in words for messages.
  var kind: String {
    switch content {
    case .scalar(let scalar): scalar.isNull ? "nothing" : "'\(scalar.text)'"
    case .list: "a list"
    case .mapping: "a mapping"
    }
  }
}

/// A name and a value of a YAML mapping.
struct YAMLMember {
  var name: String
  var position: SourcePosition
  var value: YAMLNode
}
