import Testing
import TinctureJSON
import TinctureNetworks
import TinctureTensors
import TinctureTorch

@Suite("Llama, Mistral and Qwen")
struct LlamaTests {
  /// The scores with zeros where there is padding.
  private func logits(
    _ network: Llama, _ recorded: RecordedNetwork, _ parameters: Parameters
  ) throws -> TorchTensor {
    let mask = try recorded("inputs/mask").converted(to: .f32).unsqueezed(at: -1)
    return try network.logits(of: recorded.batch, parameters) * mask
  }

  @Test(
    "Scores and losses are transformers'", .needsLibTorch,
    arguments: ["llama", "llama_linear", "llama3", "mistral", "qwen2", "qwen3"])
  func parity(name: String) throws {
    let recorded = try RecordedNetwork(name)
    let network = try Llama(configuration: recorded.configuration)
    #expect(try network.fitted(to: recorded.shapes) == network)
    try network.check(recorded.shapes)
    #expect(network.parameterShapes.count == recorded.shapes.count)
    let parameters = try recorded.parameters()
    let found = try logits(network, recorded, parameters)
    #expect(try recorded.distance(found, "outputs/logits") < 1e-4)
    let first = try TokenBatch(ids: recorded("inputs/ids").slice(0..<1, along: 0))
    let loss = try network.loss(of: first, parameters)
    #expect(try recorded.distance(loss, "outputs/loss") < 1e-4)
  }

  @Test("Gradients of all parameters are PyTorch's", .needsLibTorch)
  func gradients() throws {
    let recorded = try RecordedNetwork("llama")
    let network = try Llama(configuration: recorded.configuration)
    #expect(recorded.names("gradients").count == network.parameterShapes.count)
    let distance = try recorded.gradientDistance { try logits(network, recorded, $0) }
    #expect(distance < 1e-4)
  }

  @Test("The loss of a padded batch is the mean over its tokens", .needsLibTorch)
  func paddedLoss() throws {
    let recorded = try RecordedNetwork("llama")
    let network = try Llama(configuration: recorded.configuration)
    let parameters = try recorded.parameters()
    let rows = [[5, 6, 7, 8, 9], [10, 11, 12], [13]]
    let whole = try network.loss(of: TokenBatch(rows, padding: 0), parameters).item(as: Double.self)
    var sum = 0.0
    for row in rows where row.count > 1 {
      let loss = try network.loss(of: TokenBatch([row], padding: 0), parameters)
      sum += try loss.item(as: Double.self) * Double(row.count - 1)
    }
    #expect(abs(whole - sum / 6) < 1e-5)
  }

  @Test("A window counts only where it is set")
  func windows() throws {
    let mistral = try RecordedNetwork("mistral").configuration
    #expect(try Llama(configuration: mistral).window == 4)
    var object = try #require(mistral.objectValue)
    object["sliding_window"] = .null
    #expect(try Llama(configuration: .object(object)).window == nil)
    object["sliding_window"] = nil
    #expect(try Llama(configuration: .object(object)).window == 4096)
    let qwen = try RecordedNetwork("qwen2").configuration
    #expect(try Llama(configuration: qwen).windowedBlocks == [1])
    object = try #require(qwen.objectValue)
    object["use_sliding_window"] = .bool(false)
    object["layer_types"] = nil
    #expect(try Llama(configuration: .object(object)).window == nil)
  }

  @Test(
    "What cannot be computed is refused by the setting's name",
    arguments: [
      ("rope_parameters.rope_type", "rope_parameters", #"{"rope_type": "yarn", "factor": 4.0}"#),
      ("rope_parameters.mscale", "rope_parameters", #"{"rope_type": "default", "mscale": 1.0}"#),
      ("rope_parameters.factor", "rope_parameters", #"{"rope_type": "linear"}"#),
      ("rope_parameters.factor", "rope_parameters", #"{"rope_type": "linear", "factor": -1}"#),
      ("partial_rotary_factor", "partial_rotary_factor", "0.5"),
      ("hidden_act", "hidden_act", #""relu2""#), ("model_type", "model_type", #""gemma2""#),
      ("num_key_value_heads", "num_key_value_heads", "3"), ("head_dim", "head_dim", "5"),
      ("layer_types", "layer_types", #"["full_attention"]"#),
      ("layer_types", "layer_types", #"["full_attention", "linear_attention"]"#),
      ("layer_types", "layer_types", #"["full_attention", "sliding_attention"]"#),
    ])
  func refusals(setting: String, key: String, value: String) throws {
    var object = try #require(try RecordedNetwork("llama").configuration.objectValue)
    object[key] = try JSONValue(parsing: value)
    let error = #expect(throws: TinctureError.self) { try Llama(configuration: .object(object)) }
    #expect(error?.message.contains("\"\(setting)\"") == true, "\(error?.message ?? "")")
  }
}
