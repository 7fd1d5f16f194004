import TinctureMerging
import TinctureNetworks
import TinctureRecipes

extension SuiteDecoder {
  /// The network of a suite.
  mutating func network(_ node: YAMLNode) -> (any ImageEncoder)? {
    guard let kind = node.mapping?.first(where: { $0.name == "kind" })?.value else {
      report(
        node.position, "'network' must be a mapping with a 'kind', such as 'vision_transformer'.")
      return nil
    }
    let kinds = ["vision_transformer"]
    switch kind.scalar?.text {
    case "vision_transformer": return visionTransformer(node)
    default:
      report(
        kind.position, "There is no network of kind \(kind.kind); there are \(Self.listing(kinds))."
      )
      return nil
    }
  }

  private mutating func visionTransformer(_ node: YAMLNode) -> VisionTransformer? {
    let sizes: [(key: String, path: WritableKeyPath<VisionTransformer, Int>)] = [
      ("image_size", \.imageSize), ("channels", \.channels), ("patch_size", \.patchSize),
      ("width", \.width), ("depth", \.depth), ("heads", \.heads), ("hidden_width", \.hiddenWidth),
    ]
    let keys =
      ["kind"] + sizes.map(\.key) + ["epsilon", "activation", "pooling", "patch_module"]
    guard let members = members(of: node, keys: keys, in: "'network'") else { return nil }
    var network = VisionTransformer()
    for (key, path) in sizes {
      if let value = integer(members[key], "'\(key)'", in: 1...1 << 20) {
        network[keyPath: path] = value.value
      }
    }
    if let epsilon = number(members["epsilon"], "'epsilon'") {
      network.epsilon = epsilon
      if epsilon < 0 { report(node.position, "'epsilon' must not be negative.") }
    }
    if let activation = choice(members["activation"], "'activation'", of: Activation.self) {
      network.activation = activation
    }
    if let pooling = choice(
      members["pooling"], "'pooling'", of: VisionTransformer.Pooling.self)
    {
      network.pooling = pooling
    }
    if let module = text(members["patch_module"], "'patch_module'") {
      network.patchModule = module.value
    }
    if !network.imageSize.isMultiple(of: network.patchSize) {
      report(
        node.position,
        "An image of \(network.imageSize) pixels cannot be cut into squares of"
          + " \(network.patchSize).")
    }
    if !network.width.isMultiple(of: network.heads) {
      report(
        node.position, "A width of \(network.width) cannot be shared by \(network.heads) heads.")
    }
    return network
  }

  /// One of some words.
  mutating func choice<Choice: RawRepresentable<String> & CaseIterable>(
    _ node: YAMLNode?, _ what: String, of type: Choice.Type
  ) -> Choice? {
    guard let node else { return nil }
    if let value = node.scalar.flatMap({ Choice(rawValue: $0.text) }) { return value }
    report(
      node.position,
      "\(what) is one of \(Self.listing(Choice.allCases.map(\.rawValue))), but this is \(node.kind)."
    )
    return nil
  }
}
