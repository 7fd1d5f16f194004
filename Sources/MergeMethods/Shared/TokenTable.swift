/// Tensors whose rows belong to tokens of the input.
enum TokenTable {
  private static let modules: Set<Substring> = [
    "embed_tokens", "wte", "word_embeddings", "token_embedding", "tok_embeddings", "embed_in",
    "shared",
  ]

  /// Whether a tensor is one, told from its name.
  static func isNamed(_ name: String) -> Bool {
    name.split(separator: ".").contains { modules.contains($0) }
  }
}
