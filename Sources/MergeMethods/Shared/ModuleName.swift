/// A module of a network: the tensors that belong together, and what they are for.
struct ModuleName: Hashable {
  /// What a module is for.
  enum Kind: CaseIterable {
    case attention
    case perceptron
    case norm
  }

  /// The layer, −1 where there is none.
  let layer: Int
  /// The name, without that of the tensor.
  let text: String
  /// What it is for, told from the name.
  let kind: Kind

  init(_ tensor: String, layer: Int) {
    self.layer = layer
    var text = tensor
    for end in [".weight", ".bias", "_weight", "_bias"] where text.hasSuffix(end) {
      text.removeLast(end.count)
      break
    }
    self.text = text
    let lower = text.lowercased()
    if lower.contains("norm") || lower.contains("ln_") || lower.contains(".ln") {
      kind = .norm
    } else {
      kind = lower.contains("attn") || lower.contains("attention") ? .attention : .perceptron
    }
  }
}
