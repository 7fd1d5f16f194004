import Testing
import TinctureJSON
import TinctureNetworks
import TinctureTensors
import TinctureTorch

@Suite("BERT and RoBERTa")
struct BertTests {
  @Test(
    "States and the pooler's features are transformers', with padding and parts", .needsLibTorch)
  func encoder() throws {
    let recorded = try RecordedNetwork("bert")
    let network = try Bert(configuration: recorded.configuration).fitted(to: recorded.shapes)
    try network.check(recorded.shapes)
    let parameters = try recorded.parameters()
    let features = try network.features(of: recorded.batch, parameters)
    #expect(try recorded.distance(features, "outputs/features") < 1e-4)
    let states = try network.states(of: recorded.batch, parameters)
    #expect(try recorded.distance(states, "outputs/states") < 1e-4)
  }

  @Test("Gradients of all parameters are PyTorch's", .needsLibTorch)
  func gradients() throws {
    let recorded = try RecordedNetwork("bert")
    let network = try Bert(configuration: recorded.configuration).fitted(to: recorded.shapes)
    #expect(recorded.names("gradients").count == network.parameterShapes.count)
    let distance = try recorded.gradientDistance { try network.features(of: recorded.batch, $0) }
    #expect(distance < 1e-4)
  }

  @Test(
    "Scores of classes are transformers'", .needsLibTorch,
    arguments: ["bert_classifier", "roberta_classifier"])
  func classifiers(name: String) throws {
    let recorded = try RecordedNetwork(name)
    let network = try BertClassifier(configuration: recorded.configuration)
    try network.check(recorded.shapes)
    #expect(network.parameterShapes.count == recorded.shapes.count)
    let logits = try network.logits(of: recorded.batch, recorded.parameters())
    #expect(try recorded.distance(logits, "outputs/logits") < 1e-4)
  }

  @Test("Sentences are means of states, of length one", .needsLibTorch)
  func sentences() throws {
    let recorded = try RecordedNetwork("minilm")
    let network = try SentenceEncoder(configuration: recorded.configuration)
      .fitted(to: recorded.shapes)
    try network.check(recorded.shapes)
    let features = try network.features(of: recorded.batch, recorded.parameters())
    #expect(try recorded.distance(features, "outputs/features") < 1e-4)
  }

  @Test("Names are told from the model, old ones included")
  func fitting() throws {
    let network = try Bert(configuration: RecordedNetwork("bert").configuration)
    var shapes: [String: [Int]] = [:]
    var old = network
    (old.root, old.hasLegacyNames) = ("bert", true)
    for shape in old.parameterShapes { shapes[shape.name] = shape.extents }
    #expect(shapes["bert.encoder.layer.1.output.LayerNorm.gamma"] == [16])
    #expect(try network.fitted(to: shapes) == old)
    shapes["other.embeddings.word_embeddings.weight"] = [50, 16]
    #expect(throws: TinctureError.self) { try network.fitted(to: shapes) }
  }

  @Test("A text longer than the table of positions is refused", .needsLibTorch)
  func length() throws {
    let recorded = try RecordedNetwork("roberta_classifier")
    let network = try BertClassifier(configuration: recorded.configuration)
    let batch = try TokenBatch([Array(repeating: 7, count: 19)], padding: 1)
    let error = #expect(throws: TinctureError.self) {
      try network.logits(of: batch, recorded.parameters())
    }
    #expect(error?.message.contains("18") == true)
  }

  @Test(
    "What cannot be computed is refused by the setting's name",
    arguments: [
      ("position_embedding_type", JSONValue.string("relative_key")), ("is_decoder", .bool(true)),
      ("hidden_act", .string("mish")), ("model_type", .string("deberta")),
      ("num_attention_heads", .integer(3)), ("layer_norm_eps", .string("1e-12")),
    ])
  func refusals(setting: String, value: JSONValue) throws {
    var object = try #require(try RecordedNetwork("bert").configuration.objectValue)
    object[setting] = value
    let error = #expect(throws: TinctureError.self) { try Bert(configuration: .object(object)) }
    #expect(error?.message.contains("\"\(setting)\"") == true)
  }

  @Test("Other poolings of sentences are refused")
  func poolings() throws {
    let configuration = try RecordedNetwork("minilm").configuration
    let token = try JSONValue(parsing: #"{"pooling_mode_cls_token": true}"#)
    #expect(try SentenceEncoder(configuration: configuration, pooling: token).pooling == .token)
    let largest = try JSONValue(parsing: #"{"pooling_mode_max_tokens": true}"#)
    #expect(throws: TinctureError.self) {
      try SentenceEncoder(configuration: configuration, pooling: largest)
    }
  }
}
