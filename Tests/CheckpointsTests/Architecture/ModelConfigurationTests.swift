import SystemPackage
import Testing
import TinctureCheckpoints
import TinctureJSON
import TinctureTensors

@Suite("Configuration of models")
struct ModelConfigurationTests {
  static func parse(_ text: String) throws -> ModelConfiguration {
    try ModelConfiguration(parsing: Array(text.utf8), file: "config.json")
  }

  /// A configuration as transformers writes it, without anything that must not survive by chance.
  static let llama = """
    {
      "architectures": [
        "LlamaForCausalLM"
      ],
      "bos_token_id": 128000,
      "eos_token_id": [
        128001,
        128009
      ],
      "hidden_act": "silu",
      "model_type": "llama",
      "num_hidden_layers": 2,
      "rms_norm_eps": 1e-05,
      "rope_scaling": {},
      "rope_theta": 500000.0,
      "tie_word_embeddings": false,
      "torch_dtype": "bfloat16",
      "note": "na\\u00efve \\ud83d\\ude00",
      "vocab_size": 128256
    }

    """

  @Test("The questions have typed answers")
  func questions() throws {
    let configuration = try Self.parse(Self.llama)
    #expect(configuration.architectures == ["LlamaForCausalLM"])
    #expect(configuration.modelType == "llama")
    #expect(configuration.vocabularySize == 128256)
    #expect(configuration.dtype == .bf16)
    #expect(configuration.layerCount() == 2)
    #expect(configuration.explicitlyTiesWordEmbeddings == false)
    #expect(configuration.quantizationMethod == nil)
  }

  @Test("What is not changed is written back byte for byte")
  func roundTrip() throws {
    #expect(try Self.parse(Self.llama).text == Self.llama)
  }

  @Test(
    "The layout of the text is kept",
    arguments: ["{\"a\":[1,2],\"b\":{}}", "{\n    \"a\": \"é\"\n}", "{}\n", "{}"])
  func layout(text: String) throws {
    #expect(try Self.parse(text).text == text)
  }

