package import SystemPackage
import TinctureCheckpoints
import TinctureData
package import TinctureJSON
import TinctureMerging
package import TinctureNetworks
package import TinctureRecipes
import TinctureSafetensors
import TinctureTensors

// Suites and runs of training name networks, inputs and data in the same words.
extension YAMLDecoder {
  /// The network of a suite.
  mutating func network(_ node: YAMLNode, _ suite: FilePath) -> (any Network)? {
    described(node, suite)?.network
  }

  /// A network with the configuration that makes it.
  ///
  /// Its settings are those of Hugging Face's `config.json`, written where the network is named or in the file
  /// or folder that `config` names.
  package mutating func described(
    _ node: YAMLNode, _ suite: FilePath
  ) -> (network: any Network, configuration: JSONValue)? {
    guard let members = node.mapping else {
      report(
        node.position, "'network' must be a mapping with a 'kind' and settings, or a 'config'.")
      return nil
    }
    var kind: NetworkKind?
    if let name = members.first(where: { $0.name == "kind" })?.value {
      if name.scalar?.text == "predictions" {
        if let other = members.first(where: { $0.name != "kind" }) {
          report(other.position, "Predictions have no settings; remove '\(other.name)'.")
        }
        return (PredictedOutputs(), .object(JSONObject()))
      }
      kind = choice(name, "'kind'", of: NetworkKind.self, or: "predictions")
      if kind == nil { return nil }
    }
    do throws(TinctureError) {
      if let config = members.first(where: { $0.name == "config" })?.value {
        let rest = members.first { !["kind", "config"].contains($0.name) }
        if let rest {
          report(
            rest.position, "With 'config' all settings stand in that file; remove '\(rest.name)'.")
        }
        guard let path = text(config, "'config'")?.value else { return nil }
        return try network(reading: suite.removingLastComponent().pushing(FilePath(path)), kind)
      }
      let configuration = Self.json(members.filter { $0.name != "kind" })
      let known = if let kind { kind } else { try NetworkKind(configuration: configuration) }
      let named = known.named(configuration)
      return (try known.network(configuration: named), named)
    } catch {
      report(node.position, error.message)
      return nil
    }
  }

  private func network(
    reading path: FilePath, _ kind: NetworkKind?
  ) throws(TinctureError) -> (network: any Network, configuration: JSONValue) {
    if FileKind(of: path) == .directory {
      let network = try NetworkKind.network(reading: path, as: kind)
      for name in ["config.json", "open_clip_config.json"] {
        let file = path.appending(name)
        guard FileKind(of: file) == .file else { continue }
        return (network, try Self.configuration(file))
      }
      return (network, .object(JSONObject()))
    }
    let configuration = try Self.configuration(path)
    let known = if let kind { kind } else { try NetworkKind(configuration: configuration) }
    return (try known.network(configuration: configuration), known.named(configuration))
  }

  private static func configuration(_ file: FilePath) throws(TinctureError) -> JSONValue {
    try JSONValue(parsing: String(decoding: InputFile(opening: file).contents(), as: UTF8.self))
  }

  /// YAML as the JSON of a `config.json`.
  private static func json(_ members: [YAMLMember]) -> JSONValue {
    .object(JSONObject(members.map { ($0.name, json($0.value)) }))
  }

  private static func json(_ node: YAMLNode) -> JSONValue {
    if let members = node.mapping { return json(members) }
    if let items = node.list { return .array(items.map(json)) }
    guard let scalar = node.scalar, !scalar.isNull else { return .null }
    if let bool = scalar.bool { return .bool(bool) }
    guard scalar.isPlain, let number = scalar.number, number.isFinite else {
      return .string(scalar.text)
    }
    return .number(scalar.integer.map(String.init) ?? String(number))
  }

  /// What becomes of images.
  package mutating func input(_ node: YAMLNode, channels: Int?) -> ImageInput {
    var input = ImageNormalization()
    let keys = ["preprocess", "range", "mean", "std", "standardize"]
    guard let members = members(of: node, keys: keys, in: "'input'") else {
      return .normalized(input)
    }
    if let name = members["preprocess"] {
      if let other = keys.dropFirst().first(where: { members[$0] != nil }) {
        report(node.position, "'preprocess' says everything about the input; remove '\(other)'.")
      }
      if let known = choice(name, "'preprocess'", of: ImageInput.Preprocessing.self) {
        return .preprocessed(known)
      }
      return .normalized(input)
    }
    if let range = number(members["range"], "'range'") {
      input.range = range
      if range <= 0 { report(node.position, "'range' must be positive.") }
    }
    func isFitting(_ values: [Double]) -> Bool {
      values.count == 1 || values.count == channels ?? values.count
    }
    if let mean = members["mean"], let values = numbers(mean, "'mean'") {
      input.mean = values
      if !isFitting(values) { report(mean.position, "'mean' needs one number, or one a channel.") }
    }
    if let std = members["std"], let values = numbers(std, "'std'") {
      input.deviation = values
      if !isFitting(values) || values.contains(where: { $0 <= 0 }) {
        report(std.position, "'std' needs one positive number, or one a channel.")
      }
    }
    input.standardizes = flag(members["standardize"], "'standardize'") ?? false
    if input.standardizes,
      let other = ["range", "mean", "std"].first(where: { members[$0] != nil })
    {
      report(node.position, "'standardize' scales each image by itself; remove '\(other)'.")
    }
    return .normalized(input)
  }

  /// One of some words.
  package mutating func choice<Choice: RawRepresentable<String> & CaseIterable>(
    _ node: YAMLNode?, _ what: String, of type: Choice.Type, or other: String? = nil
  ) -> Choice? {
    guard let node else { return nil }
    if let value = node.scalar.flatMap({ Choice(rawValue: $0.text) }) { return value }
    let words = Choice.allCases.map(\.rawValue) + [other].compactMap(\.self)
    report(
      node.position,
      "\(what) is one of \(Self.listing(words)), but this is \(node.kind)."
    )
    return nil
  }
}

extension NetworkKind {
  /// A configuration that says which network it describes, for those who are not told.
  fileprivate func named(_ configuration: JSONValue) -> JSONValue {
    guard case .object(var object) = configuration,
      ["model_type", "architecture", "model_cfg"].allSatisfy({ object[$0] == nil })
    else { return configuration }
    let type =
      switch self {
      case .clipVision: "clip_vision_model"
      case .clipText: "clip_text_model"
      case .minilm: "bert"
      default: rawValue
      }
    object = JSONObject([("model_type", .string(type))] + object.members.map { ($0.key, $0.value) })
    return .object(object)
  }
}
