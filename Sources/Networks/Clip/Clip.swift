public import TinctureTensors
public import TinctureTorch

/// CLIP: encoders of images and texts into one space.
///
/// How well an image and a text fit is exp(`logit_scale`) · cos(image, text).
///
/// Parameters: those of both encoders, and `logit_scale` [] beside them.
///
/// Source: Radford et al., arXiv:2103.00020.
public struct Clip: Network, Hashable {
  /// The encoder of images.
  public var vision: ClipVision
  /// The encoder of texts.
  public var text: ClipText

  /// Puts two encoders together.
  public init(vision: ClipVision = ClipVision(), text: ClipText = ClipText()) {
    self.vision = vision
    self.text = text
  }

  /// The full name of the logarithm of the factor.
  public var scaleName: String {
    qualified(text.layout == .huggingFace ? parent(of: text.tower) : text.tower, "logit_scale")
  }

  /// Every parameter.
  public var parameterShapes: [ParameterShape] {
    vision.parameterShapes + text.parameterShapes + [ParameterShape(scaleName, [])]
  }

  /// How well each image fits each text.
  ///
  /// - Parameters:
  ///   - images: Normalised images [N, channels, height, width].
  ///   - batch: T texts.
  ///   - parameters: What ``parameterShapes`` lists.
  /// - Returns: The scores [N, T], which a softmax along the texts makes into probabilities.
  /// - Throws: `checkpoint` for a missing parameter, `engine` when LibTorch fails.
  public func logits(
    images: TorchTensor, texts batch: TokenBatch, _ parameters: Parameters
  ) throws(TinctureError) -> TorchTensor {
    let seen = try vision.features(of: images, parameters).normalized()
    let read = try text.features(of: batch, parameters).normalized()
    return try parameters(scaleName).exp() * seen.matmul(read.transposed())
  }

  /// The same network under the names that a model gives to its parameters.
  public func fitted(to shapes: [String: [Int]]) throws(TinctureError) -> Clip {
    Clip(vision: try vision.fitted(to: shapes), text: try text.fitted(to: shapes))
  }
}
