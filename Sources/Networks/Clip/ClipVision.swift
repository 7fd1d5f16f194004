public import TinctureTensors
public import TinctureTorch

/// CLIP's encoder of images.
///
/// A vision transformer with a normalisation before its blocks; the feature is the class token after a
/// last normalisation, mapped without a bias into the space that images and texts share.
///
/// Parameters, with width w, P×P pixels a square, c channels, t tokens and D shared numbers, in ``tower``:
/// in transformers' layout `embeddings.class_embedding` [w], `embeddings.patch_embedding.weight`
/// [w, c, P, P], `embeddings.position_embedding.weight` [t, w], `pre_layrnorm`, `encoder.layers.i`,
/// `post_layernorm`, and beside the tower `visual_projection.weight` [D, w]; in open_clip's
/// `class_embedding`, `conv1.weight`, `positional_embedding`, `ln_pre`, `transformer.resblocks.i`, `ln_post`,
/// `proj` [w, D].
///
/// Source: Radford et al., arXiv:2103.00020.
public struct ClipVision: PerceptronNetwork, Hashable {
  /// The height and the width of the images in pixels.
  public var imageSize = 224
  /// The channels of the images.
  public var channels = 3
  /// The height and the width of a square in pixels.
  public var patchSize = 32
  /// The numbers in a token.
  public var width = 768
  /// The blocks.
  public var depth = 12
  /// The heads of each attention.
  public var heads = 12
  /// The numbers between the two layers of each perceptron.
  public var hiddenWidth = 3072
  /// The numbers that images and texts share; nil leaves features as they are before the projection.
  public var projectionWidth: Int? = 512
  /// What is added to variances.
  public var epsilon = 1e-5
  /// The function within the perceptrons.
  public var activation = Activation.quickGelu
  /// How parameters are named.
  public var layout = ClipLayout.huggingFace
  /// The module of the encoder: `vision_model`, `visual`, or `model.visual` in task vectors' image encoders.
  public var tower = "vision_model"

  /// Creates the encoder of ViT-B/32, to be changed.
  public init() {}

  /// The numbers in a feature.
  public var featureWidth: Int { projectionWidth ?? width }

  private var blocks: ClipBlocks {
    ClipBlocks(
      layout: layout, width: width, depth: depth, heads: heads, hiddenWidth: hiddenWidth,
      epsilon: epsilon, activation: activation)
  }

  private var tokenCount: Int {
    let side = patchSize > 0 ? imageSize / patchSize : 0
    return side * side + 1
  }

  private struct Names {
    let token, patches, positions, before, after: String
  }

  private var names: Names {
    switch layout {
    case .huggingFace:
      Names(
        token: "embeddings.class_embedding", patches: "embeddings.patch_embedding.weight",
        positions: "embeddings.position_embedding.weight", before: "pre_layrnorm",
        after: "post_layernorm")
    case .openClip:
      Names(
        token: "class_embedding", patches: "conv1.weight", positions: "positional_embedding",
        before: "ln_pre", after: "ln_post")
    }
  }

  /// The full name of the map into the shared space.
  public var projectionName: String {
    switch layout {
    case .huggingFace: qualified(parent(of: tower), "visual_projection.weight")
    case .openClip: qualified(tower, "proj")
    }
  }

  /// Every parameter.
  public var parameterShapes: [ParameterShape] {
    func own(_ name: String, _ extents: [Int]) -> ParameterShape {
      ParameterShape(qualified(tower, name), extents)
    }
    var shapes = [
      own(names.token, [width]), own(names.patches, [width, channels, patchSize, patchSize]),
      own(names.positions, [tokenCount, width]),
    ]
    shapes.append(layer: qualified(tower, names.before), [width])
    shapes += blocks.shapes(in: tower)
    shapes.append(layer: qualified(tower, names.after), [width])
    if let outputs = projectionWidth {
      shapes.append(
        ParameterShape(
          projectionName, layout == .huggingFace ? [outputs, width] : [width, outputs]))
    }
    return shapes
  }

  /// The perceptrons of the blocks.
  public var perceptrons: [Perceptron] { blocks.perceptrons(in: tower) }

  /// The features of images, of any length.
  public func features(
    of images: TorchTensor, _ parameters: Parameters
  ) throws(TinctureError) -> TorchTensor {
    let module = parameters.scope(tower)
    var x = try module.convolution(weight: names.patches, images, stride: patchSize)
    x = try x.flattened(from: 2).transposed(1, 2)
    let token = try module(names.token).expanded([images.shape[0], 1, width])
    x = try TorchTensor.concatenated([token, x], along: 1) + module(names.positions)
    x = try module.layerNorm(names.before, x, epsilon: epsilon)
    x = try blocks(x, module).select(0, along: 1)
    x = try module.layerNorm(names.after, x, epsilon: epsilon)
    return projectionWidth == nil
      ? x : try parameters.clipProjection(projectionName, x, layout)
  }

  /// The same network under the names that a model gives to its parameters.
  public func fitted(to shapes: [String: [Int]]) throws(TinctureError) -> ClipVision {
    var network = self
    for layout in ClipLayout.allCases {
      network.layout = layout
      guard let tower = try module(of: network.names.patches, in: shapes.keys) else { continue }
      network.tower = tower
      return network
    }
    return self
  }
}

/// The module that holds a module; empty for one of the whole model.
func parent(of module: String) -> String {
  module.lastIndex(of: ".").map { String(module[..<$0]) } ?? ""
}
