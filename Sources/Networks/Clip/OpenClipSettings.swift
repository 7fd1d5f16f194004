import TinctureJSON
import TinctureTensors

/// The settings of open_clip's models, `model_cfg` of `open_clip_config.json` or one of its own model files.
struct OpenClipSettings {
  let vision: ConfigurationReader
  let text: ConfigurationReader
  /// The numbers that images and texts share.
  let sharedWidth: Int
  let activation: Activation

  /// Reads the settings, or gives nil when they are not open_clip's.
  init?(_ settings: ConfigurationReader) throws(TinctureError) {
    let whole = try settings.section("model_cfg") ?? settings
    guard whole.value("embed_dim") != nil, let vision = try whole.section("vision_cfg"),
      let text = try whole.section("text_cfg")
    else { return nil }
    try whole.expect(only: ["embed_dim", "vision_cfg", "text_cfg", "quick_gelu"])
    sharedWidth = try whole.count("embed_dim")
    activation = try whole.flag("quick_gelu", or: false) ? .quickGelu : .gelu
    (self.vision, self.text) = (vision, text)
  }

  /// The width of the perceptrons, four times the tokens' unless set.
  static func hiddenWidth(
    _ tower: ConfigurationReader, _ width: Int
  ) throws(TinctureError) -> Int {
    let ratio = try tower.number("mlp_ratio", or: 4)
    let hidden = (Double(width) * ratio).rounded(.down)
    guard hidden >= 1, hidden < 0x1p31 else {
      throw tower.refusal("mlp_ratio", "gives no possible width")
    }
    return Int(hidden)
  }
}