  @Test("A change touches its own key and nothing else")
  func oneChange() throws {
    var configuration = try Self.parse(Self.llama)
    configuration.setDType(.f16)
    #expect(
      configuration.text
        == Self.llama.replacing(
          "\"torch_dtype\": \"bfloat16\"", with: "\"torch_dtype\": \"float16\""))
    configuration = try Self.parse(Self.llama)
    configuration.setVocabularySize(7)
    #expect(configuration.text == Self.llama.replacing("128256", with: "7"))
    configuration = try Self.parse(Self.llama)
    configuration.setTiesWordEmbeddings(true)
    #expect(
      configuration.text
        == Self.llama.replacing("embeddings\": false", with: "embeddings\": true"))
    configuration = try Self.parse(Self.llama)
    #expect(configuration.setLayers([0, 0, 1]) == [])
    #expect(configuration.text == Self.llama.replacing("layers\": 2", with: "layers\": 3"))
  }

  @Test(
    "The dtype changes wherever it stands, in the spelling in use",
    arguments: [
      (#"{"dtype":"bfloat16"}"#, #"{"dtype":"float16"}"#),
      (#"{"torch_dtype":"torch.float32"}"#, #"{"torch_dtype":"torch.float16"}"#),
      (#"{"a":1}"#, #"{"a":1,"torch_dtype":"float16"}"#),
      (#"{"torch_dtype":null,"a":1}"#, #"{"torch_dtype":"float16","a":1}"#),
      (#"{"dtype":null,"a":1}"#, #"{"dtype":"float16","a":1}"#),
      (
        #"{"dtype":"float32","text_config":{"dtype":"float32","x":{"dtype":"float32"}}}"#,
        #"{"dtype":"float16","text_config":{"dtype":"float16","x":{"dtype":"float32"}}}"#
      ),
      (
        #"{"dtype":"float32","quantization_config":{"dtype":"int8"}}"#,
        #"{"dtype":"float16","quantization_config":{"dtype":"int8"}}"#
      ),
    ])
  func setDType(text: String, expected: String) throws {
    var configuration = try Self.parse(text)
    configuration.setDType(.f16)
    #expect(configuration.text == expected)
    #expect(configuration.dtype == .f16)
  }

  @Test(
    "The number of layers is found under the names of each family",
    arguments: [
      (#"{"num_hidden_layers": 3}"#, "default", 3), (#"{"n_layer": 3}"#, "default", 3),
      (#"{"n_layers": 3}"#, "default", 3), (#"{"text_config":{"n_layer": 3}}"#, "default", 3),
      (#"{"num_layers": 3, "num_decoder_layers": 4}"#, "encoder", 3),
      (#"{"num_layers": 3, "num_decoder_layers": 4}"#, "decoder", 4),
      (#"{"num_layers": 3}"#, "decoder", 3),
      (#"{"encoder_layers": 3, "decoder_layers": 4, "num_hidden_layers": 3}"#, "decoder", 4),
      (#"{"text_config": {"num_hidden_layers": 3}}"#, "text_decoder", 3),
      (#"{"num_hidden_layers": 3, "vision_config": {"depth": 5}}"#, "text_decoder", 3),
      (#"{"num_hidden_layers": 3, "vision_config": {"depth": 5}}"#, "vision_tower", 5),
      (#"{"thinker_config": {"text_config": {"num_hidden_layers": 3}}}"#, "text_decoder", 3),
      (#"{"encoder": {"num_hidden_layers": 3}, "decoder": {"n_layer": 4}}"#, "decoder", 4),
      (#"{"num_hidden_layers": 3}"#, "vision_tower", nil), (#"{}"#, "default", nil),
      (#"{"num_hidden_layers": 3}"#, "multi_modal_projector", nil),
      (#"{"num_hidden_layers": -3}"#, "default", nil),
      (#"{"num_hidden_layers": "3"}"#, "default", nil),
      (#"{"num_hidden_layers": 1e99}"#, "default", nil),
    ] as [(String, String, Int?)])
  func layerCount(text: String, module: String, expected: Int?) throws {
    #expect(try Self.parse(text).layerCount(of: module) == expected)
  }

  struct LayerChange: Sendable, CustomTestStringConvertible {
    let before: String
    let module: String
    let sources: [Int]
    let after: String
    var testDescription: String { "\(module) of \(before)" }

    init(_ before: String, _ module: String, _ sources: [Int], _ after: String) {
      self.before = before
      self.module = module
      self.sources = sources
      self.after = after
    }
  }

  static let layerChanges: [LayerChange] = [
    LayerChange(
      #"{"num_hidden_layers":3,"layer_types":["a","b","c"]}"#, "default", [2, 0, 0, 1],
      #"{"num_hidden_layers":4,"layer_types":["c","a","a","b"]}"#),
    LayerChange(
      #"{"num_hidden_layers":3,"mlp_only_layers":[1]}"#, "default", [1, 0, 1],
      #"{"num_hidden_layers":3,"mlp_only_layers":[0,2]}"#),
    LayerChange(
      #"{"num_hidden_layers":3,"max_window_layers":3}"#, "default", [0, 1],
      #"{"num_hidden_layers":2,"max_window_layers":2}"#),
    LayerChange(
      #"{"num_hidden_layers":3,"first_k_dense_replace":1}"#, "default", [0, 0, 1, 2],
      #"{"num_hidden_layers":4,"first_k_dense_replace":2}"#),
    LayerChange(
      #"{"num_hidden_layers":2,"eos_token_id":[1,2]}"#, "default", [0],
      #"{"num_hidden_layers":1,"eos_token_id":[1,2]}"#),
    LayerChange(
      #"{"n_layer":2,"num_hidden_layers":2}"#, "default", [0],
      #"{"n_layer":1,"num_hidden_layers":1}"#),
    LayerChange(
      #"{"text_config":{"num_hidden_layers":2},"vision_config":{"num_hidden_layers":2}}"#,
      "text_decoder", [1],
      #"{"text_config":{"num_hidden_layers":1},"vision_config":{"num_hidden_layers":2}}"#),
    LayerChange(
      #"{"encoder_layers":2,"decoder_layers":2,"num_hidden_layers":2}"#, "decoder", [0],
      #"{"encoder_layers":2,"decoder_layers":1,"num_hidden_layers":2}"#),
    LayerChange(
      #"{"encoder_layers":2,"decoder_layers":2,"num_hidden_layers":2}"#, "encoder", [0],
      #"{"encoder_layers":1,"decoder_layers":2,"num_hidden_layers":1}"#),
    LayerChange(#"{"num_layers":2}"#, "decoder", [0], #"{"num_layers":2,"num_decoder_layers":1}"#),
    LayerChange(#"{"num_layers":2}"#, "encoder", [0], #"{"num_layers":1,"num_decoder_layers":2}"#),
    LayerChange(
      #"{"num_hidden_layers":3,"hybrid_override_pattern":"M-*"}"#, "default", [2, 0],
      #"{"num_hidden_layers":2,"hybrid_override_pattern":"*M"}"#),
    LayerChange(#"{"num_hidden_layers":2}"#, "default", [0, 1], #"{"num_hidden_layers":2}"#),
  ]

  @Test("Choosing layers carries everything along that speaks about them", arguments: layerChanges)
  func setLayers(change: LayerChange) throws {
    var configuration = try Self.parse(change.before)
    #expect(configuration.setLayers(change.sources, of: change.module) == [])
    #expect(configuration.text == change.after)
  }

  @Test(
    "What cannot follow the chosen layers is told",
    arguments: [
      #"{"num_hidden_layers":4,"max_window_layers":2}"#,
      #"{"num_hidden_layers":4,"sliding_window_pattern":2}"#, #"{"num_hidden_layers":1}"#, "{}",
    ])
  func notes(text: String) throws {
    var configuration = try Self.parse(text)
    #expect(configuration.setLayers([0, 3, 1]).count == 1)
  }

  @Test("A count that no machine could hold is only a number")
  func hugeCount() throws {
    var configuration = try Self.parse(#"{"num_hidden_layers":999999999999999999}"#)
    #expect(configuration.setLayers([0, 5]) == [])
    #expect(configuration.layerCount() == 2)
  }

  @Test(
    "Shared embeddings follow the word of the text part, then of the whole, then the habit of the family",
    arguments: [
      (#"{"tie_word_embeddings": true, "model_type": "llama"}"#, true),
      (#"{"model_type": "llama"}"#, false), (#"{"model_type": "gpt2"}"#, true),
      (#"{"model_type": "gemma3"}"#, true), (#"{}"#, true),
      (#"{"tie_word_embeddings": true, "text_config": {"tie_word_embeddings": false}}"#, false),
      (#"{"model_type": "llava", "text_config": {"model_type": "mistral"}}"#, false),
    ])
  func ties(text: String, expected: Bool) throws {
    var configuration = try Self.parse(text)
    #expect(configuration.tiesWordEmbeddings == expected)
    let before = configuration
    configuration.setTiesWordEmbeddings(expected)
    #expect(configuration == before || before.explicitlyTiesWordEmbeddings == expected)
    configuration.setTiesWordEmbeddings(!expected)
    #expect(configuration.explicitlyTiesWordEmbeddings == !expected)
  }

  @Test("The vocabulary changes in the text part and the whole, not in the towers")
  func vocabulary() throws {
    var configuration = try Self.parse(
      #"{"vocab_size":1,"text_config":{"vocab_size":2},"vision_config":{"vocab_size":3}}"#)
    #expect(configuration.vocabularySize == 2)
    configuration.setVocabularySize(9)
    #expect(
      configuration.text
        == #"{"vocab_size":9,"text_config":{"vocab_size":9},"vision_config":{"vocab_size":3}}"#)
  }

  @Test(
    "Malformed files are refused with the place of the fault",
    arguments: [
      ("", 0), ("[]", 0), ("{\"a\":1,\"a\":2}", 7), ("{\"a\":", 5), ("\"text\"", 0), ("{} x", 3),
    ])
  func malformed(text: String, offset: Int) throws {
    let folder = try ScratchFolder()
    try folder.write("config.json", text)
    let error = #expect(throws: TinctureError.self) {
      try ModelConfiguration.read(directory: folder.path)
    }
    #expect(error?.code == .checkpoint)
    #expect(error?.place.byteOffset == offset)
    #expect(error?.place.file?.hasSuffix("config.json") == true)
  }

  @Test("Deep nesting is refused instead of exhausting the stack")
  func nesting() {
    let text = String(repeating: #"{"text_config":"#, count: 50_000)
    #expect(throws: TinctureError.self) { try Self.parse(text) }
  }

  @Test("A directory without the file has no configuration")
  func absent() throws {
    let folder = try ScratchFolder()
    #expect(try ModelConfiguration.read(directory: folder.path) == nil)
    #expect(try ModelConfiguration.read(directory: folder.path.appending("none")) == nil)
  }

  @Test("A directory in the place of the file is refused")
  func directory() throws {
    let folder = try ScratchFolder()
    try folder.makeFolder("config.json")
    #expect(throws: TinctureError.self) { try ModelConfiguration.read(directory: folder.path) }
  }
}
