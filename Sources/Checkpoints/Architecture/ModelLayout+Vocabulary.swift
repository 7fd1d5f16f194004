internal import TinctureJSON

extension ModelLayout {
  /// Whether the rows of a tensor are the tokens of the vocabulary: a token embedding or the head.
  ///
  /// - Parameter name: The name of the tensor; it need not be in the checkpoint.
  /// - Returns: True for token embeddings and for heads.
  /// - Complexity: O(n) in the length of the name.
  public func isEmbedding(_ name: String) -> Bool {
    let position = position(of: name)
    guard position.layer == nil else { return false }
    if let kind = ModuleKind(moduleName: position.module), kind == .vision || kind == .audio {
      return false
    }
    let parts = TensorNameParts(name)
    return Self.isTokenEmbedding(parts) || isHead(parts)
      || parts.hasSuffix("embed_tokens_per_layer", "weight")
      || parts.hasSuffix("shared_head", "head", "weight")
  }

  /// Whether the elements of a vector are the tokens of the vocabulary: the bias of the head.
  ///
  /// - Parameter name: The name of the tensor; it need not be in the checkpoint.
  /// - Returns: True for the bias of a head.
  /// - Complexity: O(n) in the length of the name.
  public func isVocabularyBias(_ name: String) -> Bool {
    guard position(of: name).layer == nil else { return false }
    let parts = TensorNameParts(name)
    return parts.hasSuffix("lm_head", "bias") || parts.hasSuffix("lm_head", "decoder", "bias")
      || parts.hasSuffix("lm_head", "linear", "bias") || parts.hasSuffix("predictions", "bias")
      || parts.hasSuffix("predictions", "decoder", "bias") || parts.hasSuffix("embed_out", "bias")
      || parts.hasSuffix("vocab_projector", "bias") || parts.hasSuffix("final_logits_bias")
  }

  /// Whether a checkpoint of this architecture may lack a tensor: buffers and tied tensors.
  ///
  /// - Parameter name: The name of the tensor; it need not be in the checkpoint.
  /// - Returns: True for buffers and for tensors that share the values of another one.
  /// - Complexity: O(n) in the length of the name.
  public func isOptional(_ name: String) -> Bool { isBuffer(name) || tiedSource(of: name) != nil }

  /// The tensor whose values another one shares.
  ///
  /// A head is tied to the token embedding when the configuration says so. When the configuration is
  /// silent and nothing is known about its kind of model, a head that is stored has values of its
  /// own, and one that is not is tied. The embeddings of an encoder and a decoder are tied to `shared`.
  ///
  /// - Parameter name: The name of the tensor; it need not be in the checkpoint.
  /// - Returns: The name of the tensor with the values, which is in the checkpoint, or nil when the
  ///   tensor has values of its own.
  /// - Complexity: O(n) in the length of the name and the number of token embeddings.
  public func tiedSource(of name: String) -> String? {
    let parts = TensorNameParts(name)
    guard parts.parts.count >= 2, position(of: name).layer == nil else { return nil }
    if let source = sharedSource(of: parts) { return source }
    if parts.hasSuffix("predictions", "decoder", "bias")
      || parts.hasSuffix("lm_head", "decoder", "bias")
    {
      let source = parts.container(before: parts.parts.count - 2) + ".bias"
      return names.contains(ExactString(source)) ? source : nil
    }
    guard isHead(parts), isHeadTied(stored: names.contains(ExactString(name))) else { return nil }
    return source(ofHead: name)
  }

  /// Whether a name is that of a table from tokens to vectors.
  static func isTokenEmbedding(_ name: TensorNameParts) -> Bool {
    guard name.parts.count >= 2, name.parts.last == "weight" else { return false }
    return tables.contains(name.parts[name.parts.count - 2])
  }

  /// Whether a name is that of the matrix from vectors to tokens.
  private func isHead(_ name: TensorNameParts) -> Bool {
    guard name.parts.count >= 2, name.parts.last == "weight" else { return false }
    switch name.parts[name.parts.count - 2] {
    case "lm_head", "embed_out", "output_layer", "vocab_projector", "generator_lm_head", "lm_loss":
      return true
    case "decoder": return name.hasSuffix("predictions", "decoder", "weight") || ofLMHead(name)
    case "linear": return ofLMHead(name)
    case "output": return tokenEmbeddings.contains { $0.hasSuffix("tok_embeddings.weight") }
    case "proj": return name.hasSuffix("pred_layer", "proj", "weight")
    case "proj_out": return tokenEmbeddings.contains { $0.hasSuffix("decoder.embed_tokens.weight") }
    default: return false
    }
  }

  private func ofLMHead(_ name: TensorNameParts) -> Bool {
    name.parts.count >= 3 && name.parts[name.parts.count - 3] == "lm_head"
  }

  private func isHeadTied(stored: Bool) -> Bool {
    guard let configuration else { return !stored }
    if let explicit = configuration.explicitlyTiesWordEmbeddings { return explicit }
    // A model that runs without a head of its own must share one, whatever its kind does usually.
    return !stored || configuration.tiesWordEmbeddings
  }

  /// The token embedding nearest to a head: the one in the same part of the model.
  private func source(ofHead name: String) -> String? {
    var best: (score: Int, name: String)?
    for candidate in tokenEmbeddings where !candidate.utf8.elementsEqual(name.utf8) {
      var score = zip(candidate.utf8, name.utf8).prefix { $0 == $1 }.count
      // The decoder's table is the one that a head of the whole model inverts.
      if candidate.hasSuffix("shared.weight") { score += 2 }
      if candidate.contains("decoder.embed_tokens") { score += 1 }
      if score > best?.score ?? -1 { best = (score, candidate) }
    }
    return best?.name
  }

  /// The table that an encoder and a decoder share.
  private func sharedSource(of name: TensorNameParts) -> String? {
    let halves = ["encoder", "decoder"]
    func full(_ prefix: String, _ tail: String) -> String {
      prefix.isEmpty ? tail : prefix + "." + tail
    }
    for half in halves where name.hasSuffix(half, "embed_tokens", "weight") {
      let prefix = name.container(before: name.parts.count - 3)
      let shared = full(prefix, "shared.weight")
      return names.contains(ExactString(shared)) ? shared : nil
    }
    guard name.hasSuffix("shared", "weight") else { return nil }
    let prefix = name.container(before: name.parts.count - 2)
    guard !names.contains(ExactString(full(prefix, "shared.weight"))) else { return nil }
    return halves.map { full(prefix, $0 + ".embed_tokens.weight") }
      .first { names.contains(ExactString($0)) }
  }

  private static let tables: Set<Substring> = [
    "embed_tokens", "wte", "word_embeddings", "word_embedding", "tok_embeddings", "embed_in",
    "token_embedding", "tokens_embed", "tok_emb", "token_emb", "shared", "embeddings",
  ]
}
