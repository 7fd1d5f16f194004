public import TinctureJSON
public import TinctureTensors

/// The networks by the names that commands and recipes use.
public enum NetworkKind: String, Sendable, Hashable, CaseIterable {
  /// ``VisionTransformer``.
  case visionTransformer = "vision_transformer"
  /// ``ClipVision``.
  case clipVision = "clip_vision"
  /// ``ClipText``.
  case clipText = "clip_text"
  /// ``Clip``.
  case clip
  /// ``Bert`` or, for a classifier, ``BertClassifier``.
  case bert
  /// ``Bert`` or, for a classifier, ``BertClassifier``, with RoBERTa's positions.
  case roberta
  /// ``SentenceEncoder``.
  case minilm
  /// ``Llama``, for Mistral and Qwen, too.
  case llama
  /// ``ResNet``.
  case resnet50
  /// ``SmallResNet``.
  case smallResNet = "small_resnet"
  /// ``WideResNet``.
  case wideResNet = "wide_resnet"
  /// ``DenseNetwork``.
  case dense

  /// Reads a name.
  ///
  /// - Parameter name: One of the names.
  /// - Throws: `usage` that lists the names.
  public init(name: String) throws(TinctureError) {
    guard let kind = NetworkKind(rawValue: name) else {
      let names = NetworkKind.allCases.map(\.rawValue).joined(separator: ", ")
      throw TinctureError(.usage, "There is no network \"\(name)\"; the networks are \(names).")
    }
    self = kind
  }

  /// Tells the network from `model_type`, from timm's `architecture` or from open_clip's `model_cfg`.
  ///
  /// A sentence encoder has the configuration of the encoder in it and is told by name only.
  ///
  /// - Parameter configuration: The contents of `config.json` or `open_clip_config.json`.
  /// - Throws: `checkpoint` when there is no network of that type.
  public init(configuration: JSONValue) throws(TinctureError) {
    let settings = try ConfigurationReader(configuration)
    if settings.value("architecture") != nil {
      let name = try settings.text("architecture")
      switch name {
      case _ where name.hasPrefix("vit_"): self = .visionTransformer
      case _ where name.hasPrefix("resnet"): self = .resnet50
      default: throw settings.refusal("architecture", "is none of vit_… and resnet…")
      }
      return
    }
    if try OpenClipSettings(settings) != nil {
      self = .clip
      return
    }
    let names = try settings.texts("architectures") ?? []
    switch try settings.text("model_type") {
    case "clip" where names.contains { $0.hasPrefix("CLIPVisionModel") }: self = .clipVision
    case "clip" where names.contains { $0.hasPrefix("CLIPTextModel") }: self = .clipText
    case "clip": self = .clip
    case "clip_vision_model": self = .clipVision
    case "clip_text_model": self = .clipText
    case "bert": self = .bert
    case "roberta", "xlm-roberta": self = .roberta
    case "llama", "mistral", "qwen2", "qwen3": self = .llama
    case "vision_transformer": self = .visionTransformer
    case "resnet50": self = .resnet50
    case "small_resnet": self = .smallResNet
    case "wide_resnet": self = .wideResNet
    case "dense": self = .dense
    default:
      throw settings.refusal(
        "model_type",
        "is none of bert, clip, clip_text_model, clip_vision_model, dense, llama, mistral, qwen2, qwen3,"
          + " resnet50, roberta, small_resnet, vision_transformer, wide_resnet and xlm-roberta")
    }
  }

  /// The network with a configuration.
  ///
  /// - Parameters:
  ///   - configuration: The contents of `config.json` or `open_clip_config.json`.
  ///   - shapes: The extents of a model's tensors by name, to which the names are fitted.
  /// - Returns: A value of the type of this kind.
  /// - Throws: `checkpoint` that names a setting which is missing, malformed or not supported.
  public func network(
    configuration: JSONValue, fittedTo shapes: [String: [Int]] = [:]
  ) throws(TinctureError) -> any Network {
    let network: any Network =
      switch self {
      case .visionTransformer: try VisionTransformer(configuration: configuration)
      case .clipVision: try ClipVision(configuration: configuration)
      case .clipText: try ClipText(configuration: configuration)
      case .clip: try Clip(configuration: configuration)
      case .bert, .roberta: try Self.bert(configuration)
      case .minilm: try SentenceEncoder(configuration: configuration)
      case .llama: try Llama(configuration: configuration)
      case .resnet50: try ResNet(configuration: configuration)
      case .smallResNet: try SmallResNet(configuration: configuration)
      case .wideResNet: try WideResNet(configuration: configuration)
      case .dense: try DenseNetwork(configuration: configuration)
      }
    return try network.fitted(to: shapes)
  }

  /// The encoder, or the classifier where the configuration names one; other heads are refused.
  private static func bert(_ configuration: JSONValue) throws(TinctureError) -> any Network {
    let settings = try ConfigurationReader(configuration)
    let names = try settings.texts("architectures") ?? []
    if names.contains(where: { $0.hasSuffix("ForSequenceClassification") }) {
      return try BertClassifier(configuration: configuration)
    }
    // A masked language model is used for its encoder.
    let known = ["Model", "ForMaskedLM", "ForPreTraining"]
    guard names.allSatisfy({ name in known.contains { name.hasSuffix($0) } }) else {
      throw settings.refusal(
        "architectures",
        "must be a model for sequence classification, a masked language model or bare")
    }
    return try Bert(configuration: configuration)
  }
}
