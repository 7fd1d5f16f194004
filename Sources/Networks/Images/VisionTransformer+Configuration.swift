public import TinctureJSON
public import TinctureTensors

extension VisionTransformer {
  /// Reads a configuration.
  ///
  /// Either timm's `config.json` with an `architecture` such as `vit_small_patch16_224`, or settings with
  /// transformers' names: `image_size`, `num_channels`, `patch_size`, `hidden_size`, `num_hidden_layers`,
  /// `num_attention_heads`, `intermediate_size`, `layer_norm_eps`, `hidden_act`, and `pooling` (`token`
  /// or `mean`) and `patch_module`.
  ///
  /// - Parameter configuration: The contents of `config.json`.
  /// - Throws: `checkpoint` that names a setting which is missing, malformed or not supported.
  public init(configuration: JSONValue) throws(TinctureError) {
    let settings = try ConfigurationReader(configuration)
    self.init()
    if settings.value("architecture") != nil {
      try readTimm(settings)
    } else {
      try read(settings)
    }
    guard imageSize % patchSize == 0 else {
      throw settings.refusal("patch_size", "must divide the size of images, \(imageSize)")
    }
  }

  private mutating func read(_ settings: ConfigurationReader) throws(TinctureError) {
    try settings.expect("model_type", .string("vision_transformer"))
    try settings.expect("qkv_bias", .bool(true))
    imageSize = try settings.count("image_size", or: imageSize)
    channels = try settings.count("num_channels", or: channels)
    patchSize = try settings.count("patch_size", or: patchSize)
    width = try settings.count("hidden_size")
    depth = try settings.depth("num_hidden_layers")
    try settings.expect("num_attention_heads", divides: width, "the width")
    heads = try settings.count("num_attention_heads")
    hiddenWidth = try settings.count("intermediate_size", or: 4 * width)
    epsilon = try settings.number("layer_norm_eps", or: epsilon)
    activation = try settings.activation("hidden_act", or: .gelu)
    let name = try settings.text("pooling", or: Pooling.token.rawValue)
    guard let pooling = Pooling(rawValue: name) else {
      throw settings.refusal("pooling", "must be token or mean")
    }
    self.pooling = pooling
    patchModule = try settings.text("patch_module", or: patchModule)
  }

  private mutating func readTimm(_ settings: ConfigurationReader) throws(TinctureError) {
    try settings.expect("global_pool", .string("token"))
    guard settings.value("model_args") == nil else {
      throw settings.refusal(
        "model_args", "changes the architecture in ways that are not supported")
    }
    let sizes = ["tiny": (192, 3), "small": (384, 6), "base": (768, 12), "large": (1024, 16)]
    let name = try settings.text("architecture")
    let parts = name.split(separator: ".")[0].split(separator: "_")
    guard parts.count == 4, parts[0] == "vit", let size = sizes[String(parts[1])],
      parts[2].hasPrefix("patch"), let patch = Int(parts[2].dropFirst(5)), patch > 0,
      let image = Int(parts[3]), image > 0, image <= 1 << 16
    else {
      throw settings.refusal(
        "architecture", "must be vit_SIZE_patchP_S, where SIZE is tiny, small, base or large")
    }
    (imageSize, patchSize) = (image, patch)
    (width, heads) = size
    depth = parts[1] == "large" ? 24 : 12
    hiddenWidth = 4 * width
  }

  /// The same network with the module for patches that a model has.
  ///
  /// - Parameter shapes: The extents of the model's tensors by name.
  /// - Returns: The network with `patch_embed` or `patch_embed.proj`.
  /// - Throws: Nothing; other networks throw when names are ambiguous.
  public func fitted(to shapes: [String: [Int]]) throws(TinctureError) -> VisionTransformer {
    var network = self
    for module in ["patch_embed", "patch_embed.proj"] where shapes[module + ".weight"] != nil {
      network.patchModule = module
    }
    return network
  }
}
