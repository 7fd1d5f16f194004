public import TinctureJSON
public import TinctureTensors

extension WideResNet {
  /// Reads a configuration.
  ///
  /// It has `model_type` `wide_resnet` and, where they differ from those of WRN-28-10, `depth` (6n + 4),
  /// `widen_factor`, `dropout` (0 for none), `image_size`, `num_channels`, `embedding_size` (the channels after the
  /// first convolution), `batch_norm_eps` and `num_labels`; without labels there is no head.
  ///
  /// - Parameter configuration: The contents of `config.json`.
  /// - Throws: `checkpoint` that names a setting which is missing, malformed or not supported.
  public init(configuration: JSONValue) throws(TinctureError) {
    let settings = try ConfigurationReader(configuration)
    self.init()
    guard try settings.text("model_type") == "wide_resnet" else {
      throw settings.refusal("model_type", "must be wide_resnet")
    }
    blocks = try settings.blocks(beside: 4, or: depth)
    widening = try settings.count("widen_factor", or: widening)
    guard widening <= 1000 else { throw settings.refusal("widen_factor", "must be at most 1000") }
    if let value = settings.value("dropout") {
      guard let share = value.doubleValue, share >= 0, share < 1 else {
        throw settings.refusal("dropout", "must be from 0 to below 1")
      }
      dropout = share
    }
    imageSize = try settings.count("image_size", or: imageSize)
    channels = try settings.count("num_channels", or: channels)
    stemWidth = try settings.stemWidth(or: stemWidth)
    epsilon = try settings.number("batch_norm_eps", or: epsilon)
    classCount = try settings.optionalCount("num_labels")
  }
}
