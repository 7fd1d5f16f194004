public import TinctureJSON
public import TinctureTensors

extension Bert {
  /// Reads a configuration of transformers: `model_type` `bert`, `roberta` or `xlm-roberta`.
  ///
  /// - Parameter configuration: The contents of `config.json`.
  /// - Throws: `checkpoint` that names a setting which is missing, malformed or not supported.
  public init(configuration: JSONValue) throws(TinctureError) {
    let settings = try ConfigurationReader(configuration)
    let type = try settings.text("model_type")
    self.init()
    switch type {
    case "bert": positions = .counted
    case "roberta", "xlm-roberta": positions = .afterPadding(try settings.index("pad_token_id"))
    default: throw settings.refusal("model_type", "must be bert, roberta or xlm-roberta")
    }
    try settings.expect("position_embedding_type", .string("absolute"))
    try settings.expect("is_decoder", .bool(false))
    try settings.expect("add_cross_attention", .bool(false))
    vocabularySize = try settings.count("vocab_size")
    width = try settings.count("hidden_size")
    depth = try settings.depth("num_hidden_layers")
    try settings.expect("num_attention_heads", divides: width, "the width")
    heads = try settings.count("num_attention_heads")
    hiddenWidth = try settings.count("intermediate_size")
    positionCount = try settings.count("max_position_embeddings")
    typeCount = try settings.count("type_vocab_size", or: 2)
    epsilon = try settings.number("layer_norm_eps", or: 1e-12)
    activation = try settings.activation("hidden_act", or: .gelu)
    // Of RoBERTa's models only the bare one has a pooler.
    let names = try settings.texts("architectures") ?? []
    let headed = names.contains { !$0.hasSuffix("Model") }
    hasPooler = !headed || type == "bert" && names.contains("BertForSequenceClassification")
    root = headed ? (type == "bert" ? "bert" : "roberta") : ""
  }

  /// The same network under the names that a model gives to its parameters.
  public func fitted(to shapes: [String: [Int]]) throws(TinctureError) -> Bert {
    var network = self
    guard let root = try module(of: "embeddings.word_embeddings.weight", in: shapes.keys) else {
      return network
    }
    network.root = root
    network.hasLegacyNames = shapes[qualified(root, "embeddings.LayerNorm.gamma")] != nil
    return network
  }
}
