internal import TinctureJSON

/// What a `config.json` says about the attention of a stack of layers.
public struct AttentionSettings: Sendable, Hashable {
  /// How positions come into queries and keys.
  public enum Rotation: String, Sendable {
    /// Not by rotations.
    case none
    /// By rotations of elements that are half of the rotated part apart.
    case half
    /// By rotations of neighbours.
    case interleaved
  }

  /// The number of heads of queries.
  public let heads: Int
  /// How positions come in; nil for kinds of models that are not known.
  public let rotation: Rotation?
  /// How many elements of each head are rotated: nil for all, 0 where that is not told.
  public let rotatedWidth: Int?
}

extension ModelConfiguration {
  /// The attention of a stack of layers.
  ///
  /// - Parameter prefix: The path of the stack, such as `vision_model.encoder.layers`; any for a model of one.
  /// - Returns: What is told; nil where the number of heads is not.
  /// - Complexity: O(n) in the size of the document.
  public func attention(ofStack prefix: String) -> AttentionSettings? {
    let kind = ModuleKind.classify(TensorNameParts(prefix).parts)?.kind
    let own = kind.map { sections(of: $0) } ?? []
    var paths = own + [[]]
    if own.isEmpty, kind == nil { paths = textSections + [[]] }
    for path in paths {
      guard let object = document.object(at: path) else { continue }
      var keys = ["num_attention_heads", "n_head", "n_heads", "num_heads", "attention_heads"]
      if kind == .encoder { keys.insert("encoder_attention_heads", at: 0) }
      if kind == .decoder { keys.insert("decoder_attention_heads", at: 0) }
      guard let heads = keys.lazy.compactMap({ object[$0]?.intValue }).first, heads > 0 else {
        continue
      }
      let type = object["model_type"]?.stringValue ?? modelType ?? ""
      return AttentionSettings(
        heads: heads, rotation: Self.rotation(type),
        rotatedWidth: Self.rotatedWidth(object, heads: heads))
    }
    return nil
  }

  private static func rotatedWidth(_ object: JSONObject, heads: Int) -> Int? {
    if let width = object["rotary_dim"]?.intValue { return width }
    let share =
      ["partial_rotary_factor", "rotary_pct"].lazy.compactMap { object[$0]?.doubleValue }.first
    guard let share, share < 1 else { return nil }
    let whole = object["head_dim"]?.intValue ?? object["hidden_size"]?.intValue.map { $0 / heads }
    return whole.map { Int(share * Double($0)) } ?? 0
  }

  private static func rotation(_ type: String) -> AttentionSettings.Rotation? {
    if unrotatedTypes.contains(type) { return AttentionSettings.Rotation.none }
    if halfTypes.contains(type) { return .half }
    return neighbourTypes.contains(type) ? .interleaved : nil
  }

  private static let unrotatedTypes: Set<String> = [
    "bert", "roberta", "xlm-roberta", "camembert", "distilbert", "electra", "albert", "mpnet",
    "vit", "deit", "dinov2", "vit_mae", "clip", "clip_text_model", "clip_vision_model",
    "siglip", "siglip_text_model", "siglip_vision_model", "gpt2", "opt", "bart", "mbart",
    "marian", "pegasus", "whisper", "t5", "mt5", "blip_text_model", "blip_vision_model",
  ]
  private static let halfTypes: Set<String> = [
    "llama", "mistral", "ministral", "mixtral", "qwen2", "qwen2_moe", "qwen3", "qwen3_moe",
    "gemma", "gemma2", "gemma3", "gemma3_text", "phi", "phi3", "phimoe", "stablelm",
    "starcoder2", "olmo", "olmo2", "olmo3", "olmoe", "granite", "smollm3", "seed_oss",
    "qwen2_vl", "qwen2_5_vl",
  ]
  private static let neighbourTypes: Set<String> = [
    "gptj", "codegen", "cohere", "cohere2", "glm", "glm4", "llama4_text", "helium", "roformer",
  ]
}
