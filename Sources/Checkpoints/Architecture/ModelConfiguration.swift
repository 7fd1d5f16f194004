public import TinctureJSON
public import TinctureTensors

/// The `config.json` of a model: an ordered document with typed questions.
///
/// What is not changed is written back as it was read: keys keep their order, numbers their spelling,
/// and the text its indentation.
public struct ModelConfiguration: Sendable, Hashable {
  /// The document.
  public internal(set) var document: JSONObject
  let style: Style

  /// How the text of the document was laid out.
  struct Style: Sendable, Hashable {
    var indentation: Int? = 2
    var endsWithNewline = true
    var isASCII = false
  }

  /// Wraps a document.
  ///
  /// - Parameter document: The members of the configuration.
  public init(_ document: JSONObject) {
    self.document = document
    style = Style()
  }

  init(_ document: JSONObject, style: Style) {
    self.document = document
    self.style = style
  }

  /// The class names of the model, like `LlamaForCausalLM`.
  public var architectures: [String] {
    document["architectures"]?.arrayValue?.compactMap(\.stringValue) ?? []
  }

  /// The family of the model, like `llama`.
  public var modelType: String? { document["model_type"]?.stringValue }

  /// The kind of quantization of the stored tensors, or nil when they are not quantized.
  public var quantizationMethod: String? {
    for key in ["quantization_config", "compression_config"] {
      guard let section = document[key]?.objectValue else { continue }
      return section["quant_method"]?.stringValue ?? "unknown"
    }
    return nil
  }

  /// The number of tokens of the vocabulary, with padding.
  public var vocabularySize: Int? {
    for path in vocabularyPaths {
      if let size = document.value(at: path)?.intValue, size >= 0 { return size }
    }
    return nil
  }

  /// The type of the stored tensors, where it is told.
  public var dtype: DType? {
    for path in dtypePaths {
      if let name = document.value(at: path)?.stringValue, let dtype = DType(recipeName: name) {
        return dtype
      }
    }
    return nil
  }

  /// Whether the head shares the values of the token embedding, where it is told.
  ///
  /// In a composite model the word of the text part counts more than that of the whole.
  public var explicitlyTiesWordEmbeddings: Bool? {
    for section in textSections + [[]] {
      if let tied = document.value(at: section + ["tie_word_embeddings"])?.boolValue { return tied }
    }
    return nil
  }

  /// Whether the head shares the values of the token embedding, told or usual for the kind of model.
  ///
  /// Most decoders since Llama keep a head of their own; encoders, GPT-2, Gemma and all kinds that
  /// are not known share it, as the field's configuration class does.
  public var tiesWordEmbeddings: Bool {
    if let explicitlyTiesWordEmbeddings { return explicitlyTiesWordEmbeddings }
    for section in textSections + [[]] {
      guard let type = document.value(at: section + ["model_type"])?.stringValue else { continue }
      return !Self.untiedTypes.contains(type)
    }
    return true
  }

  /// The number of layers after the last one that predict further tokens, where there are any.
  var extraPredictionLayers: Int? {
    for section in textSections + [[]] {
      for key in ["num_nextn_predict_layers", "num_mtp_layers", "mtp_num_hidden_layers"] {
        if let count = document.value(at: section + [key])?.intValue, count > 0 { return count }
      }
    }
    return nil
  }

  /// The kinds of models whose head has values of its own unless the configuration says otherwise.
  private static let untiedTypes: Set<String> = [
    "llama", "llama4", "llama4_text", "mllama_text_model", "mistral", "mixtral", "ministral",
    "qwen", "qwen2", "qwen2_moe", "qwen2_vl", "qwen2_5_vl", "qwen3", "qwen3_moe", "qwen3_next",
    "qwen3_vl_moe", "phi", "phi3", "phimoe", "phi-msft", "gpt_neox", "gptj", "codegen", "olmo",
    "olmo2", "olmo3", "olmoe", "stablelm", "stablelm_epoch", "internlm", "internlm2", "baichuan",
    "deepseek", "deepseek_v2", "deepseek_v3", "granite", "granitemoe", "glm", "glm4", "glm4_moe",
    "chatglm", "persimmon", "nemotron", "arctic", "dbrx", "jamba", "solar", "arcee", "apertus",
    "minimax", "gpt_oss", "ernie4_5_moe", "falcon_mamba", "seed_oss", "hunyuan_v1_dense",
    // Composite kinds, whose text part is one of the above unless it says what it is.
    "llava", "llava_next", "llava_next_video", "llava_onevision", "vipllava", "video_llava",
    "idefics2", "idefics3", "mistral3", "internvl", "got_ocr2",
  ]
}
