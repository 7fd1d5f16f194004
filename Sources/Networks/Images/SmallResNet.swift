public import TinctureTensors
public import TinctureTorch

/// A residual network for small images: ResNet-20, 32, 44, 56, 110.
///
/// A 3×3 convolution; three stages of n blocks x ← relu(short(x) + norm(conv(relu(norm(conv(x)))))) with 3×3
/// convolutions, of which the second and the third stage double the channels and halve the image with their first
/// convolution; the feature is the mean over the image. The depth is 6n + 2. There are no biases but the head's.
///
/// Parameters, with s channels after the first convolution: `conv1.weight` [s, c, 3, 3], `bn1`; in `layerL.i` with
/// p = s·2^(L−1): `conv1.weight` [p, in, 3, 3], `conv2.weight` [p, p, 3, 3], `bn1`, `bn2`, and where the shortcut is a
/// projection `downsample.0.weight` [p, in, 1, 1], `downsample.1`; where there are classes `fc` [classes, 4s]. A
/// normalisation has `.weight`, `.bias`, `.running_mean` and `.running_var`.
///
/// Source: He et al., arXiv:1512.03385, section 4.2.
public struct SmallResNet: ImageClassifier, Hashable {
  /// What becomes of the input of a block whose output has other extents.
  public enum Shortcut: String, Sendable, Hashable, CaseIterable {
    /// A normalised 1×1 convolution in the first block of every stage, also where extents stay: as in the published
    /// dynamic ranks, where ResNet-20 has 23 layers with weights.
    case projection
    /// A normalised 1×1 convolution where extents change (He's option B).
    case downsample
    /// Every second pixel, with channels of zeros on both sides (He's option A).
    case padding
  }

  /// The height and the width of the images in pixels; others are computed as well.
  public var imageSize = 32
  /// The channels of the images.
  public var channels = 3
  /// The channels after the first convolution.
  public var stemWidth = 16
  /// The blocks of each stage.
  public var blocks = 3
  /// The shortcuts of blocks that change extents.
  public var shortcut = Shortcut.projection
  /// The classes of the head, or nil when there is no head.
  public var classCount: Int?
  /// What is added to variances.
  public var epsilon = 1e-5

  /// Creates ResNet-20 without a head, to be changed.
  public init() {}

  /// The numbers in a feature.
  public var featureWidth: Int { 4 * stemWidth }

  /// The layers with weights, shortcuts not counted.
  public var depth: Int { 6 * blocks + 2 }

  /// Every parameter.
  public var parameterShapes: [ParameterShape] {
    var shapes: [ParameterShape] = []
    func convolution(_ name: String, _ norm: String, _ extents: [Int]) {
      shapes.append(layer: name, extents, bias: false)
      shapes.append(batchNorm: norm, extents[0])
    }
    convolution("conv1", "bn1", [stemWidth, channels, 3, 3])
    forEachBlock { block in
      let module = block.module + "."
      convolution(module + "conv1", module + "bn1", [block.outputs, block.inputs, 3, 3])
      convolution(module + "conv2", module + "bn2", [block.outputs, block.outputs, 3, 3])
      if block.hasProjection {
        convolution(
          module + "downsample.0", module + "downsample.1", [block.outputs, block.inputs, 1, 1])
      }
    }
    if let classCount { shapes.append(layer: "fc", [classCount, featureWidth]) }
    return shapes
  }

  /// The means of the last stage over images.
  public func features(
    of images: TorchTensor, _ parameters: Parameters
  ) throws(TinctureError) -> TorchTensor {
    var x = try parameters.convolution("conv1", images, padding: 1)
    x = try parameters.batchNorm("bn1", x, epsilon: epsilon).relu()
    try forEachBlock { (block) throws(TinctureError) in
      x = try output(of: block, x, parameters.scope(block.module))
    }
    return try x.mean(along: 2, 3)
  }

  /// The scores of classes before a softmax.
  public func logits(
    of images: TorchTensor, _ parameters: Parameters
  ) throws(TinctureError) -> TorchTensor {
    try parameters.linear("fc", features(of: images, parameters))
  }

  private struct Block {
    let module: String
    let inputs: Int
    let outputs: Int
    let stride: Int
    let hasProjection: Bool
  }

  private func forEachBlock<Failure: Error>(
    _ body: (Block) throws(Failure) -> Void
  ) throws(Failure) {
    var inputs = stemWidth
    for stage in 0..<3 {
      let outputs = stemWidth << stage
      for index in 0..<blocks {
        let isChange = stage > 0 && index == 0
        let hasProjection =
          switch shortcut {
          case .projection: index == 0
          case .downsample: isChange
          case .padding: false
          }
        try body(
          Block(
            module: "layer\(stage + 1).\(index)", inputs: inputs, outputs: outputs,
            stride: isChange ? 2 : 1, hasProjection: hasProjection))
        inputs = outputs
      }
    }
  }

  private func output(
    of block: Block, _ x: TorchTensor, _ parameters: Parameters
  ) throws(TinctureError) -> TorchTensor {
    var y = try parameters.convolution("conv1", x, stride: block.stride, padding: 1)
    y = try parameters.batchNorm("bn1", y, epsilon: epsilon).relu()
    y = try parameters.convolution("conv2", y, padding: 1)
    y = try parameters.batchNorm("bn2", y, epsilon: epsilon)
    return try (y + short(x, block, parameters)).relu()
  }

  private func short(
    _ x: TorchTensor, _ block: Block, _ parameters: Parameters
  ) throws(TinctureError) -> TorchTensor {
    if block.hasProjection {
      let projected = try parameters.convolution("downsample.0", x, stride: block.stride)
      return try parameters.batchNorm("downsample.1", projected, epsilon: epsilon)
    }
    guard block.inputs != block.outputs || block.stride != 1 else { return x }
    let (height, width) = (x.shape[2], x.shape[3])
    let small = try x.slice(0..<height, along: 2, step: block.stride)
      .slice(0..<width, along: 3, step: block.stride)
    let added = block.outputs - block.inputs
    return try small.padded([0, 0, 0, 0, added / 2, added - added / 2])
  }
}
