public import TinctureJSON
public import TinctureTensors

extension SmallResNet {
  /// Reads a configuration.
  ///
  /// It has `model_type` `small_resnet` and, where they differ from those of ResNet-20, `depth` (6n + 2), `image_size`,
  /// `num_channels`, `embedding_size` (the channels after the first convolution), `shortcut` (`projection`,
  /// `downsample` or `padding`), `batch_norm_eps` and `num_labels`; without labels there is no head.
  ///
  /// - Parameter configuration: The contents of `config.json`.
  /// - Throws: `checkpoint` that names a setting which is missing, malformed or not supported.
  public init(configuration: JSONValue) throws(TinctureError) {
    let settings = try ConfigurationReader(configuration)
    self.init()
    guard try settings.text("model_type") == "small_resnet" else {
      throw settings.refusal("model_type", "must be small_resnet")
    }
    blocks = try settings.blocks(beside: 2, or: depth)
    imageSize = try settings.count("image_size", or: imageSize)
    channels = try settings.count("num_channels", or: channels)
    stemWidth = try settings.stemWidth(or: stemWidth)
    let name = try settings.text("shortcut", or: shortcut.rawValue)
    guard let shortcut = Shortcut(rawValue: name) else {
      throw settings.refusal("shortcut", "must be projection, downsample or padding")
    }
    self.shortcut = shortcut
    epsilon = try settings.number("batch_norm_eps", or: epsilon)
    classCount = try settings.optionalCount("num_labels")
  }
}

extension ConfigurationReader {
  /// n of a depth 6n + `others`.
  func blocks(beside others: Int, or fallback: Int) throws(TinctureError) -> Int {
    let depth = try depth("depth", or: fallback)
    guard depth > others, (depth - others) % 6 == 0 else {
      throw refusal("depth", "must be 6n + \(others): \(6 + others), \(12 + others), …")
    }
    return (depth - others) / 6
  }

  /// The channels after the first convolution.
  func stemWidth(or fallback: Int) throws(TinctureError) -> Int {
    let width = try count("embedding_size", or: fallback)
    guard width <= 1 << 12 else { throw refusal("embedding_size", "is too large") }
    return width
  }
}
