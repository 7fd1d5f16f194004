import TinctureTensors
import TinctureTorch

/// How the parameters of CLIP are named and arranged.
public enum ClipLayout: String, Sendable, Hashable, CaseIterable {
  /// transformers: `vision_model.encoder.layers.0.self_attn.q_proj.weight`; projections are [outputs, w].
  case huggingFace = "hugging_face"
  /// OpenAI and open_clip: `visual.transformer.resblocks.0.attn.in_proj_weight`, the rows of q, k and v in one
  /// tensor; projections are [w, outputs].
  case openClip = "open_clip"
}

/// The blocks of both towers of CLIP: x ← x + attention(norm₁(x)), x ← x + mlp(norm₂(x)).
struct ClipBlocks {
  let layout: ClipLayout
  let width: Int
  let depth: Int
  let heads: Int
  let hiddenWidth: Int
  let epsilon: Double
  let activation: Activation

  private var list: String {
    layout == .huggingFace ? "encoder.layers" : "transformer.resblocks"
  }

  /// The parameters within a tower.
  func shapes(in tower: String) -> [ParameterShape] {
    var shapes: [ParameterShape] = []
    for index in 0..<depth {
      let block = qualified(tower, "\(list).\(index).")
      switch layout {
      case .huggingFace:
        shapes.append(layer: block + "layer_norm1", [width])
        for name in ["q_proj", "k_proj", "v_proj", "out_proj"] {
          shapes.append(layer: block + "self_attn." + name, [width, width])
        }
        shapes.append(layer: block + "layer_norm2", [width])
        shapes.append(layer: block + "mlp.fc1", [hiddenWidth, width])
        shapes.append(layer: block + "mlp.fc2", [width, hiddenWidth])
      case .openClip:
        shapes.append(layer: block + "ln_1", [width])
        shapes.append(ParameterShape(block + "attn.in_proj_weight", [3 * width, width]))
        shapes.append(ParameterShape(block + "attn.in_proj_bias", [3 * width]))
        shapes.append(layer: block + "attn.out_proj", [width, width])
        shapes.append(layer: block + "ln_2", [width])
        shapes.append(layer: block + "mlp.c_fc", [hiddenWidth, width])
        shapes.append(layer: block + "mlp.c_proj", [width, hiddenWidth])
      }
    }
    return shapes
  }

  /// The perceptrons within a tower.
  func perceptrons(in tower: String) -> [Perceptron] {
    let names = layout == .huggingFace ? ["mlp.fc1", "mlp.fc2"] : ["mlp.c_fc", "mlp.c_proj"]
    return (0..<depth).map { index in
      let module = qualified(tower, "\(list).\(index)")
      var shapes: [ParameterShape] = []
      shapes.append(layer: module + "." + names[0], [hiddenWidth, width])
      shapes.append(layer: module + "." + names[1], [width, hiddenWidth])
      return Perceptron(module: module, width: width, parameters: shapes)
    }
  }

  /// All blocks in turn.
  ///
  /// - Parameters:
  ///   - x: The tokens [N, tokens, width].
  ///   - tower: The parameters of the tower.
  ///   - mask: Which tokens see which.
  ///   - causal: Whether a token sees no later one; excludes a mask.
  /// - Returns: The tokens [N, tokens, width].
  /// - Throws: `checkpoint` for a missing parameter, `engine` when LibTorch fails.
  func callAsFunction(
    _ x: TorchTensor, _ tower: Parameters, mask: TorchTensor? = nil, causal: Bool = false
  ) throws(TinctureError) -> TorchTensor {
    let names =
      layout == .huggingFace
      ? ("layer_norm1", "self_attn", "layer_norm2", "mlp.fc1", "mlp.fc2")
      : ("ln_1", "attn", "ln_2", "mlp.c_fc", "mlp.c_proj")
    var x = x
    for index in 0..<depth {
      let block = tower.scope(list, index)
      let normed = try block.layerNorm(names.0, x, epsilon: epsilon)
      let attention = block.scope(names.1)
      let parts = try queryKeyValue(normed, attention)
      let mixed = try TorchTensor.attention(
        query: parts[0], key: parts[1], value: parts[2], heads: heads, mask: mask, causal: causal)
      x = try x + attention.linear("out_proj", mixed)
      let second = try block.layerNorm(names.2, x, epsilon: epsilon)
      let own = try block.routed(by: second)
      let hidden = try own.linear(names.3, second)
      x = try tower.leaving(index, x + own.linear(names.4, activation(hidden)))
    }
    return x
  }

  private func queryKeyValue(
    _ x: TorchTensor, _ attention: Parameters
  ) throws(TinctureError) -> [TorchTensor] {
    switch layout {
    case .huggingFace:
      let query = try attention.linear("q_proj", x)
      let key = try attention.linear("k_proj", x)
      return [query, key, try attention.linear("v_proj", x)]
    case .openClip:
      return try attention.linear(weight: "in_proj_weight", bias: "in_proj_bias", x)
        .chunks(3, along: -1)
    }
  }
}

extension Parameters {
  /// Features in the space that images and texts share.
  func clipProjection(
    _ name: String, _ features: TorchTensor, _ layout: ClipLayout
  ) throws(TinctureError) -> TorchTensor {
    switch layout {
    case .huggingFace: try linear(weight: name, features)
    case .openClip: try product(features, weight: name)
    }
  }
}
