public import TinctureJSON
public import TinctureTensors

extension Clip {
  /// Reads a configuration of transformers (`model_type` `clip`) or of open_clip (`model_cfg`).
  ///
  /// - Parameter configuration: The contents of `config.json` or `open_clip_config.json`.
  /// - Throws: `checkpoint` that names a setting which is missing, malformed or not supported.
  public init(configuration: JSONValue) throws(TinctureError) {
    self.init(
      vision: try ClipVision(configuration: configuration),
      text: try ClipText(configuration: configuration))
  }
}

extension ClipVision {
  /// Reads a configuration of transformers (`model_type` `clip` or `clip_vision_model`) or of open_clip.
  ///
  /// The projection is left out where `architectures` names only `CLIPVisionModel`, which has none.
  ///
  /// - Parameter configuration: The contents of `config.json` or `open_clip_config.json`.
  /// - Throws: `checkpoint` that names a setting which is missing, malformed or not supported.
  public init(configuration: JSONValue) throws(TinctureError) {
    let settings = try ConfigurationReader(configuration)
    self.init()
    if let model = try OpenClipSettings(settings) {
      try read(model)
    } else {
      try read(settings)
    }
    guard imageSize % patchSize == 0 else {
      throw settings.refusal("patch_size", "must divide the size of images, \(imageSize)")
    }
  }

  private mutating func read(_ settings: ConfigurationReader) throws(TinctureError) {
    let tower = try settings.clipTower(
      "clip_vision_model", section: "vision_config", overlay: "vision_config_dict")
    imageSize = try tower.count("image_size", or: 224)
    channels = try tower.count("num_channels", or: 3)
    patchSize = try tower.count("patch_size", or: 32)
    (width, depth, heads, hiddenWidth) = try tower.clipSizes(768, 12, 12, 3072)
    epsilon = try tower.number("layer_norm_eps", or: 1e-5)
    activation = try tower.activation("hidden_act", or: .quickGelu)
    let shared = try settings.count("projection_dim", or: 512)
    projectionWidth = try settings.texts("architectures") == ["CLIPVisionModel"] ? nil : shared
  }

  private mutating func read(_ model: OpenClipSettings) throws(TinctureError) {
    let tower = model.vision
    try tower.expect(only: [
      "image_size", "layers", "width", "patch_size", "head_width", "mlp_ratio", "in_channels",
      "patch_dropout",
    ])
    imageSize = try tower.count("image_size", or: 224)
    channels = try tower.count("in_channels", or: 3)
    patchSize = try tower.count("patch_size", or: 16)
    width = try tower.count("width", or: 768)
    depth = try tower.depth("layers", or: 12)
    let headWidth = try tower.count("head_width", or: 64)
    guard width % headWidth == 0 else {
      throw tower.refusal("head_width", "must divide the width, \(width)")
    }
    heads = width / headWidth
    hiddenWidth = try OpenClipSettings.hiddenWidth(tower, width)
    projectionWidth = model.sharedWidth
    activation = model.activation
    (layout, self.tower) = (.openClip, "visual")
  }
}

extension ClipText {
  /// Reads a configuration of transformers (`model_type` `clip` or `clip_text_model`) or of open_clip.
  ///
  /// An `eos_token_id` of 2, which old configurations have by mistake, is read as transformers reads it:
  /// a text ends with its largest id.
  ///
  /// - Parameter configuration: The contents of `config.json` or `open_clip_config.json`.
  /// - Throws: `checkpoint` that names a setting which is missing, malformed or not supported.
  public init(configuration: JSONValue) throws(TinctureError) {
    let settings = try ConfigurationReader(configuration)
    self.init()
    if let model = try OpenClipSettings(settings) {
      try read(model)
      return
    }
    let tower = try settings.clipTower(
      "clip_text_model", section: "text_config", overlay: "text_config_dict")
    vocabularySize = try tower.count("vocab_size", or: 49408)
    positionCount = try tower.count("max_position_embeddings", or: 77)
    (width, depth, heads, hiddenWidth) = try tower.clipSizes(512, 12, 8, 2048)
    epsilon = try tower.number("layer_norm_eps", or: 1e-5)
    activation = try tower.activation("hidden_act", or: .quickGelu)
    let end = try tower.index("eos_token_id", or: 49407)
    endToken = end == 2 ? nil : end
    let shared = try settings.count("projection_dim", or: 512)
    projectionWidth = try settings.texts("architectures") == ["CLIPTextModel"] ? nil : shared
  }

  private mutating func read(_ model: OpenClipSettings) throws(TinctureError) {
    let tower = model.text
    try tower.expect(only: [
      "context_length", "vocab_size", "width", "heads", "layers", "mlp_ratio",
    ])
    vocabularySize = try tower.count("vocab_size", or: 49408)
    positionCount = try tower.count("context_length", or: 77)
    width = try tower.count("width", or: 512)
    depth = try tower.depth("layers", or: 12)
    heads = try tower.count("heads", or: 8)
    guard width % heads == 0 else {
      throw tower.refusal("heads", "must divide the width, \(width)")
    }
    hiddenWidth = try OpenClipSettings.hiddenWidth(tower, width)
    projectionWidth = model.sharedWidth
    activation = model.activation
    (endToken, layout, self.tower) = (nil, .openClip, "")
  }
}

extension ConfigurationReader {
  /// The settings of one tower: a section of CLIP's, or the whole configuration of a lone tower.
  fileprivate func clipTower(
    _ lone: String, section name: String, overlay: String
  ) throws(TinctureError) -> ConfigurationReader {
    switch try text("model_type") {
    case lone: return self
    case "clip":
      guard let tower = try section(name, overlay: overlay) else {
        throw refusal(name, "is needed")
      }
      return tower
    default: throw refusal("model_type", "must be clip or \(lone)")
    }
  }

  /// Width, blocks, heads and width of the perceptrons.
  fileprivate func clipSizes(
    _ width: Int, _ depth: Int, _ heads: Int, _ hidden: Int
  ) throws(TinctureError) -> (Int, Int, Int, Int) {
    let width = try count("hidden_size", or: width)
    let heads = try count("num_attention_heads", or: heads)
    guard width % heads == 0 else {
      throw refusal("num_attention_heads", "must divide the width, \(width)")
    }
    return (
      width, try self.depth("num_hidden_layers", or: depth), heads,
      try count("intermediate_size", or: hidden)
    )
  }
}
