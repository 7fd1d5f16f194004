internal import SystemPackage
internal import TinctureCheckpoints
internal import TinctureNetworks
internal import TinctureSafetensors
internal import TinctureTensors
internal import TinctureTorch

extension Mixture {
  /// A network that mixes its parameters for every input.
  ///
  /// - Parameters:
  ///   - network: The network of the model's own tensors.
  ///   - routing: How inputs are mixed for where features are routed.
  ///   - device: Where tensors shall lie.
  /// - Returns: A network that takes the model's own parameters.
  /// - Throws: `checkpoint` when the mixture does not fit the network, `usage` when the routing does not fit the
  ///   mixture.
  func network(
    _ network: any Network, _ routing: MixtureRouting?, on device: TorchDevice
  ) throws(TinctureError) -> any Network {
    let digest = try digest()
    switch (self.routing, network) {
    case (.features, let network as any ImageEncoder):
      let mixture = try FeatureMixture(
        self, for: network, width: network.featureWidth, routing ?? .soft, on: device)
      return MixedImageEncoder(
        network: network, mixture: mixture, description: "\(digest) \(routing ?? .soft) \(network)")
    case (.features, let network as any TextEncoder):
      let mixture = try FeatureMixture(
        self, for: network, width: network.featureWidth, routing ?? .soft, on: device)
      return MixedTextEncoder(
        network: network, mixture: mixture, description: "\(digest) \(routing ?? .soft) \(network)")
    case (.perceptrons, let network as any PerceptronNetwork):
      guard routing == nil else {
        throw TinctureError(
          .usage,
          "\(method) mixes every perceptron by numbers of its own; --routing is for mixtures by features.",
          at: .init(file: file.file.path.string))
      }
      return RoutedImageEncoder(
        network: network, router: try router(of: network, on: device),
        description: "\(digest) \(network)")
    default:
      throw TinctureError(
        .checkpoint,
        self.routing == .features
          ? "A mixture by features needs an encoder of images or texts."
          : "A mixture of perceptrons needs a vision transformer or CLIP's encoder of images.",
        at: .init(file: file.file.path.string))
    }
  }

  /// The routers and the vectors of a network's perceptrons.
  private func router(
    of network: any PerceptronNetwork, on device: TorchDevice
  ) throws(TinctureError) -> PerceptronRouter {
    let perceptrons = network.perceptrons
    var places: [String: Int] = [:]
    for (place, router) in routers.enumerated() {
      for own in router.modules { places[own] = place }
    }
    guard Set(places.keys) == Set(perceptrons.map(\.module)), let width = perceptrons.first?.width
    else {
      throw TinctureError(
        .checkpoint,
        "The mixture has routers of \(places.keys.sorted().joined(separator: ", ")); the network's perceptrons are"
          + " \(perceptrons.map(\.module).joined(separator: ", ")).",
        at: .init(file: file.file.path.string))
    }
    var parameters: [Parameters] = []
    for router in routers {
      let shapes = PerceptronRouter.shapes(width: width, tasks: experts.count)
      parameters.append(Parameters(try tensors(of: router, shapes, on: device)))
    }
    var vectors: [String: TorchTensor] = [:]
    for shape in perceptrons.flatMap(\.parameters) {
      let length = shape.extents.reduce(1, *)
      var rows = [Float]()
      rows.reserveCapacity(length * experts.count)
      for expert in experts {
        var row = ContiguousArray<Float>(repeating: 0, count: length)
        if let vector = expert.vectors[shape.name] {
          guard vector.shape.extents == shape.extents else {
            throw TinctureError(
              .checkpoint,
              "The mixture has a vector \(vector.shape) of '\(expert.name)' for this tensor, whose shape"
                + " is \(shape.extents).",
              at: .init(file: file.file.path.string, tensor: shape.name))
          }
          try add(vector, times: 1, to: &row)
        }
        rows += row
      }
      vectors[shape.name] = try TorchTensor(rows, shape: [experts.count, length], on: device)
    }
    return PerceptronRouter(
      parameters, places: places, perceptrons, vectors: vectors, averages: false)
  }
}

/// An encoder of images whose parameters are mixed for every image by its features.
struct MixedImageEncoder: ImageEncoder, CustomStringConvertible {
  let network: any ImageEncoder
  let mixture: FeatureMixture
  let description: String

  var parameterShapes: [ParameterShape] { network.parameterShapes }
  var imageSize: Int { network.imageSize }
  var channels: Int { network.channels }
  var featureWidth: Int { network.featureWidth }

  func features(
    of images: TorchTensor, _ parameters: Parameters
  ) throws(TinctureError) -> TorchTensor {
    try mixture.features(parameters) { (rows, own) throws(TinctureError) in
      let chosen = if let rows { try images.selected(at: rows, along: 0) } else { images }
      return try network.features(of: chosen, own)
    }
  }
}

/// An encoder of texts whose parameters are mixed for every text by its features.
struct MixedTextEncoder: TextEncoder, CustomStringConvertible {
  let network: any TextEncoder
  let mixture: FeatureMixture
  let description: String

  var parameterShapes: [ParameterShape] { network.parameterShapes }
  var featureWidth: Int { network.featureWidth }

  func features(
    of batch: TokenBatch, _ parameters: Parameters
  ) throws(TinctureError) -> TorchTensor {
    try mixture.features(parameters) { (rows, own) throws(TinctureError) in
      guard let rows else { return try network.features(of: batch, own) }
      func chosen(_ tensor: TorchTensor?) throws(TinctureError) -> TorchTensor? {
        try tensor.map { (tensor) throws(TinctureError) in try tensor.selected(at: rows, along: 0) }
      }
      let part = try TokenBatch(
        ids: batch.ids.selected(at: rows, along: 0), mask: chosen(batch.mask),
        types: chosen(batch.types))
      return try network.features(of: part, own)
    }
  }
}

/// An encoder of images whose perceptrons are mixed for every image.
///
/// Every image has weights of its own in each perceptron; as many images go together as their weights fit into
/// 64 MiB.
struct RoutedImageEncoder: ImageEncoder, CustomStringConvertible {
  let network: any PerceptronNetwork
  let router: PerceptronRouter
  let description: String

  var parameterShapes: [ParameterShape] { network.parameterShapes }
  var imageSize: Int { network.imageSize }
  var channels: Int { network.channels }
  var featureWidth: Int { network.featureWidth }

  func features(
    of images: TorchTensor, _ parameters: Parameters
  ) throws(TinctureError) -> TorchTensor {
    let sizes = network.perceptrons.map { perceptron in
      perceptron.parameters.reduce(0) { $0 + $1.extents.reduce(1, *) }
    }
    let together = max(1, (1 << 24) / max(1, sizes.max() ?? 1))
    let count = images.shape[0]
    var parts: [TorchTensor] = []
    for start in stride(from: 0, to: count, by: together) {
      let range = start..<min(start + together, count)
      parts.append(
        try network.features(
          of: images.slice(range, along: 0), parameters.routed(through: router)))
    }
    return try TorchTensor.concatenated(parts, along: 0)
  }
}
