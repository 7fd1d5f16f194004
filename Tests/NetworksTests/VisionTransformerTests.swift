import Testing
import TinctureJSON
import TinctureNetworks
import TinctureTensors
import TinctureTorch

@Suite("Vision transformer")
struct VisionTransformerTests {
  @Test(
    "Features are timm's, with either pooling and either name of the patches", .needsLibTorch,
    arguments: ["vision_transformer_token", "vision_transformer_mean"])
  func parity(name: String) throws {
    let recorded = try RecordedNetwork(name)
    let network = try VisionTransformer(configuration: recorded.configuration)
    try network.check(recorded.shapes)
    let features = try network.features(
      of: recorded("inputs/images"), recorded.parameters())
    #expect(try recorded.distance(features, "outputs/features") < 1e-4)
  }

  @Test("States after blocks are noted where they are asked for", .needsLibTorch)
  func states() throws {
    let recorded = try RecordedNetwork("vision_transformer_mean")
    let network = try VisionTransformer(configuration: recorded.configuration)
    let last = network.depth - 1
    let states = BlockStates(of: [last])
    let parameters = try recorded.parameters()
    let features = try network.features(
      of: recorded("inputs/images"), parameters.hooked(states))
    #expect(try recorded.distance(features, "outputs/features") < 1e-4)
    #expect(states[0] == nil || last == 0)
    let found = try #require(states[last])
    let pooled = try parameters.layerNorm("norm", found, epsilon: network.epsilon).mean(along: 1)
    #expect(try recorded.distance(pooled, "outputs/features") < 1e-4)
  }

  @Test("Gradients of all parameters are PyTorch's", .needsLibTorch)
  func gradients() throws {
    let recorded = try RecordedNetwork("vision_transformer_token")
    let network = try VisionTransformer(configuration: recorded.configuration)
    #expect(recorded.names("gradients").count == network.parameterShapes.count)
    let distance = try recorded.gradientDistance {
      try network.features(of: recorded("inputs/images"), $0)
    }
    #expect(distance < 1e-4)
  }

  @Test("The module for patches is told from the model")
  func fitting() throws {
    var network = VisionTransformer()
    network.patchModule = "patch_embed"
    let found = try network.fitted(to: ["patch_embed.proj.weight": [768, 3, 16, 16]])
    #expect(found == VisionTransformer())
  }

  @Test("Names of timm's architectures are understood")
  func architecture() throws {
    let text = #"{"architecture": "vit_large_patch14_224.augreg", "num_classes": 1000}"#
    let network = try VisionTransformer(configuration: JSONValue(parsing: text))
    #expect(network.width == 1024 && network.depth == 24 && network.heads == 16)
    #expect(network.patchSize == 14 && network.imageSize == 224 && network.hiddenWidth == 4096)
  }

  @Test(
    "What cannot be computed is refused by the setting's name",
    arguments: [
      (
        "hidden_act",
        #"{"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "hidden_act": "mish"}"#
      ),
      (
        "num_attention_heads",
        #"{"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 3}"#
      ),
      (
        "num_hidden_layers",
        #"{"hidden_size": 8, "num_hidden_layers": 0, "num_attention_heads": 2}"#
      ),
      ("hidden_size", #"{"num_hidden_layers": 1, "num_attention_heads": 2}"#),
      ("model_type", #"{"model_type": "swin"}"#),
      (
        "pooling",
        #"{"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "pooling": "max"}"#
      ),
      (
        "patch_size",
        #"{"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "patch_size": 15}"#
      ),
      ("architecture", #"{"architecture": "vit_small_r26_s32_224"}"#),
      ("global_pool", #"{"architecture": "vit_small_patch16_224", "global_pool": "avg"}"#),
    ])
  func refusals(setting: String, text: String) throws {
    let configuration = try JSONValue(parsing: text)
    let error = #expect(throws: TinctureError.self) {
      try VisionTransformer(configuration: configuration)
    }
    #expect(error?.message.contains("\"\(setting)\"") == true)
  }
}
