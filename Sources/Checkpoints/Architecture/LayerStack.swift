internal import TinctureJSON

/// The stacks of layers that tensor names form.
///
/// A stack is a numbered path such as `model.layers` in `model.layers.7.mlp.up_proj.weight`. Three kinds
/// of evidence count, and a weaker one only where no stronger one exists: a path that ends with a
/// word for layers and holds modules; any path whose numbers hold the same modules again and again;
/// a path that ends with a word for layers and holds single tensors.
struct LayerStackFinder {
  private var strong: [ExactString: Int] = [:]
  private var weak: [ExactString: Int] = [:]
  private var candidates: [ExactString: Candidate] = [:]

  private struct Candidate {
    var highest = 0
    /// For each tensor below a number, how many numbers have it.
    var modules: [ExactString: Int] = [:]
  }

  /// Takes note of a name.
  mutating func add(_ name: TensorNameParts) {
    for (position, value) in name.numbers where position > 0 {
      let above = name.parts[..<position]
      if above.contains(where: Self.isExcluded) { return }
      let container = ExactString(name.container(before: position))
      let below = name.parts.count - position - 1
      if Self.isLayerWord(name.parts[position - 1]) {
        if below >= 2 {
          strong[container] = max(strong[container] ?? 0, value)
          return
        }
        if below == 1 { weak[container] = max(weak[container] ?? 0, value) }
      }
      if below >= 2 {
        var candidate = candidates[container] ?? Candidate()
        candidate.highest = max(candidate.highest, value)
        candidate.modules[ExactString(name.rest(after: position)), default: 0] += 1
        candidates[container] = candidate
      }
    }
  }

  /// The stacks that were found: path and number of layers, ordered by path.
  func stacks() -> [(prefix: String, layerCount: Int)] {
    var found = strong
    if found.isEmpty {
      for (container, candidate) in candidates
      where candidate.modules.lazy.filter({ $0.value > 1 }).prefix(2).count == 2 {
        found[container] = candidate.highest
      }
      // A number inside a layer counts no layers.
      found = found.filter { container, _ in
        let name = TensorNameParts(container.text)
        return !name.numbers.contains {
          found[ExactString(name.container(before: $0.position))] != nil
        }
      }
    }
    if found.isEmpty { found = weak }
    return found.map { (prefix: $0.key.text, layerCount: $0.value + 1) }
      .sorted { $0.prefix.utf8.lexicographicallyPrecedes($1.prefix.utf8) }
  }

  /// Whether a component names a list of layers; `layer1` to `layer4` of residual networks do.
  private static func isLayerWord(_ part: Substring) -> Bool {
    if layerWords.contains(part) { return true }
    return part.hasPrefix("layer") && TensorNameParts.number(part.dropFirst(5)) != nil
  }

  /// Whether numbers below a component count something other than layers.
  private static func isExcluded(_ part: Substring) -> Bool {
    part == "experts" || part == "local_experts" || NameZone.isListed(part)
  }

  private static let layerWords: Set<Substring> = [
    "layers", "layer", "h", "block", "blocks", "resblocks", "encoder_layers", "decoder_layers",
    "stages", "transformer_blocks", "single_transformer_blocks", "double_blocks", "single_blocks",
    "joint_blocks", "down_blocks", "up_blocks",
  ]
}
