public import TinctureTensors
public import TinctureTorch

/// What a network says about every pixel.
public struct DenseTask: Sendable, Hashable {
  /// The kinds of answers.
  public enum Kind: Sendable, Hashable {
    /// Scores of classes before a softmax.
    case segmentation(classes: Int)
    /// A distance that is not negative: softplus of the head's number.
    case depth
    /// A direction of length one in three numbers.
    case normals
  }

  /// The name of the task, which is a module of `heads`.
  public var name: String
  /// The kind of its answers.
  public var kind: Kind

  /// Names a task.
  public init(_ name: String, _ kind: Kind) {
    self.name = name
    self.kind = kind
  }

  /// The channels of its answers.
  public var channels: Int {
    switch kind {
    case .segmentation(let classes): classes
    case .depth: 1
    case .normals: 3
    }
  }
}

/// A residual network with a pyramid of features and a small head for each dense task.
///
/// The pyramid: each stage's map is brought to f channels by a 1×1 convolution; from the smallest to the
/// largest, each gets the next smaller one added, made larger by its nearest pixels; then each passes a 3×3
/// convolution. These are the names and the arithmetic of torchvision's `FeaturePyramidNetwork`. All maps are
/// made as large as the largest (bilinear) and summed. A head is a 3×3 convolution with f channels,
/// max(x, 0), and a 1×1 convolution to the task's channels; its result is made as large as the image (bilinear)
/// and then, by the task's kind, kept, passed through log(1 + eˣ), or divided by its length.
///
/// Parameters: those of ``backbone`` in its module; `pyramid.inner_blocks.i.0` [f, stage, 1, 1],
/// `pyramid.layer_blocks.i.0` [f, f, 3, 3] for stages i from 0; `heads.NAME.0` [f, f, 3, 3], `heads.NAME.2`
/// [channels, f, 1, 1]; each with its `.bias`.
///
/// Source of the pyramid: Lin et al., arXiv:1612.03144.
public struct DenseNetwork: Network, Hashable {
  /// The network before the pyramid, usually in the module `backbone`.
  public var backbone: ResNet
  /// The channels of the pyramid.
  public var pyramidWidth: Int
  /// The tasks.
  public var tasks: [DenseTask]

  /// Puts a pyramid and heads on a network.
  public init(_ backbone: ResNet, pyramidWidth: Int = 256, tasks: [DenseTask]) {
    self.backbone = backbone
    self.backbone.classCount = nil
    self.pyramidWidth = pyramidWidth
    self.tasks = tasks
  }

  /// Every parameter.
  public var parameterShapes: [ParameterShape] {
    var shapes = backbone.parameterShapes
    for (stage, width) in backbone.stageWidths.enumerated() {
      shapes.append(layer: "pyramid.inner_blocks.\(stage).0", [pyramidWidth, width, 1, 1])
      shapes.append(layer: "pyramid.layer_blocks.\(stage).0", [pyramidWidth, pyramidWidth, 3, 3])
    }
    for task in tasks {
      shapes.append(layer: "heads.\(task.name).0", [pyramidWidth, pyramidWidth, 3, 3])
      shapes.append(layer: "heads.\(task.name).2", [task.channels, pyramidWidth, 1, 1])
    }
    return shapes
  }

  /// What the network says about images.
  ///
  /// - Parameters:
  ///   - images: Normalised images [N, channels, height, width].
  ///   - names: The tasks to answer; nil answers all.
  ///   - parameters: What ``parameterShapes`` lists; heads of other tasks are not needed.
  /// - Returns: For each task [N, channels, height, width].
  /// - Throws: `checkpoint` for a missing parameter, `engine` when LibTorch fails.
  public func answers(
    to images: TorchTensor, tasks names: Set<String>? = nil, _ parameters: Parameters
  ) throws(TinctureError) -> [String: TorchTensor] {
    let shape = images.shape
    let map = try combined(backbone.maps(of: images, parameters), parameters.scope("pyramid"))
    var answers: [String: TorchTensor] = [:]
    for task in tasks where names?.contains(task.name) ?? true {
      let head = parameters.scope("heads").scope(task.name)
      let hidden = try head.convolution("0", map, padding: 1).relu()
      let small = try head.convolution("2", hidden)
      let y = try small.resized(height: shape[2], width: shape[3], by: .bilinear())
      answers[task.name] =
        switch task.kind {
        case .segmentation: y
        // log(1 + eˣ) without overflow.
        case .depth: try y.maximum(TorchTensor(Float(0))) + (-y.abs()).exp().log1p()
        case .normals: try y.normalized(along: 1)
        }
    }
    return answers
  }

  /// The sum of the pyramid's maps, as large as the largest of them.
  private func combined(
    _ maps: [TorchTensor], _ pyramid: Parameters
  ) throws(TinctureError) -> TorchTensor {
    var above: TorchTensor?
    var levels: [TorchTensor] = []
    for (stage, map) in maps.enumerated().reversed() {
      var x = try pyramid.convolution("inner_blocks.\(stage).0", map)
      if let above {
        x = try x + above.resized(height: x.shape[2], width: x.shape[3], by: .nearest)
      }
      above = x
      levels.append(try pyramid.convolution("layer_blocks.\(stage).0", x, padding: 1))
    }
    guard var sum = levels.popLast() else {
      throw TinctureError(.checkpoint, "A network without stages has no pyramid.")
    }
    let (height, width) = (sum.shape[2], sum.shape[3])
    for level in levels.reversed() {
      sum = try sum + level.resized(height: height, width: width, by: .bilinear())
    }
    return sum
  }

  /// The same network with the backbone under the names that a model gives to its parameters.
  public func fitted(to shapes: [String: [Int]]) throws(TinctureError) -> DenseNetwork {
    var network = self
    network.backbone = try backbone.fitted(to: shapes)
    return network
  }
}
