import Foundation
import SystemPackage
import Testing
import TinctureJSON
import TinctureNetworks
import TinctureTensors

@Suite("Kinds of networks")
struct NetworkKindTests {
  @Test(
    "Recorded configurations are told apart",
    arguments: [
      ("vision_transformer_token", NetworkKind.visionTransformer), ("clip", .clip),
      ("open_clip", .clip), ("bert", .bert), ("bert_classifier", .bert),
      ("roberta_classifier", .roberta), ("llama", .llama), ("mistral", .llama), ("qwen2", .llama),
      ("qwen3", .llama), ("resnet", .resnet50), ("dense", .dense),
      ("small_resnet_padding", .smallResNet), ("wide_resnet", .wideResNet),
    ])
  func recorded(name: String, kind: NetworkKind) throws {
    let recorded = try RecordedNetwork(name)
    #expect(try NetworkKind(configuration: recorded.configuration) == kind)
    let network = try kind.network(
      configuration: recorded.configuration, fittedTo: recorded.shapes)
    try network.check(recorded.shapes)
    #expect(network is BertClassifier == name.hasSuffix("_classifier"))
  }

  @Test(
    "Published models have as many numbers as they should",
    arguments: [
      (#"{"architecture": "vit_base_patch16_224"}"#, 85_798_656),
      (#"{"architecture": "resnet50"}"#, 25_557_032 + 53_120),
      (
        #"{"model_type": "small_resnet", "shortcut": "padding", "num_labels": 10}"#,
        269_722 + 1376
      ),
      (#"{"model_type": "wide_resnet", "num_labels": 10}"#, 36_479_194 + 17_952),
      (#"{"model_type": "clip", "text_config": {}, "vision_config": {}}"#, 151_277_313),
      (
        #"{"model_type": "bert", "vocab_size": 30522, "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072, "max_position_embeddings": 512}"#,
        109_482_240
      ),
      (
        #"{"model_type": "roberta", "vocab_size": 50265, "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072, "max_position_embeddings": 514, "type_vocab_size": 1, "pad_token_id": 1}"#,
        124_645_632
      ),
      (
        #"{"model_type": "llama", "vocab_size": 32000, "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32, "intermediate_size": 11008}"#,
        6_738_415_616
      ),
      (
        #"{"model_type": "qwen3", "vocab_size": 151936, "hidden_size": 1024, "num_hidden_layers": 28, "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128, "intermediate_size": 3072, "tie_word_embeddings": true}"#,
        596_049_920
      ),
    ])
  func sizes(text: String, count: Int) throws {
    let configuration = try JSONValue(parsing: text)
    let network = try NetworkKind(configuration: configuration).network(
      configuration: configuration)
    let total = network.parameterShapes.map { $0.extents.reduce(1, *) }.reduce(0, +)
    #expect(total == count)
    #expect(Set(network.parameterShapes.map(\.name)).count == network.parameterShapes.count)
  }

  @Test("Names are read, and wrong ones answered with a list")
  func names() throws {
    for kind in NetworkKind.allCases { #expect(try NetworkKind(name: kind.rawValue) == kind) }
    let error = #expect(throws: TinctureError.self) { try NetworkKind(name: "vgg") }
    #expect(error?.code == .usage && error?.message.contains("clip_vision") == true)
  }

  @Test(
    "Unknown types are refused",
    arguments: [
      #"{"model_type": "t5"}"#, #"{"architecture": "swin_tiny"}"#, "{}", "[]",
      #"{"model_type": "bert", "architectures": ["BertForTokenClassification"]}"#,
    ])
  func unknown(text: String) throws {
    let configuration = try JSONValue(parsing: text)
    let error = #expect(throws: TinctureError.self) {
      try NetworkKind(configuration: configuration).network(configuration: configuration)
    }
    #expect(error?.code == .checkpoint)
  }

  @Test("A directory is read with its steps for sentences")
  func directories() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
    let pooling = folder.appending(path: "1_Pooling")
    try FileManager.default.createDirectory(at: pooling, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    func write(_ text: String, _ name: String) throws {
      try text.write(to: folder.appending(path: name), atomically: true, encoding: .utf8)
    }
    let path = FilePath(folder.path())
    let nothing = #expect(throws: TinctureError.self) { try NetworkKind.network(reading: path) }
    #expect(nothing?.code == .missingInput)
    let configuration = try RecordedNetwork("minilm").configuration
    try write(configuration.text(), "config.json")
    #expect(try NetworkKind.network(reading: path) is Bert)
    #expect(try NetworkKind.network(reading: path, as: .minilm) is SentenceEncoder)

    func steps(_ types: String..., pooling: String = "1_Pooling") throws {
      let items = types.map { type in
        #"{"path": "\#(type == "Pooling" ? pooling : "")", "type": "sentence_transformers.models.\#(type)"}"#
      }
      try write("[" + items.joined(separator: ",") + "]", "modules.json")
    }
    try write(#"{"pooling_mode_cls_token": true}"#, "1_Pooling/config.json")
    try steps("Transformer", "Pooling")
    let encoder = try #require(try NetworkKind.network(reading: path) as? SentenceEncoder)
    #expect(encoder.pooling == .token && !encoder.normalizes)
    try steps("Transformer", "Pooling", "Normalize")
    let normal = try #require(try NetworkKind.network(reading: path) as? SentenceEncoder)
    #expect(normal.normalizes)
    try steps("Transformer", "Pooling", "Dense")
    #expect(throws: TinctureError.self) { try NetworkKind.network(reading: path) }
    try steps("Transformer", "Pooling", pooling: "../elsewhere")
    #expect(throws: TinctureError.self) { try NetworkKind.network(reading: path) }
  }
}
