internal import TinctureJSON

extension ModelConfiguration {
  /// The number of layers of a module.
  ///
  /// - Parameter module: The module as `ModelLayout` or a recipe names it.
  /// - Returns: The number, or nil when the configuration does not tell.
  /// - Complexity: O(n) in the size of the document.
  public func layerCount(of module: String = ModelLayout.defaultModule) -> Int? {
    guard let path = layerCountPath(of: module) else { return nil }
    return document.value(at: path)?.intValue
  }

  /// Makes the configuration that of a model whose layers are chosen from those of this one.
  ///
  /// The number of layers changes under all its names. Lists with one entry for each layer
  /// (`layer_types`) take the entries of the chosen layers, lists of layer numbers (`mlp_only_layers`)
  /// the new numbers of the chosen ones, and bounds (`max_window_layers`) move with them.
  ///
  /// - Parameters:
  ///   - sources: For each new layer the number of the old layer that it is.
  ///   - module: The module as `ModelLayout` or a recipe names it.
  /// - Returns: Sentences about settings that depend on the position of layers and cannot follow.
  /// - Complexity: O(n) in the size of the document and the number of layers.
  @discardableResult
  public mutating func setLayers(
    _ sources: [Int], of module: String = ModelLayout.defaultModule
  ) -> [String] {
    guard let path = layerCountPath(of: module), let key = path.last,
      let old = document.value(at: path)?.intValue
    else {
      return [
        "config.json does not tell the number of layers of the module '\(module)'; "
          + "check it by hand."
      ]
    }
    let section: ConfigurationPath = path.dropLast()
    guard sources != Array(0..<min(old, sources.count)) || sources.count != old,
      var object = document.object(at: section)
    else { return [] }
    let kind = ModuleKind(moduleName: module)
    let isHalf = Self.isHalf(kind, of: section)
    if isHalf { separateHalves(&object, kind: kind, key: key, old: old) }
    for name in Self.countKeys(kind, isHalf: isHalf) where object[name]?.intValue == old {
      // The names that both halves understand mean the encoder.
      if kind == .decoder, isHalf, name == "num_layers" || name == "num_hidden_layers" { continue }
      object[name] = .integer(sources.count)
    }
    var notes: [String] = []
    if !isHalf {
      notes = LayerwiseSettings(oldCount: old, sources: sources).apply(to: &object)
    }
    if section.isEmpty { document = object } else { document.set(.object(object), at: section) }
    return notes
  }

  /// Gives the decoder a number of its own when one key held the number for both halves.
  private func separateHalves(
    _ object: inout JSONObject, kind: ModuleKind?, key: String, old: Int
  ) {
    let own = ["decoder_layers", "num_decoder_layers"]
    guard !own.contains(where: { object[$0] != nil }) else { return }
    if kind == .decoder || key == "num_layers" { object["num_decoder_layers"] = .integer(old) }
  }

  /// Whether a section speaks about an encoder and a decoder with keys of their own.
  private static func isHalf(_ kind: ModuleKind?, of section: ConfigurationPath) -> Bool {
    let own = ["encoder", "decoder", "encoder_config", "decoder_config"]
    return (kind == .encoder || kind == .decoder) && !own.contains(section.last ?? "")
  }

  private func layerCountPath(of module: String) -> ConfigurationPath? {
    let kind = ModuleKind(moduleName: module)
    let places: [ConfigurationPath]
    switch kind {
    case nil: places = [[]] + textSections + sections(of: .vision) + sections(of: .audio)
    case .text: places = textSections + [[]]
    case .encoder, .decoder:
      places = (kind.map { sections(of: $0) } ?? []) + [[]] + textSections
    case .vision, .audio, .projector, .bridge, .talker, .codec:
      places = kind.map { sections(of: $0) } ?? []
    }
    for place in places {
      let isHalf = Self.isHalf(kind, of: place)
      for key in Self.countKeys(kind, isHalf: isHalf) {
        if let count = document.value(at: place + [key])?.intValue, count >= 0 {
          return place + [key]
        }
      }
    }
    return nil
  }

  /// The names of the number of layers, the most telling first.
  private static func countKeys(_ kind: ModuleKind?, isHalf: Bool) -> [String] {
    let generic = ["num_hidden_layers", "n_layer", "n_layers", "num_layers"]
    switch kind {
    case .encoder where isHalf:
      return ["encoder_layers", "num_encoder_layers", "num_layers", "num_hidden_layers"]
    case .decoder where isHalf:
      return ["decoder_layers", "num_decoder_layers", "num_layers", "num_hidden_layers"]
    case .vision, .audio:
      return generic + ["depth", "layers", "encoder_layers"]
    case nil:
      return generic + ["depth", "encoder_layers", "decoder_layers"]
    default:
      return generic
    }
  }
}
