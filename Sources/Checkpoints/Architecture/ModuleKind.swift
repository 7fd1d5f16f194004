/// What a part of a model is for, as far as names tell.
enum ModuleKind: Sendable, Hashable {
  case text, vision, audio, encoder, decoder, projector, bridge, talker, codec

  /// The kind that a component of a tensor name stands for.
  init?(component: Substring) {
    switch component {
    case "language_model", "text_model", "text_decoder", "llm", "thinker": self = .text
    case "vision_tower", "vision_model", "visual", "vision_encoder", "vision_backbone",
      "image_encoder", "vision":
      self = .vision
    case "audio_tower", "audio_model", "audio_encoder", "speech_encoder": self = .audio
    case "encoder", "text_encoder": self = .encoder
    case "decoder": self = .decoder
    case "qformer": self = .bridge
    case "talker": self = .talker
    case "token2wav", "code2wav": self = .codec
    default:
      guard Self.projectors.contains(component) else { return nil }
      self = .projector
    }
  }

  /// The kind that the components of a name stand for, and the component that says so.
  ///
  /// A projector may lie inside the tower that it follows (`visual.merger`), so it decides wherever it
  /// stands; otherwise the outermost component that says anything decides, except that the towers
  /// of a `thinker` are more telling than the thinker.
  static func classify(_ parts: some Collection<Substring>) -> (kind: ModuleKind, word: Substring)?
  {
    var found: (kind: ModuleKind, word: Substring)?
    for part in parts {
      guard let kind = ModuleKind(component: part) else { continue }
      if kind == .projector { return (kind, part) }
      if found == nil {
        found = (kind, part)
      } else if found?.word == "thinker", kind == .vision || kind == .audio {
        found = (kind, part)
      }
    }
    return found
  }

  /// The kind that a recipe's module name stands for; nil for `default` and unknown names.
  init?(moduleName: String) {
    switch moduleName {
    case "text_decoder", "text_model", "language_model", "text": self = .text
    case "vision_tower", "vision_model", "visual", "vision": self = .vision
    case "audio_tower", "audio_model", "audio_encoder", "audio": self = .audio
    case "encoder": self = .encoder
    case "decoder": self = .decoder
    case "multi_modal_projector", "projector": self = .projector
    case "qformer": self = .bridge
    case "talker": self = .talker
    case "token2wav": self = .codec
    default: return nil
    }
  }

  /// The name of the module in recipes, given the component that stands for it in tensor names.
  func moduleName(word: Substring?) -> String {
    switch self {
    case .text: word == "text_model" ? "text_model" : "text_decoder"
    case .vision: word == "vision_model" ? "vision_model" : "vision_tower"
    case .audio: "audio_tower"
    case .encoder: "encoder"
    case .decoder: "decoder"
    case .projector: "multi_modal_projector"
    case .bridge: "qformer"
    case .talker: "talker"
    case .codec: "token2wav"
    }
  }

  private static let projectors: Set<Substring> = [
    "multi_modal_projector", "mm_projector", "multimodal_projector", "connector", "aligner",
    "merger", "merger_list", "deepstack_merger_list", "abstractor", "mlp1",
    "modality_projection", "embed_vision", "embed_audio", "audio_projector", "resampler",
  ]
}
