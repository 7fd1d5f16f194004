internal import SystemPackage
internal import TinctureMerging
internal import TinctureNetworks
internal import TinctureTensors
internal import TinctureTorch

/// An encoder that is linear in its parameters: f(x; θ₀) + J (θ − θ₀), with the derivative J of the features with respect
/// to the parameters at θ₀.
///
/// What it gives for a sum of task vectors is the sum of what it gives for each. Sources: Ortiz-Jiménez et al.,
/// arXiv:2305.12827.
struct Tangent: Sendable {
  /// θ₀.
  let base: Parameters
  /// Equal for bases of the same values.
  let digest: String

  /// The features of inputs.
  ///
  /// - Parameters:
  ///   - parameters: θ.
  ///   - compute: f, of parameters.
  /// - Returns: A row for each input.
  /// - Throws: What `compute` throws, `engine` when an operator has no forward derivative.
  func features(
    _ parameters: Parameters, _ compute: (Parameters) throws(TinctureError) -> TorchTensor
  ) throws(TinctureError) -> TorchTensor {
    var directions: [String: TorchTensor] = [:]
    for (name, point) in base.all {
      if let own = parameters.all[name] { directions[name] = try own - point }
    }
    let found = try ForwardMode.derivative(at: base.all, along: directions) {
      (moving) throws(TinctureError) in try compute(Parameters(moving))
    }
    return try found.value + found.derivative
  }

  /// An encoder in linear form.
  ///
  /// - Throws: `recipe` for another network, `usage` for one that mixes experts.
  func network(_ network: any Network, _ suite: FilePath) throws(TinctureError) -> any Network {
    switch network {
    case is MixedImageEncoder, is MixedTextEncoder, is RoutedImageEncoder:
      throw TinctureError(
        .usage, "A model that mixes experts for every input has no linear form.",
        at: .init(file: suite.string))
    case let network as any ImageEncoder:
      return TangentImageEncoder(network: network, tangent: self)
    case let network as any TextEncoder:
      return TangentTextEncoder(network: network, tangent: self)
    default:
      throw TinctureError(
        .recipe, "Only encoders of images or texts are measured in linear form.",
        at: .init(file: suite.string))
    }
  }
}

/// An encoder of images in linear form.
struct TangentImageEncoder: ImageEncoder, CustomStringConvertible {
  let network: any ImageEncoder
  let tangent: Tangent

  var description: String { "tangent \(tangent.digest) \(network)" }
  var parameterShapes: [ParameterShape] { network.parameterShapes }
  var imageSize: Int { network.imageSize }
  var channels: Int { network.channels }
  var featureWidth: Int { network.featureWidth }

  func features(
    of images: TorchTensor, _ parameters: Parameters
  ) throws(TinctureError) -> TorchTensor {
    try tangent.features(parameters) { (own) throws(TinctureError) in
      try network.features(of: images, own)
    }
  }
}

/// An encoder of texts in linear form.
struct TangentTextEncoder: TextEncoder, CustomStringConvertible {
  let network: any TextEncoder
  let tangent: Tangent

  var description: String { "tangent \(tangent.digest) \(network)" }
  var parameterShapes: [ParameterShape] { network.parameterShapes }
  var featureWidth: Int { network.featureWidth }

  func features(
    of batch: TokenBatch, _ parameters: Parameters
  ) throws(TinctureError) -> TorchTensor {
    try tangent.features(parameters) { (own) throws(TinctureError) in
      try network.features(of: batch, own)
    }
  }
}
