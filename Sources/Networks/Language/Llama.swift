public import TinctureTensors
public import TinctureTorch

/// The family of Llama, Mistral and Qwen: decoders of texts.
///
/// Blocks x ← x + attention(norm₁(x)), x ← x + W₃(silu(W₁ norm₂(x)) · W₂ norm₂(x)), normalisations by the
/// root of the mean square, positions as rotations of queries and keys, of which several queries may share
/// a key. Members differ in biases of the attention (Qwen2), normalised queries and keys (Qwen3), and windows
/// beyond which tokens are not seen (Mistral).
///
/// Parameters in ``root``, with width w, heads of d numbers, h heads of queries and k of keys: `embed_tokens.weight`
/// [vocabulary, w]; in `layers.i`: `input_layernorm.weight`, `post_attention_layernorm.weight` [w],
/// `self_attn.q_proj` [hd, w], `.k_proj`, `.v_proj` [kd, w], `.o_proj` [w, hd], `.q_norm.weight`,
/// `.k_norm.weight` [d], `mlp.gate_proj`, `.up_proj` [m, w], `.down_proj` [w, m]; `norm.weight` [w]; and
/// `lm_head.weight` [vocabulary, w] beside the root unless it is the embedding.
///
/// Sources: Touvron et al., arXiv:2302.13971; Jiang et al., arXiv:2310.06825; Yang et al., arXiv:2407.10671
/// and arXiv:2505.09388.
public struct Llama: LanguageModel, Hashable {
  /// The tokens of the vocabulary.
  public var vocabularySize = 32000
  /// The numbers in a token.
  public var width = 4096
  /// The blocks.
  public var depth = 32
  /// The heads of queries.
  public var heads = 32
  /// The heads of keys and values; divides the heads of queries.
  public var keyHeads = 32
  /// The numbers in a head.
  public var headWidth = 128
  /// The numbers within the perceptrons.
  public var hiddenWidth = 11008
  /// What is added to mean squares.
  public var epsilon = 1e-6
  /// The function within the perceptrons.
  public var activation = Activation.silu
  /// The rotations for positions.
  public var rotary = RotaryEmbedding()
  /// Whether queries, keys and values have biases.
  public var hasAttentionBias = false
  /// Whether the attention's last map has a bias.
  public var hasOutputBias = false
  /// Whether the maps of the perceptrons have biases.
  public var hasPerceptronBias = false
  /// Whether queries and keys are normalised.
  public var normalizesHeads = false
  /// How many tokens, itself included, a token sees at most; nil is all.
  public var window: Int?
  /// The blocks in which the window holds; nil is all.
  public var windowedBlocks: Set<Int>?
  /// Whether the embedding also scores next tokens.
  public var isTied = false
  /// The module of the blocks: `model`, or empty for models without a head.
  public var root = "model"

  /// Creates Llama 2 of 7 billion parameters, to be changed.
  public init() {}

  /// The full name of what scores next tokens.
  public var headName: String {
    isTied
      ? qualified(root, "embed_tokens.weight") : qualified(parent(of: root), "lm_head.weight")
  }

  /// Every parameter.
  public var parameterShapes: [ParameterShape] {
    var shapes: [ParameterShape] = []
    shapes.append(layer: qualified(root, "embed_tokens"), [vocabularySize, width], bias: false)
    for index in 0..<depth {
      let block = qualified(root, "layers.\(index).")
      let attention = block + "self_attn."
      shapes.append(layer: block + "input_layernorm", [width], bias: false)
      shapes.append(
        layer: attention + "q_proj", [heads * headWidth, width], bias: hasAttentionBias)
      for name in ["k_proj", "v_proj"] {
        shapes.append(
          layer: attention + name, [keyHeads * headWidth, width], bias: hasAttentionBias)
      }
      if normalizesHeads {
        shapes.append(layer: attention + "q_norm", [headWidth], bias: false)
        shapes.append(layer: attention + "k_norm", [headWidth], bias: false)
      }
      shapes.append(layer: attention + "o_proj", [width, heads * headWidth], bias: hasOutputBias)
      shapes.append(layer: block + "post_attention_layernorm", [width], bias: false)
      for name in ["gate_proj", "up_proj"] {
        shapes.append(layer: block + "mlp." + name, [hiddenWidth, width], bias: hasPerceptronBias)
      }
      shapes.append(layer: block + "mlp.down_proj", [width, hiddenWidth], bias: hasPerceptronBias)
    }
    shapes.append(layer: qualified(root, "norm"), [width], bias: false)
    if !isTied { shapes.append(ParameterShape(headName, [vocabularySize, width])) }
    return shapes
  }

  /// The states of all tokens after the last normalisation.
  public func states(
    of batch: TokenBatch, _ parameters: Parameters
  ) throws(TinctureError) -> TorchTensor {
    let module = parameters.scope(root)
    var x = try batch.ids.embedding(weight: module("embed_tokens.weight"))
    let count = batch.ids.shape[1]
    let table = try rotary.table(count, width: headWidth, like: x)
    let isCut = window.map { $0 < count } ?? false
    // Without padding or a window the mask need not be written down.
    let all = batch.mask == nil ? nil : try batch.attentionMask(causal: true)
    let near = isCut ? try batch.attentionMask(causal: true, window: window) : all
    for index in 0..<depth {
      let isNear = windowedBlocks?.contains(index) ?? true
      let tokens = try block(x, table, isNear ? near : all, module.scope("layers", index))
      x = try module.leaving(index, tokens, mask: batch.mask)
    }
    return try module.rmsNorm(weight: "norm.weight", x, epsilon: epsilon)
  }

  /// The scores of the token after each state.
  public func scores(
    of states: TorchTensor, _ parameters: Parameters
  ) throws(TinctureError) -> TorchTensor {
    // An embedding that also scores is none of the linear layers.
    isTied
      ? try states.linear(weight: parameters(headName))
      : try parameters.linear(weight: headName, states)
  }

  private func block(
    _ x: TorchTensor, _ table: RotaryEmbedding.Table, _ mask: TorchTensor?,
    _ parameters: Parameters
  ) throws(TinctureError) -> TorchTensor {
    let normed = try parameters.rmsNorm(weight: "input_layernorm.weight", x, epsilon: epsilon)
    let attention = parameters.scope("self_attn")
    let query = try table(headed("q", normed, heads, attention))
    let key = try table(headed("k", normed, keyHeads, attention))
    let mixed = try query.attention(
      key: key, value: headed("v", normed, keyHeads, attention), mask: mask, causal: mask == nil,
      grouped: keyHeads != heads)
    let shape = [x.shape[0], x.shape[1], heads * headWidth]
    let y = try x + attention.linear("o_proj", mixed.transposed(1, 2).reshaped(shape))
    let second = try parameters.rmsNorm(
      weight: "post_attention_layernorm.weight", y, epsilon: epsilon)
    let perceptron = parameters.scope("mlp")
    let gate = try activation(perceptron.linear("gate_proj", second))
    return try y + perceptron.linear("down_proj", gate * perceptron.linear("up_proj", second))
  }

  /// Queries, keys or values by heads, [N, heads, tokens, d].
  private func headed(
    _ kind: String, _ x: TorchTensor, _ count: Int, _ attention: Parameters
  ) throws(TinctureError) -> TorchTensor {
    var y = try attention.linear(kind + "_proj", x)
    y = try y.reshaped([x.shape[0], x.shape[1], count, headWidth])
    if normalizesHeads, kind != "v" {
      y = try attention.rmsNorm(weight: kind + "_norm.weight", y, epsilon: epsilon)
    }
    return try y.transposed(1, 2)
  }
}
