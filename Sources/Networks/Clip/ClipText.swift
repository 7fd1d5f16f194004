public import TinctureTensors
public import TinctureTorch

/// CLIP's encoder of texts.
///
/// A transformer in which a token sees no later one; the feature is the token at the end of the text after a
/// last normalisation, mapped without a bias into the space that images and texts share.
///
/// Parameters, with width w, v tokens, n positions and D shared numbers, in ``tower``: in transformers'
/// layout `embeddings.token_embedding.weight` [v, w], `embeddings.position_embedding.weight` [n, w],
/// `encoder.layers.i`, `final_layer_norm`, and beside the tower `text_projection.weight` [D, w]; in open_clip's
/// `token_embedding.weight`, `positional_embedding`, `transformer.resblocks.i`, `ln_final`, `text_projection`
/// [w, D].
///
/// Source: Radford et al., arXiv:2103.00020.
public struct ClipText: TextEncoder, Hashable {
  /// The tokens of the vocabulary.
  public var vocabularySize = 49408
  /// The tokens of the longest text.
  public var positionCount = 77
  /// The numbers in a token.
  public var width = 512
  /// The blocks.
  public var depth = 12
  /// The heads of each attention.
  public var heads = 8
  /// The numbers between the two layers of each perceptron.
  public var hiddenWidth = 2048
  /// The numbers that images and texts share; nil leaves features as they are before the projection.
  public var projectionWidth: Int? = 512
  /// What is added to variances.
  public var epsilon = 1e-5
  /// The function within the perceptrons.
  public var activation = Activation.quickGelu
  /// The token at the end of a text, of which the first counts; nil takes the token with the largest id.
  public var endToken: Int?
  /// How parameters are named.
  public var layout = ClipLayout.huggingFace
  /// The module of the encoder: `text_model`; in open_clip's layout the whole model, or `model`.
  public var tower = "text_model"

  /// Creates the encoder of ViT-B/32, to be changed.
  public init() {}

  /// The numbers in a feature.
  public var featureWidth: Int { projectionWidth ?? width }

  private var blocks: ClipBlocks {
    ClipBlocks(
      layout: layout, width: width, depth: depth, heads: heads, hiddenWidth: hiddenWidth,
      epsilon: epsilon, activation: activation)
  }

  private var embeddingName: String {
    layout == .huggingFace ? "embeddings.token_embedding.weight" : "token_embedding.weight"
  }

  private var positionsName: String {
    layout == .huggingFace ? "embeddings.position_embedding.weight" : "positional_embedding"
  }

  private var lastName: String { layout == .huggingFace ? "final_layer_norm" : "ln_final" }

  /// The full name of the map into the shared space.
  public var projectionName: String {
    switch layout {
    case .huggingFace: qualified(parent(of: tower), "text_projection.weight")
    case .openClip: qualified(tower, "text_projection")
    }
  }

  /// Every parameter.
  public var parameterShapes: [ParameterShape] {
    var shapes = [
      ParameterShape(qualified(tower, embeddingName), [vocabularySize, width]),
      ParameterShape(qualified(tower, positionsName), [positionCount, width]),
    ]
    shapes += blocks.shapes(in: tower)
    shapes.append(layer: qualified(tower, lastName), [width])
    if let outputs = projectionWidth {
      shapes.append(
        ParameterShape(
          projectionName, layout == .huggingFace ? [outputs, width] : [width, outputs]))
    }
    return shapes
  }

  /// The features of texts, of any length.
  public func features(
    of batch: TokenBatch, _ parameters: Parameters
  ) throws(TinctureError) -> TorchTensor {
    let tokens = batch.ids.shape[1]
    guard tokens <= positionCount else {
      throw TinctureError(
        .checkpoint,
        "A text has \(tokens) tokens; the network has positions for \(positionCount). Cut it.")
    }
    let module = parameters.scope(tower)
    let positions = try module(positionsName).slice(0..<tokens, along: 0)
    var x = try batch.ids.embedding(weight: module(embeddingName)) + positions
    let mask = batch.mask == nil ? nil : try batch.attentionMask(causal: true)
    x = try blocks(x, module, mask: mask, causal: mask == nil)
    x = try module.layerNorm(lastName, x, epsilon: epsilon)
    // The end's position as an index for each number of the token.
    var place = try endPositions(batch.ids).reshaped([batch.ids.shape[0], 1, 1])
    place = try place.expanded([batch.ids.shape[0], 1, width])
    x = try x.gathered(at: place, along: 1).squeezed(at: 1)
    return projectionWidth == nil
      ? x : try parameters.clipProjection(projectionName, x, layout)
  }

  /// The position of the end in each text [N].
  private func endPositions(_ ids: TorchTensor) throws(TinctureError) -> TorchTensor {
    guard let endToken else { return try ids.argmax(along: 1) }
    // Several tokens may be the end; the first one has the largest number.
    let count = ids.shape[1]
    let falling = try TorchTensor((0..<count).map { count - $0 }, on: ids.device)
    return try ((ids .== Double(endToken)).converted(to: .i64) * falling).argmax(along: 1)
  }

  /// The same network under the names that a model gives to its parameters.
  public func fitted(to shapes: [String: [Int]]) throws(TinctureError) -> ClipText {
    var network = self
    for layout in ClipLayout.allCases {
      network.layout = layout
      guard let tower = try module(of: network.embeddingName, in: shapes.keys) else { continue }
      network.tower = tower
      return network
    }
    return self
  }
}
