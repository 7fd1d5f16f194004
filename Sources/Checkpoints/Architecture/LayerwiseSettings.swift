internal import TinctureJSON

/// The settings of a configuration that speak about single layers, carried over to chosen layers.
struct LayerwiseSettings {
  /// The number of layers before the choice.
  let oldCount: Int
  /// For each new layer the number of the old layer that it is.
  let sources: [Int]

  /// Changes the settings of one section.
  ///
  /// - Returns: Sentences about settings that could not follow.
  func apply(to object: inout JSONObject) -> [String] {
    var notes: [String] = []
    guard sources.allSatisfy({ $0 >= 0 && $0 < oldCount }) else {
      return ["config.json has \(oldCount) layers, but later ones were chosen; check it by hand."]
    }
    for (key, value) in object.members {
      switch value {
      case .array(let items):
        if Self.numberLists.contains(key) {
          object[key] = .array(renumbered(items))
        } else if items.count == oldCount, Self.isPerLayer(key) {
          object[key] = .array(sources.map { items[$0] })
        }
      case .number:
        if Self.bounds.contains(key), let bound = value.intValue {
          if let moved = moved(bound) {
            object[key] = .integer(moved)
          } else {
            notes.append(
              "\(key) is \(bound), but the chosen layers mix both sides of it; check it by hand.")
          }
        } else if Self.periods.contains(key), let period = value.intValue, period > 1,
          object["layer_types"] == nil, !keepsPhase(period)
        {
          notes.append(
            "\(key) is \(period), but the chosen layers do not keep that rhythm; check it by hand.")
        }
      case .string(let text):
        // Hybrid models spell their layers as one letter each.
        let letters = Array(text)
        if key == "hybrid_override_pattern", letters.count == oldCount {
          object[key] = .string(String(sources.map { letters[$0] }))
        }
      default: break
      }
    }
    return notes
  }

  /// A list of layer numbers, as the new numbers of the chosen layers.
  private func renumbered(_ items: [JSONValue]) -> [JSONValue] {
    let listed = Set(items.compactMap(\.intValue))
    return sources.indices.filter { listed.contains(sources[$0]) }.map { .integer($0) }
  }

  /// The first new layer that is not below a bound; nil when there are such layers on both sides.
  private func moved(_ bound: Int) -> Int? {
    if bound >= oldCount { return sources.count }
    let below = sources.prefix { $0 < bound }.count
    return sources[below...].allSatisfy { $0 >= bound } ? below : nil
  }

  private func keepsPhase(_ period: Int) -> Bool {
    sources.enumerated().allSatisfy { $0.offset % period == $0.element % period }
  }

  private static func isPerLayer(_ key: String) -> Bool {
    perLayer.contains(key) || key.contains("layer") || key.contains("block")
  }

  private static let perLayer: Set<String> = [
    "intermediate_size", "num_key_value_heads", "num_kv_heads", "num_query_heads",
    "ffn_multipliers", "activation_sparsity_pattern",
  ]
  private static let numberLists: Set<String> = [
    "mlp_only_layers", "full_attn_idxs", "cross_attention_layers", "attn_layer_indices",
    "hybrid_layer_ids", "moe_layers", "attn_layer_idx", "deepstack_visual_indexes",
    "fullatt_block_indexes",
  ]
  private static let bounds: Set<String> = ["max_window_layers", "first_k_dense_replace"]
  private static let periods: Set<String> = [
    "sliding_window_pattern", "full_attention_interval", "attn_layer_period",
    "expert_layer_period", "decoder_sparse_step", "moe_layer_freq", "interleave_moe_layer_step",
    "no_rope_layer_interval", "global_attn_every_n_layers",
  ]
}
