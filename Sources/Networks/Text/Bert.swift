public import TinctureTensors
public import TinctureTorch

/// BERT's and RoBERTa's encoder.
///
/// Embeddings of tokens, positions and parts are summed and normalised; blocks
/// x ← norm(x + attention(x)), x ← norm(x + mlp(x)) follow, which normalise after each sum. The feature of a
/// text is tanh(W x₀ + b) of its first token, or that token's state itself.
///
/// RoBERTa counts positions from one past the id of its padding, and gives padding that id as its position.
///
/// Parameters, in ``root``, with width w and perceptron width m: `embeddings.word_embeddings.weight`
/// [vocabulary, w], `.position_embeddings.weight` [positions, w], `.token_type_embeddings.weight` [types, w],
/// `.LayerNorm`; in `encoder.layer.i`: `attention.self.query`, `.key`, `.value`, `attention.output.dense`
/// [w, w], `attention.output.LayerNorm`, `intermediate.dense` [m, w], `output.dense` [w, m],
/// `output.LayerNorm`; `pooler.dense` [w, w]; each with its `.bias`. Models from before 2019 call weight and
/// bias of a normalisation `gamma` and `beta`.
///
/// Sources: Devlin et al., arXiv:1810.04805; Liu et al., arXiv:1907.11692.
public struct Bert: TextEncoder, Hashable {
  /// How positions of tokens are counted.
  public enum Positions: Sendable, Hashable {
    /// From zero on, padding included: BERT.
    case counted
    /// From one past the padding's id on, where padding has that id as its position: RoBERTa.
    case afterPadding(Int)
  }

  /// The tokens of the vocabulary.
  public var vocabularySize = 30522
  /// The numbers in a token.
  public var width = 768
  /// The blocks.
  public var depth = 12
  /// The heads of each attention.
  public var heads = 12
  /// The numbers between the two layers of each perceptron.
  public var hiddenWidth = 3072
  /// The rows of the table of positions.
  public var positionCount = 512
  /// The rows of the table of parts.
  public var typeCount = 2
  /// What is added to variances.
  public var epsilon = 1e-12
  /// The function within the perceptrons.
  public var activation = Activation.gelu
  /// How positions are counted.
  public var positions = Positions.counted
  /// Whether features are the pooler's, and not the first token's state.
  public var hasPooler = true
  /// The module that holds everything: `bert`, `roberta` or, when empty, the whole model.
  public var root = ""
  /// Whether weight and bias of a normalisation are called `gamma` and `beta`.
  public var hasLegacyNames = false

  /// Creates BERT's base size, to be changed.
  public init() {}

  /// The numbers in a feature.
  public var featureWidth: Int { width }

  /// Every parameter.
  public var parameterShapes: [ParameterShape] {
    var shapes: [ParameterShape] = []
    func norm(_ name: String) {
      shapes.append(ParameterShape(normName(name, "weight"), [width]))
      shapes.append(ParameterShape(normName(name, "bias"), [width]))
    }
    let embeddings = qualified(root, "embeddings.")
    shapes.append(layer: embeddings + "word_embeddings", [vocabularySize, width], bias: false)
    shapes.append(layer: embeddings + "position_embeddings", [positionCount, width], bias: false)
    shapes.append(layer: embeddings + "token_type_embeddings", [typeCount, width], bias: false)
    norm(embeddings + "LayerNorm")
    for index in 0..<depth {
      let block = qualified(root, "encoder.layer.\(index).")
      for part in ["self.query", "self.key", "self.value", "output.dense"] {
        shapes.append(layer: block + "attention." + part, [width, width])
      }
      norm(block + "attention.output.LayerNorm")
      shapes.append(layer: block + "intermediate.dense", [hiddenWidth, width])
      shapes.append(layer: block + "output.dense", [width, hiddenWidth])
      norm(block + "output.LayerNorm")
    }
    if hasPooler { shapes.append(layer: qualified(root, "pooler.dense"), [width, width]) }
    return shapes
  }

  /// The pooler's result, or the state of the first token.
  public func features(
    of batch: TokenBatch, _ parameters: Parameters
  ) throws(TinctureError) -> TorchTensor {
    let first = try states(of: batch, parameters).select(0, along: 1)
    return hasPooler ? try parameters.scope(root).linear("pooler.dense", first).tanh() : first
  }

  /// The states of all tokens.
  ///
  /// - Parameters:
  ///   - batch: The texts; padding is seen by no token.
  ///   - parameters: What ``parameterShapes`` lists.
  /// - Returns: The states [N, tokens, ``width``]; those of padding mean nothing.
  /// - Throws: `checkpoint` for a missing parameter or a text that is too long, `engine` when LibTorch fails.
  public func states(
    of batch: TokenBatch, _ parameters: Parameters
  ) throws(TinctureError) -> TorchTensor {
    let module = parameters.scope(root)
    let mask = try batch.attentionMask()
    var x = try embeddings(batch, module.scope("embeddings"))
    for index in 0..<depth {
      let tokens = try block(x, mask, module.scope("encoder.layer", index))
      x = try module.leaving(index, tokens, mask: batch.mask)
    }
    return x
  }

  private func embeddings(
    _ batch: TokenBatch, _ parameters: Parameters
  ) throws(TinctureError) -> TorchTensor {
    let words = try batch.ids.embedding(weight: parameters("word_embeddings.weight"))
    let table = try parameters("token_type_embeddings.weight")
    let types =
      if let types = batch.types { try types.embedding(weight: table) } else {
        try table.select(0, along: 0)
      }
    let places = try positionIDs(batch).embedding(weight: parameters("position_embeddings.weight"))
    return try norm("LayerNorm", words + types + places, parameters)
  }

  private func positionIDs(_ batch: TokenBatch) throws(TinctureError) -> TorchTensor {
    let tokens = batch.ids.shape[1]
    let first = if case .afterPadding(let id) = positions { id + 1 } else { 0 }
    guard tokens + first <= positionCount else {
      throw TinctureError(
        .checkpoint,
        "A text has \(tokens) tokens; the network has positions for \(positionCount - first). Cut it."
      )
    }
    guard case .afterPadding(let id) = positions else {
      return try TorchTensor.range(0..<tokens, on: batch.ids.device)
    }
    let isText = try (batch.ids .!= Double(id)).converted(to: .i64)
    return try isText.cumulativeSum(along: 1) * isText + TorchTensor(id, on: batch.ids.device)
  }

  private func block(
    _ x: TorchTensor, _ mask: TorchTensor?, _ parameters: Parameters
  ) throws(TinctureError) -> TorchTensor {
    let attention = parameters.scope("attention")
    let mixed = try TorchTensor.attention(
      query: attention.linear("self.query", x), key: attention.linear("self.key", x),
      value: attention.linear("self.value", x), heads: heads, mask: mask)
    let y = try norm(
      "output.LayerNorm", x + attention.linear("output.dense", mixed), attention)
    let hidden = try activation(parameters.linear("intermediate.dense", y))
    return try norm("output.LayerNorm", y + parameters.linear("output.dense", hidden), parameters)
  }

  private func normName(_ name: String, _ part: String) -> String {
    name + "." + (hasLegacyNames ? (part == "weight" ? "gamma" : "beta") : part)
  }

  private func norm(
    _ name: String, _ x: TorchTensor, _ parameters: Parameters
  ) throws(TinctureError) -> TorchTensor {
    try parameters.layerNorm(
      weight: normName(name, "weight"), bias: normName(name, "bias"), x, epsilon: epsilon)
  }
}
