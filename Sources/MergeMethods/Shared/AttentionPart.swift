/// What a tensor is to the attention that it belongs to, as far as its name tells.
struct AttentionPart: Sendable, Hashable {
  /// Which of the projections.
  enum Role: Sendable, Hashable {
    case query
    case key
    case value
    case output
    /// The rows of queries, keys and values below each other.
    case fused
    /// The same, in another order for each head.
    case mixed
    /// A normalisation of queries or keys.
    case normalization
  }

  /// The path of the attention.
  let module: String
  /// Which of the projections.
  let role: Role
  /// Whether it is the bias of a projection.
  let isBias: Bool
  /// Whether weights of this name are stored [in, out] in models that have them so.
  let mayBeInputMajor: Bool

  /// Reads a name such as `model.layers.3.self_attn.q_proj.weight`; nil for what is no part of attention.
  init?(_ name: String) {
    var parts = name.split(separator: ".")
    guard let last = parts.last,
      let first = parts.firstIndex(where: { Self.isAttention($0) })
    else { return nil }
    switch last {
    case "weight", "bias":
      isBias = last == "bias"
      parts.removeLast()
    case "in_proj_weight", "in_proj_bias":
      isBias = last == "in_proj_bias"
      parts[parts.count - 1] = "in_proj"
    default: return nil
    }
    // Diffusion models have a list of one projection: to_out.0.
    if parts.last == "0" { parts.removeLast() }
    guard let leaf = parts.last, parts.count - 1 > first else { return nil }
    let parent = parts[parts.count - 2]
    module = parts[...first].joined(separator: ".")
    mayBeInputMajor = leaf == "c_attn" || leaf == "c_proj"
    switch leaf {
    case "q_proj", "query", "q_lin", "q", "wq", "to_q": role = .query
    case "k_proj", "key", "k_lin", "k", "wk", "to_k": role = .key
    case "v_proj", "value", "v_lin", "v", "wv", "to_v": role = .value
    case "o_proj", "out_proj", "out_lin", "o", "wo", "to_out": role = .output
    case "proj", "c_proj":
      guard Self.isAttention(parent) else { return nil }
      role = .output
    case "dense":
      guard Self.isAttention(parent) || parent == "output" else { return nil }
      role = .output
    case "qkv", "in_proj", "Wqkv", "qkv_proj", "c_attn": role = .fused
    case "query_key_value": role = .mixed
    case "q_norm", "k_norm", "query_norm", "key_norm", "q_layernorm", "k_layernorm", "norm_q",
      "norm_k":
      role = .normalization
    default: return nil
    }
  }

  /// Whether a component of a name stands for attention: `attn`, `self_attn`, `EncDecAttention`.
  private static func isAttention(_ part: Substring) -> Bool {
    let text = part.lowercased()
    return (text.contains("attn") || text.contains("attention"))
      && !text.contains("norm") && !text.contains("c_attn")
  }
}
