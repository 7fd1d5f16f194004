public import TinctureJSON
public import TinctureTensors

extension Llama {
  /// Reads a configuration of transformers: `model_type` `llama`, `mistral`, `qwen2` or `qwen3`.
  ///
  /// - Parameter configuration: The contents of `config.json`.
  /// - Throws: `checkpoint` that names a setting which is missing, malformed or not supported, such as a
  ///   scaling of the rotations other than `default`, `linear` and `llama3`.
  public init(configuration: JSONValue) throws(TinctureError) {
    let settings = try ConfigurationReader(configuration)
    let type = try settings.text("model_type")
    self.init()
    vocabularySize = try settings.count("vocab_size")
    width = try settings.count("hidden_size")
    depth = try settings.depth("num_hidden_layers")
    heads = try settings.count("num_attention_heads")
    if settings.value("head_dim") == nil, type != "qwen3" {
      try settings.expect("num_attention_heads", divides: width, "the width")
    }
    headWidth = try settings.count("head_dim", or: type == "qwen3" ? 128 : width / heads)
    guard headWidth.isMultiple(of: 2) else {
      throw settings.refusal("head_dim", "must be even; heads have \(headWidth) numbers")
    }
    keyHeads = try settings.count(
      "num_key_value_heads", or: type == "mistral" ? 8 : type == "llama" ? heads : 32)
    guard heads.isMultiple(of: keyHeads) else {
      throw settings.refusal("num_key_value_heads", "must divide the heads, \(heads)")
    }
    hiddenWidth = try settings.count("intermediate_size")
    epsilon = try settings.number("rms_norm_eps", or: 1e-6)
    activation = try settings.activation("hidden_act", or: .silu)
    isTied = try settings.flag("tie_word_embeddings", or: false)
    rotary = try RotaryEmbedding(settings)
    switch type {
    case "llama":
      hasAttentionBias = try settings.flag("attention_bias", or: false)
      hasOutputBias = hasAttentionBias
      hasPerceptronBias = try settings.flag("mlp_bias", or: false)
    case "mistral":
      // What the configuration leaves out is 4096; what it sets to null is no window.
      window = settings.has("sliding_window") ? try settings.optionalCount("sliding_window") : 4096
    case "qwen2":
      hasAttentionBias = true
      try readQwenWindow(settings)
    case "qwen3":
      normalizesHeads = true
      hasAttentionBias = try settings.flag("attention_bias", or: false)
      hasOutputBias = hasAttentionBias
      try readQwenWindow(settings)
    default: throw settings.refusal("model_type", "must be llama, mistral, qwen2 or qwen3")
    }
    try readLayerTypes(settings)
  }

  private mutating func readQwenWindow(_ settings: ConfigurationReader) throws(TinctureError) {
    guard try settings.flag("use_sliding_window", or: false) else { return }
    window = settings.has("sliding_window") ? try settings.optionalCount("sliding_window") : 4096
    let first = try settings.index("max_window_layers", or: 28)
    windowedBlocks = window == nil ? nil : Set(min(first, depth)..<depth)
  }

  private mutating func readLayerTypes(_ settings: ConfigurationReader) throws(TinctureError) {
    guard let types = try settings.texts("layer_types") else { return }
    let known = ["full_attention", "sliding_attention"]
    guard types.count == depth, types.allSatisfy({ known.contains($0) }) else {
      throw settings.refusal(
        "layer_types", "must be full_attention or sliding_attention for each of \(depth) layers")
    }
    let near = Set(types.indices.filter { types[$0] == "sliding_attention" })
    guard near.isEmpty || window != nil else {
      throw settings.refusal("layer_types", "asks for a window, but none is set")
    }
    if window != nil { windowedBlocks = near }
  }

  /// The same network under the names that a model gives to its parameters.
  ///
  /// A model that says it has a head of its own but holds none is left as it is, so that a check names the
  /// missing head.
  public func fitted(to shapes: [String: [Int]]) throws(TinctureError) -> Llama {
    var network = self
    network.root = try module(of: "embed_tokens.weight", in: shapes.keys) ?? root
    return network
  }
}

extension RotaryEmbedding {
  /// Reads `rope_parameters`, or `rope_theta` and `rope_scaling` of older configurations.
  init(_ settings: ConfigurationReader) throws(TinctureError) {
    try settings.expect("partial_rotary_factor", .number("1.0"))
    let fallback = try settings.number("rope_theta", or: 10000)
    base = fallback
    scaling = .none
    let name = settings.value("rope_parameters") == nil ? "rope_scaling" : "rope_parameters"
    guard let rope = try settings.section(name) else { return }
    try rope.expect("partial_rotary_factor", .number("1.0"))
    base = try rope.number("rope_theta", or: fallback)
    let key = rope.value("rope_type") == nil ? "type" : "rope_type"
    switch try rope.text(key, or: "default") {
    case "default": scaling = .none
    case "linear": scaling = .linear(factor: try rope.number("factor"))
    case "llama3":
      let (low, high) = (try rope.number("low_freq_factor"), try rope.number("high_freq_factor"))
      guard low < high else {
        throw rope.refusal("low_freq_factor", "must be below high_freq_factor, \(high)")
      }
      let longest = try settings.count("max_position_embeddings", or: 2048)
      scaling = .llama3(
        factor: try rope.number("factor"), low: low, high: high,
        length: try rope.count("original_max_position_embeddings", or: longest))
    default: throw rope.refusal(key, "must be default, linear or llama3")
    }
    try rope.expect(only: [
      "rope_theta", "rope_type", "type", "factor", "low_freq_factor", "high_freq_factor",
      "original_max_position_embeddings", "partial_rotary_factor",
    ])
  }
}
