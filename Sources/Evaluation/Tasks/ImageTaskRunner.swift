internal import TinctureData
internal import TinctureMetrics
internal import TinctureNetworks
package import TinctureTensors
package import TinctureTorch

/// Classes of images: an encoder's features through the task's head, or a classifier's own scores.
struct ImageTaskRunner: TaskRunner {
  private let network: any ImageEncoder
  private let context: TaskContext
  private let data: TaskData
  private let head: TaskHead?
  private let correction: LowRankCorrection?

  init(_ network: any ImageEncoder, _ context: TaskContext) throws(TinctureError) {
    try context.requireMetric([.classes, .scores])
    self.network = network
    self.context = context
    data = try TaskData(context)
    head = try context.head(width: network.featureWidth)
    let classCount = (network as? any ImageClassifier)?.classCount
    if head == nil, classCount == nil {
      throw context.refusal("needs a 'head': the network ends with features.")
    }
    correction = try context.correction(
      width: head == nil ? classCount ?? network.featureWidth : network.featureWidth)
  }

  var count: Int { data.count }

  func update(_ digest: inout ContentDigest) throws(TinctureError) {
    digest.update("image classes 1 \(network) \(context.suite.input)")
    head?.update(&digest)
    try data.update(&digest)
  }

  func outputs(
    _ indices: [Int], _ parameters: Parameters
  ) throws(TinctureError) -> TorchTensor {
    let images = try context.images(
      data, at: indices, size: network.imageSize, network.channels)
    if let head {
      let features = try network.features(of: images, parameters)
      return try head(correction?(features) ?? features)
    }
    guard let classifier = network as? any ImageClassifier else {
      throw TinctureError(.internalError, "A network without classes has no head.")
    }
    let scores = try classifier.logits(of: images, parameters)
    return try correction?(scores) ?? scores
  }

  func observations(_ outputs: TaskOutputs) throws(TinctureError) -> Observations {
    try context.observations(outputs, data)
  }
}

extension TaskContext {
  /// Images for a network: [N, channels, height, width] in single precision.
  ///
  /// - Parameters:
  ///   - data: The examples.
  ///   - indices: Which of them.
  ///   - size: The height and width that the network needs; nil takes any.
  ///   - channels: The channels that the network needs.
  /// - Returns: The images on the context's device.
  /// - Throws: `data` when the images do not fit, `recipe` when the suite does not say how they could.
  func images(
    _ data: TaskData, at indices: [Int], size: Int?, _ channels: Int
  ) throws(TinctureError) -> TorchTensor {
    switch suite.input {
    case .preprocessed(let name):
      guard channels == 3 else {
        throw refusal("has an input '\(name.rawValue)', which makes images of three channels.")
      }
      var preprocessor = name.preprocessor
      if let size { preprocessor.size = size }
      return try TorchTensor(
        preprocessor.apply(to: data.images(at: indices)),
        shape: [indices.count] + preprocessor.extents,
        on: device)
    case .normalized(let normalization):
      guard case .numbers = try data.inputContent else {
        throw refusal(
          "has pictures of any size; say 'preprocess: clip' or 'preprocess: imagenet' in 'input'.")
      }
      let stored = try data.tensor(data.reference.inputs, at: indices).moved(to: device)
      return try normalization(stored, size: size, channels: channels)
    }
  }
}

extension ImageNormalization {
  /// Images for a network: [N, channels, height, width] in single precision.
  ///
  /// Grey images [N, height, width] get their axis of channels, and are repeated for networks of several.
  /// Of [N, height, width, channels] the channels are brought to the front.
  package func callAsFunction(
    _ stored: TorchTensor, size: Int?, channels: Int
  ) throws(TinctureError) -> TorchTensor {
    var images = try stored.converted(to: .f32)
    if images.rank == 3 { images = try images.unsqueezed(at: 1) }
    if images.rank == 4, images.shape[1] != channels, images.shape[1] != 1,
      [1, channels].contains(images.shape[3])
    {
      images = try images.permuted(0, 3, 1, 2)
    }
    let extents = images.shape
    guard images.rank == 4, size.map({ extents[2] == $0 && extents[3] == $0 }) ?? true,
      extents[1] == channels || extents[1] == 1
    else {
      let side = size.map { "\($0)" } ?? "…"
      throw TinctureError(
        .data,
        "Images of the shape \(Array(stored.shape.dropFirst())) do not fit the network, which takes"
          + " [\(channels), \(side), \(side)].")
    }
    func spread(_ values: [Double]) throws(TinctureError) -> TorchTensor {
      try TorchTensor(values.map(Float.init), shape: [1, values.count, 1, 1], on: images.device)
    }
    if extents[1] < channels {
      images = try images.expanded([extents[0], channels, extents[2], extents[3]])
    }
    guard standardizes else {
      return try (images / range - spread(mean)) / spread(deviation)
    }
    let center = try images - images.mean(along: 1, 2, 3, keepingAxes: true)
    let floor = 1 / Double(images.shape.dropFirst().reduce(1, *)).squareRoot()
    return try center
      / images.variance(along: 1, 2, 3, unbiased: false, keepingAxes: true).sqrt().clamped(
        min: floor)
  }
}
