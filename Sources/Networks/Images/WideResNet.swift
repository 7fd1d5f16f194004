public import TinctureTensors
public import TinctureTorch

/// A wide residual network, WRN-d-k, for small images.
///
/// A 3×3 convolution; three stages of n blocks x ← short(x) + conv(dropout(relu(norm(conv(relu(norm(x))))))) with
/// 3×3 convolutions and 16k, 32k and 64k channels, of which the second and the third stage halve the image; a last
/// normalisation and relu; the feature is the mean over the image. The depth d is 6n + 4. Where a block changes the
/// channels, its shortcut is a 1×1 convolution of relu(norm(x)). There are no biases but the head's.
///
/// Parameters, named as the usual PyTorch port has them: `conv1.weight` [s, c, 3, 3]; in `blockL.layer.i` with
/// p = s·k·2^(L−1): `bn1`, `conv1.weight` [p, in, 3, 3], `bn2`, `conv2.weight` [p, p, 3, 3], and where the channels
/// change `convShortcut.weight` [p, in, 1, 1]; `bn1`; where there are classes `fc` [classes, 4·s·k]. A normalisation
/// has `.weight`, `.bias`, `.running_mean` and `.running_var`.
///
/// Source: Zagoruyko and Komodakis, arXiv:1605.07146.
public struct WideResNet: ImageClassifier, Hashable {
  /// The height and the width of the images in pixels; others are computed as well.
  public var imageSize = 32
  /// The channels of the images.
  public var channels = 3
  /// The channels after the first convolution.
  public var stemWidth = 16
  /// k, what the channels of stages are multiplied by.
  public var widening = 10
  /// The blocks of each stage.
  public var blocks = 4
  /// The probability of numbers between the convolutions of a block to become zero in training.
  public var dropout = 0.3
  /// The classes of the head, or nil when there is no head.
  public var classCount: Int?
  /// What is added to variances.
  public var epsilon = 1e-5

  /// Creates WRN-28-10 without a head, to be changed.
  public init() {}

  /// The numbers in a feature.
  public var featureWidth: Int { 4 * stemWidth * widening }

  /// The layers with weights, shortcuts counted as one.
  public var depth: Int { 6 * blocks + 4 }

  /// Every parameter.
  public var parameterShapes: [ParameterShape] {
    var shapes: [ParameterShape] = []
    shapes.append(layer: "conv1", [stemWidth, channels, 3, 3], bias: false)
    forEachBlock { block in
      let (module, inputs, outputs) = (block.module + ".", block.inputs, block.outputs)
      shapes.append(batchNorm: module + "bn1", inputs)
      shapes.append(layer: module + "conv1", [outputs, inputs, 3, 3], bias: false)
      shapes.append(batchNorm: module + "bn2", outputs)
      shapes.append(layer: module + "conv2", [outputs, outputs, 3, 3], bias: false)
      if block.changesChannels {
        shapes.append(layer: module + "convShortcut", [outputs, inputs, 1, 1], bias: false)
      }
    }
    shapes.append(batchNorm: "bn1", featureWidth)
    if let classCount { shapes.append(layer: "fc", [classCount, featureWidth]) }
    return shapes
  }

  /// The means of the last maps over images.
  public func features(
    of images: TorchTensor, _ parameters: Parameters
  ) throws(TinctureError) -> TorchTensor {
    var x = try parameters.convolution("conv1", images, padding: 1)
    try forEachBlock { (block) throws(TinctureError) in
      x = try output(of: block, x, parameters.scope(block.module))
    }
    return try parameters.batchNorm("bn1", x, epsilon: epsilon).relu().mean(along: 2, 3)
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

    var changesChannels: Bool { inputs != outputs }
  }

  private func forEachBlock<Failure: Error>(
    _ body: (Block) throws(Failure) -> Void
  ) throws(Failure) {
    var inputs = stemWidth
    for stage in 0..<3 {
      let outputs = (stemWidth * widening) << stage
      for index in 0..<blocks {
        try body(
          Block(
            module: "block\(stage + 1).layer.\(index)", inputs: inputs, outputs: outputs,
            stride: stage > 0 && index == 0 ? 2 : 1))
        inputs = outputs
      }
    }
  }

  private func output(
    of block: Block, _ x: TorchTensor, _ parameters: Parameters
  ) throws(TinctureError) -> TorchTensor {
    let normed = try parameters.batchNorm("bn1", x, epsilon: epsilon).relu()
    var y = try parameters.convolution("conv1", normed, stride: block.stride, padding: 1)
    y = try parameters.batchNorm("bn2", y, epsilon: epsilon).relu()
    y = try parameters.convolution("conv2", parameters.dropout("dropout", y, dropout), padding: 1)
    guard block.changesChannels else { return try y + x }
    return try y + parameters.convolution("convShortcut", normed, stride: block.stride)
  }
}
