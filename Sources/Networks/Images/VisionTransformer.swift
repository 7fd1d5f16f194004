public import TinctureTensors
public import TinctureTorch

/// A vision transformer with timm's parameter names.
///
/// Images are cut into squares, each of which becomes a token by a linear map; positions are added;
/// blocks x ← x + attention(norm₁(x)), x ← x + mlp(norm₂(x)) follow; after a last normalisation the feature
/// is the mean of the tokens or the class token.
///
/// Parameters, with width w, perceptron width m, P×P pixels a square, c channels and t tokens:
/// `patch_embed.weight` [w, c, P, P] and `.bias` [w] (or `patch_embed.proj.…`), `pos_embed` [1, t, w], with a
/// class token `cls_token` [1, 1, w]; in `blocks.i`: `norm1`, `norm2` (`.weight`, `.bias` [w]),
/// `attn.qkv.weight` [3w, w] (rows for q, k, v in turn), `attn.proj.weight` [w, w], `mlp.fc1.weight` [m, w],
/// `mlp.fc2.weight` [w, m], each with its `.bias`; `norm` [w].
///
/// Source: Dosovitskiy et al., arXiv:2010.11929.
public struct VisionTransformer: PerceptronNetwork, Hashable {
  /// What becomes the feature of an image.
  public enum Pooling: String, Sendable, Hashable, CaseIterable {
    /// The mean of the tokens that stand for squares.
    case mean
    /// The class token, which is put before the others.
    case token
  }

  /// The height and the width of the images in pixels.
  public var imageSize = 224
  /// The channels of the images.
  public var channels = 3
  /// The height and the width of a square in pixels.
  public var patchSize = 16
  /// The numbers in a token.
  public var width = 768
  /// The blocks.
  public var depth = 12
  /// The heads of each attention.
  public var heads = 12
  /// The numbers between the two layers of each perceptron.
  public var hiddenWidth = 3072
  /// What is added to variances.
  public var epsilon = 1e-6
  /// The function within the perceptrons.
  public var activation = Activation.gelu
  /// What becomes the feature.
  public var pooling = Pooling.token
  /// The module that cuts images: `patch_embed`, or `patch_embed.proj` as timm has it.
  public var patchModule = "patch_embed.proj"

  /// Creates the base size with squares of 16 pixels, to be changed.
  public init() {}

  /// The numbers in a feature.
  public var featureWidth: Int { width }

  private var tokenCount: Int {
    let side = patchSize > 0 ? imageSize / patchSize : 0
    return side * side + (pooling == .token ? 1 : 0)
  }

  /// Every parameter.
  public var parameterShapes: [ParameterShape] {
    func pair(_ name: String, _ extents: [Int]) -> [ParameterShape] {
      [ParameterShape(name + ".weight", extents), ParameterShape(name + ".bias", [extents[0]])]
    }
    var shapes = pair(patchModule, [width, channels, patchSize, patchSize])
    if pooling == .token { shapes.append(ParameterShape("cls_token", [1, 1, width])) }
    shapes.append(ParameterShape("pos_embed", [1, tokenCount, width]))
    for index in 0..<depth {
      let block = "blocks.\(index)."
      shapes += pair(block + "norm1", [width])
      shapes += pair(block + "attn.qkv", [3 * width, width])
      shapes += pair(block + "attn.proj", [width, width])
      shapes += pair(block + "norm2", [width])
      shapes += pair(block + "mlp.fc1", [hiddenWidth, width])
      shapes += pair(block + "mlp.fc2", [width, hiddenWidth])
    }
    return shapes + pair("norm", [width])
  }

  /// The perceptrons of the blocks.
  public var perceptrons: [Perceptron] {
    (0..<depth).map { index in
      let module = "blocks.\(index)"
      var shapes: [ParameterShape] = []
      shapes.append(layer: module + ".mlp.fc1", [hiddenWidth, width])
      shapes.append(layer: module + ".mlp.fc2", [width, hiddenWidth])
      return Perceptron(module: module, width: width, parameters: shapes)
    }
  }

  /// The features of images.
  public func features(
    of images: TorchTensor, _ parameters: Parameters
  ) throws(TinctureError) -> TorchTensor {
    var x = try tokens(images, parameters)
    for index in 0..<depth {
      x = try parameters.leaving(index, block(x, parameters.scope("blocks", index)))
    }
    x = try parameters.layerNorm("norm", x, epsilon: epsilon)
    return switch pooling {
    case .mean: try x.mean(along: 1)
    case .token: try x.select(0, along: 1)
    }
  }

  private func tokens(
    _ images: TorchTensor, _ parameters: Parameters
  ) throws(TinctureError) -> TorchTensor {
    var x = try parameters.convolution(patchModule, images, stride: patchSize)
    x = try x.flattened(from: 2).transposed(1, 2)
    if pooling == .token {
      let token = try parameters("cls_token").expanded([images.shape[0], 1, width])
      x = try TorchTensor.concatenated([token, x], along: 1)
    }
    return try x + parameters("pos_embed")
  }

  private func block(
    _ x: TorchTensor, _ parameters: Parameters
  ) throws(TinctureError) -> TorchTensor {
    let normed = try parameters.layerNorm("norm1", x, epsilon: epsilon)
    let parts = try parameters.linear("attn.qkv", normed).chunks(3, along: -1)
    let mixed = try TorchTensor.attention(
      query: parts[0], key: parts[1], value: parts[2], heads: heads)
    let y = try x + parameters.linear("attn.proj", mixed)
    let second = try parameters.layerNorm("norm2", y, epsilon: epsilon)
    let own = try parameters.routed(by: second)
    return try y + own.linear("mlp.fc2", activation(own.linear("mlp.fc1", second)))
  }
}
