internal import TinctureCheckpoints
internal import TinctureTensors

/// Whether adapters can be combined, and what they have together.
enum AdapterAgreement {
  /// All layers, in the order in which the adapters name them first.
  static func layers(_ adapters: [Adapter]) -> [AdapterLayer] {
    var seen: Set<AdapterLayer> = []
    return adapters.flatMap(\.layers).filter { seen.insert($0).inserted }
  }

  /// Refuses adapters of different styles, for different bases, and those that are no sums.
  static func check(_ adapters: [Adapter]) throws(TinctureError) {
    for adapter in adapters {
      if let layer = adapter.stretched {
        throw TinctureError(
          .checkpoint,
          "The adapter is a DoRA, which depends on the base and cannot be combined; fold it.",
          at: .init(model: adapter.name, tensor: layer.name))
      }
      guard adapter.source.style == adapters[0].source.style else {
        throw TinctureError(
          .checkpoint,
          "The adapter is in the style of \(adapter.source.style.rawValue), but \(adapters[0].name) in "
            + "that of \(adapters[0].source.style.rawValue).", at: .init(model: adapter.name))
      }
      let turned = adapters[0].source.configuration?.isTransposed ?? false
      guard adapter.source.configuration?.isTransposed ?? false == turned else {
        throw TinctureError(
          .checkpoint, "fan_in_fan_out differs from \(adapters[0].name).",
          at: .init(model: adapter.name))
      }
    }
    try checkLayers(adapters)
    try checkWholes(adapters)
  }

  private static func checkLayers(_ adapters: [Adapter]) throws(TinctureError) {
    var known: [String: (layer: AdapterLayer, adapter: Adapter)] = [:]
    for adapter in adapters {
      for layer in adapter.layers {
        guard let first = known[layer.name] else {
          known[layer.name] = (layer, adapter)
          continue
        }
        guard first.layer == layer else {
          throw TinctureError(
            .checkpoint,
            "The change is \(layer.outputs) × \(layer.inputCount) here, but \(first.layer.outputs) × "
              + "\(first.layer.inputCount) in \(first.adapter.name); the adapters are for different bases.",
            at: .init(model: adapter.name, tensor: layer.name))
        }
      }
    }
  }

  private static func checkWholes(_ adapters: [Adapter]) throws(TinctureError) {
    var owners: [String: String] = [:]
    for adapter in adapters {
      for (name, _) in adapter.source.replacements {
        if let owner = owners.updateValue(adapter.name, forKey: name) {
          throw TinctureError(
            .checkpoint,
            "\(owner) stores this tensor whole, too (modules_to_save); only one of the adapters can.",
            at: .init(model: adapter.name, tensor: name))
        }
      }
    }
  }

  /// What may be a mistake: adapters that name different bases.
  static func notes(_ adapters: [Adapter]) -> [String] {
    let bases = adapters.compactMap { adapter in
      adapter.source.configuration?.baseModel.map { (adapter.name, $0) }
    }
    guard let first = bases.first,
      let other = bases.first(where: { $0.1 != first.1 })
    else { return [] }
    return ["\(first.0) was made for \(first.1), but \(other.0) for \(other.1)."]
  }
}
