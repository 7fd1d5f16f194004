/// How an adapter's file names its tensors.
public enum AdapterStyle: String, Sendable, Hashable, CaseIterable {
  /// PEFT: `base_model.model.MODULE.lora_A.weight`, with `adapter_config.json` beside it.
  case peft
  /// diffusers: `unet.MODULE.lora_A.weight` and older spellings; α is the rank unless a tensor says else.
  case diffusers
  /// kohya: `lora_unet_MODULE_WITH_UNDERSCORES.lora_down.weight`, with a tensor for each α.
  case kohya
}

/// What a tensor of an adapter's file is, told by its name.
package struct AdapterKey: Hashable {
  /// The part of a change.
  enum Part: Hashable {
    case down, up, magnitude, bias, alpha
  }

  private typealias Found = (part: Part, module: Substring, isEmbedding: Bool)

  let part: Part
  /// The module that is changed, without prefixes; with underscores for dots in kohya's style.
  let module: String
  /// The part of a pipeline, such as `unet`, in the styles of pipelines.
  let component: String?
  let isEmbedding: Bool

  /// Reads a name; nil when it is none of a factor.
  init?(_ name: String, style: AdapterStyle) {
    let found: Found?
    let plain = style == .peft ? Self.withoutPeftPrefix(name) : name[...]
    switch style {
    case .peft: found = Self.peft(plain)
    case .kohya: found = Self.kohya(plain)
    case .diffusers: found = Self.peft(plain) ?? Self.diffusers(plain) ?? Self.kohya(plain)
    }
    guard let found, !found.module.isEmpty else { return nil }
    part = found.part
    isEmbedding = found.isEmbedding
    (component, module) = Self.split(Self.unprocessed(String(found.module)), style)
  }

  /// The style that names are in; nil when none of them belongs to a LoRA adapter.
  ///
  /// - Parameters:
  ///   - names: The names of all tensors.
  ///   - hasConfiguration: Whether an `adapter_config.json` stands beside the file.
  /// - Returns: The style.
  static func style(of names: [String], hasConfiguration: Bool) -> AdapterStyle? {
    if hasConfiguration { return names.contains { peft($0[...]) != nil } ? .peft : nil }
    if names.contains(where: { kohya($0[...]).map { $0.part != .alpha } ?? false }) {
      return .kohya
    }
    let parts = names.filter { peft($0[...]) != nil || diffusers($0[...]) != nil }
    guard !parts.isEmpty else { return nil }
    return parts.allSatisfy { split($0, .diffusers).component != nil } ? .diffusers : .peft
  }

  /// A name without what PEFT puts before it.
  static func withoutPeftPrefix(_ name: String) -> Substring {
    for prefix in ["base_model.model.", "base_model."] where name.hasPrefix(prefix) {
      return name.dropFirst(prefix.count)
    }
    return name[...]
  }

  // MODULE.lora_A[.ADAPTER].weight and its like.
  private static func peft(_ name: Substring) -> Found? {
    let words = name.split(separator: ".", omittingEmptySubsequences: false)
    guard let mark = words.lastIndex(where: { $0.hasPrefix("lora_") }), mark > 0 else { return nil }
    let tail = words[(mark + 1)...]
    guard tail.count <= 2 else { return nil }
    let module = name[..<words[mark - 1].endIndex]
    switch words[mark] {
    case "lora_A" where tail.last == "weight": return (.down, module, false)
    case "lora_B" where tail.last == "weight": return (.up, module, false)
    case "lora_B" where tail.last == "bias": return (.bias, module, false)
    case "lora_embedding_A": return (.down, module, true)
    case "lora_embedding_B": return (.up, module, true)
    case "lora_magnitude_vector": return (.magnitude, module, false)
    default: return nil
    }
  }

  private static func kohya(_ name: Substring) -> Found? {
    for (suffix, part) in [
      (".lora_down.weight", Part.down), (".lora_up.weight", .up), (".alpha", .alpha),
    ] where name.hasSuffix(suffix) {
      return (part, name.dropLast(suffix.count), false)
    }
    return nil
  }

  private static func diffusers(_ name: Substring) -> Found? {
    for stem in [".lora", ".lora_linear_layer", "_lora"] {
      if name.hasSuffix(stem + ".down.weight") {
        return (.down, name.dropLast(stem.count + ".down.weight".count), false)
      }
      if name.hasSuffix(stem + ".up.weight") {
        return (.up, name.dropLast(stem.count + ".up.weight".count), false)
      }
    }
    return nil
  }

  /// `attn1.processor.to_q` is the layer `attn1.to_q`; `to_out` is the first of two.
  private static func unprocessed(_ module: String) -> String {
    guard let mark = module.firstRange(of: ".processor.") else { return module }
    let layer = module[mark.upperBound...]
    return "\(module[..<mark.lowerBound]).\(layer == "to_out" ? "to_out.0" : layer)"
  }

  private static func split(_ module: String, _ style: AdapterStyle) -> (
    component: String?, module: String
  ) {
    switch style {
    case .peft: return (nil, module)
    case .diffusers:
      guard let dot = module.firstIndex(of: "."), components.contains(String(module[..<dot])) else {
        return (nil, module)
      }
      return (String(module[..<dot]), String(module[module.index(after: dot)...]))
    case .kohya:
      for (prefix, component) in kohyaPrefixes where module.hasPrefix(prefix) {
        return (component, String(module.dropFirst(prefix.count)))
      }
      return (nil, module)
    }
  }

  private static let components: Set<String> = [
    "unet", "transformer", "transformer_2", "prior", "text_encoder", "text_encoder_2",
    "text_encoder_3",
  ]

  /// What kohya's names begin with, and the part of a pipeline that is meant.
  package static let kohyaPrefixes = [
    ("lora_unet_", "unet"), ("lora_transformer_", "transformer"), ("lora_te1_", "text_encoder"),
    ("lora_te2_", "text_encoder_2"), ("lora_te3_", "text_encoder_3"), ("lora_te_", "text_encoder"),
  ]
}
