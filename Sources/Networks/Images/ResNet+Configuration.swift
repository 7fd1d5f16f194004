public import TinctureJSON
public import TinctureTensors

extension ResNet {
  /// Reads a configuration.
  ///
  /// timm's `config.json` with an `architecture` `resnet50`, `resnet101` or `resnet152`, or settings with
  /// `model_type` `resnet50` and, where they differ, `image_size`, `num_channels`, `embedding_size`, `depths`
  /// and `num_labels`; without labels there is no head. transformers' own `resnet` has other names of parameters
  /// and is refused.
  ///
  /// - Parameter configuration: The contents of `config.json`.
  /// - Throws: `checkpoint` that names a setting which is missing, malformed or not supported.
  public init(configuration: JSONValue) throws(TinctureError) {
    let settings = try ConfigurationReader(configuration)
    self.init()
    if settings.value("architecture") != nil {
      let known = ["resnet50": 6, "resnet101": 23, "resnet152": 36]
      let name = try settings.text("architecture").split(separator: ".")[0]
      guard let third = known[String(name)] else {
        throw settings.refusal("architecture", "must be resnet50, resnet101 or resnet152")
      }
      guard settings.value("model_args") == nil else {
        throw settings.refusal(
          "model_args", "changes the architecture in ways that are not supported")
      }
      depths = [3, third == 36 ? 8 : 4, third, 3]
      classCount = try settings.count("num_classes", or: 1000)
      return
    }
    guard try settings.text("model_type") == "resnet50" else {
      throw settings.refusal("model_type", "must be resnet50")
    }
    imageSize = try settings.count("image_size", or: imageSize)
    channels = try settings.count("num_channels", or: channels)
    stemWidth = try settings.count("embedding_size", or: stemWidth)
    guard stemWidth <= 1 << 16 else {
      throw settings.refusal("embedding_size", "is too large")
    }
    depths = try settings.counts("depths") ?? depths
    guard depths.count == 4 else {
      throw settings.refusal("depths", "must be the bottlenecks of four stages")
    }
    classCount = try settings.optionalCount("num_labels")
  }
}
