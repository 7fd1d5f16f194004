internal import TinctureJSON

/// Where things stand in a configuration: a path of keys from the outside.
typealias ConfigurationPath = [String]

extension ModelConfiguration {
  /// The places of the document itself and of all configurations inside it, outermost first.
  var sections: [ConfigurationPath] {
    var found: [ConfigurationPath] = [[]]
    var next = 0
    while next < found.count, found.count < 64 {
      let path = found[next]
      next += 1
      guard path.count < 4, let object = document.object(at: path) else { continue }
      for (key, value) in object.members where value.objectValue != nil && Self.isSection(key) {
        found.append(path + [key])
      }
    }
    return found
  }

  /// The places of the configurations of the text part, if the model has such a part.
  var textSections: [ConfigurationPath] { sections(of: .text) }

  /// The places of the configurations for a purpose.
  func sections(of kind: ModuleKind) -> [ConfigurationPath] {
    let keys: Set<String> =
      switch kind {
      case .text:
        ["text_config", "llm_config", "language_config", "language_model_config", "text_cfg"]
      case .vision:
        ["vision_config", "vit_config", "vision_cfg", "visual_config", "vision_encoder_config"]
      case .audio: ["audio_config", "speech_config", "audio_encoder_config"]
      case .encoder: ["encoder", "encoder_config"]
      case .decoder: ["decoder", "decoder_config"]
      case .bridge: ["qformer_config"]
      case .talker: ["talker_config"]
      case .codec: ["token2wav_config", "code2wav_config"]
      case .projector: ["projector_config", "perceiver_config"]
      }
    // A talker has a text part as well; the text part of the model is not inside another part.
    return sections.filter { path in
      guard let last = path.last, keys.contains(last) else { return false }
      return kind == .talker || !path.dropLast().contains("talker_config")
    }
  }

  var vocabularyPaths: [ConfigurationPath] {
    let keys = ["vocab_size", "padded_vocab_size", "n_vocab"]
    return (textSections + [[]]).flatMap { section in
      keys.map { section + [$0] }.filter { document.value(at: $0)?.intValue != nil }
    }
  }

  var dtypePaths: [ConfigurationPath] {
    sections.flatMap { section in
      ["torch_dtype", "dtype"].map { section + [$0] }
        .filter { document.value(at: $0)?.stringValue != nil }
    }
  }

  private static func isSection(_ key: String) -> Bool {
    switch key {
    case "quantization_config", "compression_config", "generation_config", "rope_config": false
    case "encoder", "decoder", "text_cfg", "vision_cfg": true
    default: key.hasSuffix("_config")
    }
  }
}

extension JSONObject {
  /// The object at a path, when there is one.
  func object(at path: ConfigurationPath) -> JSONObject? {
    var object = self
    for key in path {
      guard let inner = object[key]?.objectValue else { return nil }
      object = inner
    }
    return object
  }

  /// The value at a path, when there is one.
  func value(at path: ConfigurationPath) -> JSONValue? {
    guard let key = path.last else { return .object(self) }
    return object(at: path.dropLast())?[key]
  }

  /// Sets the value at a path; nothing happens when an object on the way is missing.
  mutating func set(_ value: JSONValue?, at path: ArraySlice<String>) {
    guard let key = path.first else { return }
    if path.count == 1 {
      self[key] = value
    } else if var inner = self[key]?.objectValue {
      inner.set(value, at: path.dropFirst())
      self[key] = .object(inner)
    }
  }

  /// Sets the value at a path; nothing happens when an object on the way is missing.
  mutating func set(_ value: JSONValue?, at path: ConfigurationPath) { set(value, at: path[...]) }
}
