import Testing
import TinctureJSON
import TinctureNetworks
import TinctureTensors
import TinctureTorch

@Suite("CLIP")
struct ClipTests {
  @Test(
    "Features and scores are transformers' and open_clip's", .needsLibTorch,
    arguments: ["clip", "clip_legacy", "open_clip"])
  func parity(name: String) throws {
    let recorded = try RecordedNetwork(name)
    let network = try Clip(configuration: recorded.configuration)
    #expect(try network.fitted(to: recorded.shapes) == network)
    try network.check(recorded.shapes)
    #expect(network.parameterShapes.count == recorded.shapes.count)
    let parameters = try recorded.parameters()
    let (images, batch) = (try recorded("inputs/images"), try recorded.batch)
    let logits = try network.logits(images: images, texts: batch, parameters)
    #expect(try recorded.distance(logits, "outputs/logits") < 1e-4)
    guard try recorded.optional("outputs/image") != nil else { return }
    let image = try network.vision.features(of: images, parameters)
    #expect(try recorded.distance(image, "outputs/image") < 1e-4)
    let text = try network.text.features(of: batch, parameters)
    #expect(try recorded.distance(text, "outputs/text") < 1e-4)
  }

  @Test("Gradients of the image encoder are PyTorch's", .needsLibTorch)
  func gradients() throws {
    let recorded = try RecordedNetwork("open_clip")
    let network = try ClipVision(configuration: recorded.configuration)
    #expect(recorded.names("gradients").count == network.parameterShapes.count)
    let distance = try recorded.gradientDistance {
      try network.features(of: recorded("inputs/images"), $0)
    }
    #expect(distance < 1e-4)
  }

  @Test("Image encoders of task vectors are found by their longer names", .needsLibTorch)
  func taskVectors() throws {
    let recorded = try RecordedNetwork("open_clip")
    var tensors: [String: TorchTensor] = [:]
    var shapes: [String: [Int]] = [:]
    for (name, extents) in recorded.shapes {
      tensors["model." + name] = try recorded("parameters/" + name)
      shapes["model." + name] = extents
    }
    let network = try ClipVision(configuration: recorded.configuration).fitted(to: shapes)
    #expect(network.tower == "model.visual")
    try network.check(shapes)
    let features = try network.features(of: recorded("inputs/images"), Parameters(tensors))
    #expect(try recorded.distance(features, "outputs/image") < 1e-4)
    let whole = try Clip(configuration: recorded.configuration).fitted(to: shapes)
    #expect(whole.scaleName == "model.logit_scale")
    try whole.check(shapes)
  }

  @Test(
    "Sizes are taken from tensors where there is no configuration", arguments: ClipLayout.allCases)
  func sizes(layout: ClipLayout) throws {
    var large = ClipVision()
    (large.patchSize, large.width, large.depth, large.heads) = (14, 1024, 24, 16)
    (large.hiddenWidth, large.projectionWidth, large.layout) = (4096, 768, layout)
    large.tower = layout == .openClip ? "model.visual" : "vision_model"
    var shapes: [String: [Int]] = [:]
    for shape in large.parameterShapes { shapes[shape.name] = shape.extents }
    let scalars = large.parameterShapes.map { $0.extents.reduce(1, *) }.reduce(0, +)
    #expect(scalars == 303_966_208)
    #expect(try ClipVision(shapes: shapes) == large)
    shapes[large.projectionName] = nil
    #expect(try ClipVision(shapes: shapes).projectionWidth == nil)
    shapes[
      shapes.keys.first { $0.hasSuffix("3.mlp.\(layout == .openClip ? "c_fc" : "fc1").bias") } ?? ""
    ] = nil
    #expect(throws: TinctureError.self) { try ClipVision(shapes: shapes) }
  }

  @Test("A lone encoder without a projection gives its class token")
  func lone() throws {
    let text = #"{"model_type": "clip_vision_model", "architectures": ["CLIPVisionModel"]}"#
    let network = try ClipVision(configuration: JSONValue(parsing: text))
    #expect(network.projectionWidth == nil && network.featureWidth == 768)
    #expect(!network.parameterShapes.contains { $0.name.contains("projection") })
  }

  @Test(
    "What cannot be computed is refused by the setting's name",
    arguments: [
      (
        "vision_cfg.timm_model_name",
        #"{"embed_dim": 8, "text_cfg": {}, "vision_cfg": {"timm_model_name": "x"}}"#
      ),
      (
        "vision_cfg.layers",
        #"{"embed_dim": 8, "text_cfg": {}, "vision_cfg": {"layers": [3, 4, 6, 3]}}"#
      ),
      (
        "vision_cfg.head_width",
        #"{"embed_dim": 8, "text_cfg": {}, "vision_cfg": {"head_width": 7}}"#
      ),
      ("custom_text", #"{"embed_dim": 8, "text_cfg": {}, "vision_cfg": {}, "custom_text": true}"#),
      (
        "text_cfg.hf_model_name",
        #"{"embed_dim": 8, "text_cfg": {"hf_model_name": "x"}, "vision_cfg": {}}"#
      ),
      ("model_type", #"{"model_type": "siglip", "text_config": {}, "vision_config": {}}"#),
      ("vision_config", #"{"model_type": "clip", "text_config": {}}"#),
      (
        "vision_config.hidden_act",
        #"{"model_type": "clip", "text_config": {}, "vision_config": {"hidden_act": "mish"}}"#
      ),
      (
        "text_config.num_attention_heads",
        #"{"model_type": "clip", "vision_config": {}, "text_config": {"num_attention_heads": 7}}"#
      ),
    ])
  func refusals(setting: String, text: String) throws {
    let configuration = try JSONValue(parsing: text)
    let error = #expect(throws: TinctureError.self) { try Clip(configuration: configuration) }
    #expect(error?.message.contains("\"\(setting)\"") == true, "\(error?.message ?? "")")
  }
}
