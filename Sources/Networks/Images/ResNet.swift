public import TinctureTensors
public import TinctureTorch

/// A residual network of bottlenecks with torchvision's parameter names: ResNet-50, 101 and 152.
///
/// A convolution of 7×7 and a maximum over 3×3 quarter the image; four stages of bottlenecks
/// x ← relu(short(x) + conv₁ₓ₁(conv₃ₓ₃(conv₁ₓ₁(x)))) follow, of which each but the first halves the image with
/// its first 3×3 convolution. After every convolution channels are shifted and scaled by means and variances
/// that were counted in training. The feature is the mean of the last stage over the image.
///
/// Parameters: `conv1.weight` [s, c, 7, 7], `bn1`; in `layerL.i` with p = s·2^(L−1): `conv1.weight` [p, in, 1, 1],
/// `conv2.weight` [p, p, 3, 3], `conv3.weight` [4p, p, 1, 1], `bn1`, `bn2`, `bn3`, and in the first of a stage
/// `downsample.0.weight` [4p, in, 1, 1], `downsample.1`; where there are classes `fc` [classes, 32s]. A
/// normalisation has `.weight`, `.bias`, `.running_mean` and `.running_var`, all of which are parameters here:
/// a merge changes them, too, and they can be counted again.
///
/// Source: He et al., arXiv:1512.03385.
public struct ResNet: ImageClassifier, Hashable {
  /// The height and the width for which images are scaled; others are computed as well.
  public var imageSize = 224
  /// The channels of the images.
  public var channels = 3
  /// The channels after the first convolution.
  public var stemWidth = 64
  /// The bottlenecks of each stage.
  public var depths = [3, 4, 6, 3]
  /// The classes of the head, or nil when there is no head.
  public var classCount: Int?
  /// What is added to variances.
  public var epsilon = 1e-5
  /// The module that holds everything; empty for the whole model.
  public var root = ""

  /// Creates ResNet-50 without a head, to be changed.
  public init() {}

  /// The numbers in a feature.
  public var featureWidth: Int { stageWidths.last ?? stemWidth }

  /// The channels after each stage.
  public var stageWidths: [Int] { depths.indices.map { stemWidth << ($0 + 2) } }

  /// Every parameter.
  public var parameterShapes: [ParameterShape] {
    var shapes: [ParameterShape] = []
    func convolution(_ name: String, _ norm: String, _ extents: [Int]) {
      shapes.append(layer: qualified(root, name), extents, bias: false)
      shapes.append(batchNorm: qualified(root, norm), extents[0])
    }
    convolution("conv1", "bn1", [stemWidth, channels, 7, 7])
    var inputs = stemWidth
    for (stage, depth) in depths.enumerated() {
      let inner = stemWidth << stage
      for index in 0..<depth {
        let block = "layer\(stage + 1).\(index)."
        convolution(block + "conv1", block + "bn1", [inner, inputs, 1, 1])
        convolution(block + "conv2", block + "bn2", [inner, inner, 3, 3])
        convolution(block + "conv3", block + "bn3", [4 * inner, inner, 1, 1])
        if index == 0 {
          convolution(block + "downsample.0", block + "downsample.1", [4 * inner, inputs, 1, 1])
        }
        inputs = 4 * inner
      }
    }
    if let classCount { shapes.append(layer: qualified(root, "fc"), [classCount, featureWidth]) }
    return shapes
  }

  /// The means of the last stage over images.
  public func features(
    of images: TorchTensor, _ parameters: Parameters
  ) throws(TinctureError) -> TorchTensor {
    guard let last = try maps(of: images, parameters).last else { return images }
    return try last.mean(along: 2, 3)
  }

  /// The scores of classes before a softmax.
  ///
  /// - Parameters:
  ///   - images: Normalised images [N, channels, height, width].
  ///   - parameters: What ``parameterShapes`` lists, with `fc`.
  /// - Returns: The scores [N, classes].
  /// - Throws: `checkpoint` for a missing parameter, `engine` when LibTorch fails.
  public func logits(
    of images: TorchTensor, _ parameters: Parameters
  ) throws(TinctureError) -> TorchTensor {
    try parameters.scope(root).linear("fc", features(of: images, parameters))
  }

  /// The result of each stage.
  ///
  /// - Parameters:
  ///   - images: Normalised images [N, channels, height, width].
  ///   - parameters: What ``parameterShapes`` lists.
  /// - Returns: Maps [N, ``stageWidths``, height/4, width/4], then half as high and wide at each stage, where
  ///   odd extents are rounded up.
  /// - Throws: `checkpoint` for a missing parameter, `engine` when LibTorch fails.
  public func maps(
    of images: TorchTensor, _ parameters: Parameters
  ) throws(TinctureError) -> [TorchTensor] {
    let module = parameters.scope(root)
    var x = try module.convolution("conv1", images, stride: 2, padding: 3)
    x = try module.batchNorm("bn1", x, epsilon: epsilon).relu()
    x = try x.maxPool2d(3, stride: 2, padding: 1)
    var maps: [TorchTensor] = []
    for (stage, depth) in depths.enumerated() {
      for index in 0..<depth {
        let stride = stage > 0 && index == 0 ? 2 : 1
        x = try block(
          x, stride: stride, hasShortcut: index == 0, module.scope("layer\(stage + 1)", index))
      }
      maps.append(x)
    }
    return maps
  }

  private func block(
    _ x: TorchTensor, stride: Int, hasShortcut: Bool, _ parameters: Parameters
  ) throws(TinctureError) -> TorchTensor {
    var y = try parameters.convolution("conv1", x)
    y = try parameters.batchNorm("bn1", y, epsilon: epsilon).relu()
    y = try parameters.convolution("conv2", y, stride: stride, padding: 1)
    y = try parameters.batchNorm("bn2", y, epsilon: epsilon).relu()
    y = try parameters.batchNorm("bn3", parameters.convolution("conv3", y), epsilon: epsilon)
    guard hasShortcut else { return try (y + x).relu() }
    let short = try parameters.batchNorm(
      "downsample.1", parameters.convolution("downsample.0", x, stride: stride), epsilon: epsilon)
    return try (y + short).relu()
  }

  /// The same network under the names that a model gives to its parameters.
  public func fitted(to shapes: [String: [Int]]) throws(TinctureError) -> ResNet {
    var network = self
    network.root = try module(of: "layer1.0.conv1.weight", in: shapes.keys) ?? root
    return network
  }
}
