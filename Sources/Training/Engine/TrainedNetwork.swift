internal import TinctureEvaluation
internal import TinctureNetworks
internal import TinctureTensors
internal import TinctureTorch

/// A network that gives scores of classes, by itself or with a head.
struct TrainedNetwork: Sendable {
  private enum Content: Sendable {
    case images(any ImageEncoder)
    case classifiedImages(any ImageClassifier, classCount: Int)
    case texts(any TextEncoder)
    case classifiedTexts(any TextClassifier)
  }

  private let content: Content
  /// The network under the names of its parameters.
  let network: any Network

  /// Takes a network that training is for.
  ///
  /// - Throws: `recipe` for another.
  init(_ network: any Network, of run: TrainingRun) throws(TinctureError) {
    self.network = network
    switch network {
    case let network as any ImageClassifier:
      if let classCount = network.classCount {
        content = .classifiedImages(network, classCount: classCount)
      } else {
        content = .images(network)
      }
    case let network as any ImageEncoder: content = .images(network)
    case let network as any TextClassifier: content = .classifiedTexts(network)
    case let network as any TextEncoder: content = .texts(network)
    default:
      throw run.refusal(
        "A network of this kind cannot be trained here: it must be an encoder of images or texts, or a"
          + " classifier.")
    }
  }

  /// The number of classes, where the network itself gives scores.
  var classCount: Int? {
    switch content {
    case .classifiedImages(_, let count): count
    case .classifiedTexts(let network): network.classCount
    case .images, .texts: nil
    }
  }

  /// The numbers in a feature, where a head is needed.
  var featureWidth: Int? {
    switch content {
    case .images(let network): network.featureWidth
    case .texts(let network): network.featureWidth
    case .classifiedImages, .classifiedTexts: nil
    }
  }

  /// The height and width of images; nil for texts and for networks that take any.
  var imageSize: Int? { (network as? any ImageEncoder)?.imageSize }

  /// The channels of images; nil for texts.
  var channels: Int? { (network as? any ImageEncoder)?.channels }

  /// The scores of classes [N, classes].
  ///
  /// - Parameters:
  ///   - batch: What goes in.
  ///   - parameters: The network's parameters.
  ///   - head: The layer behind it, where there is one.
  /// - Returns: The scores before a softmax.
  /// - Throws: What the forward pass throws.
  func scores(
    of batch: TrainingExamples.Batch, _ parameters: Parameters, _ head: TaskHead?
  ) throws(TinctureError) -> TorchTensor {
    let output =
      switch (content, batch) {
      case (.images(let network), .images(let images)):
        try network.features(of: images, parameters)
      case (.classifiedImages(let network, _), .images(let images)):
        try network.logits(of: images, parameters)
      case (.texts(let network), .texts(let texts)): try network.features(of: texts, parameters)
      case (.classifiedTexts(let network), .texts(let texts)):
        try network.logits(of: texts, parameters)
      default: throw TinctureError(.internalError, "Images went to a network of texts.")
      }
    return try head?(output) ?? output
  }
}
