public import TinctureTensors
public import TinctureTorch

/// The name and the extents of a parameter.
public struct ParameterShape: Sendable, Hashable {
  /// The full name.
  public let name: String
  /// The extents, outermost first.
  public let extents: [Int]

  /// Creates a description.
  public init(_ name: String, _ extents: [Int]) {
    self.name = name
    self.extents = extents
  }
}

/// A function of named parameters and a batch.
///
/// A network holds its configuration and no parameters. What it needs is listed by ``parameterShapes``,
/// so that a checkpoint can be checked before anything is computed.
public protocol Network: Sendable {
  /// Every parameter that the network needs, in the order of the computation.
  var parameterShapes: [ParameterShape] { get }

  /// The same network under the names that a model gives to its parameters.
  ///
  /// Models of one architecture differ in the modules around it (`bert.`, `model.visual.`) and in styles of
  /// names. A network without such freedom returns itself.
  ///
  /// - Parameter shapes: The extents of the model's tensors by name.
  /// - Returns: The network whose ``parameterShapes`` have the model's names.
  /// - Throws: `checkpoint` when the names are ambiguous.
  func fitted(to shapes: [String: [Int]]) throws(TinctureError) -> Self
}

/// A network from images to features.
public protocol ImageEncoder: Network {
  /// The height and the width of the images in pixels.
  var imageSize: Int { get }
  /// The channels of the images.
  var channels: Int { get }
  /// The numbers in a feature.
  var featureWidth: Int { get }

  /// The features of images.
  ///
  /// - Parameters:
  ///   - images: Normalised images [N, channels, height, width].
  ///   - parameters: What ``Network/parameterShapes`` lists.
  /// - Returns: The features [N, ``featureWidth``].
  /// - Throws: `checkpoint` for a missing parameter, `engine` when LibTorch fails.
  func features(
    of images: TorchTensor, _ parameters: Parameters
  ) throws(TinctureError) -> TorchTensor
}

/// A network from images to features that may end with scores of classes.
public protocol ImageClassifier: ImageEncoder {
  /// The classes of the head, or nil when there is no head.
  var classCount: Int? { get }

  /// The scores of classes before a softmax.
  ///
  /// - Parameters:
  ///   - images: Normalised images [N, channels, height, width].
  ///   - parameters: What ``Network/parameterShapes`` lists, with those of the head.
  /// - Returns: The scores [N, classes].
  /// - Throws: `checkpoint` for a missing parameter, `engine` when LibTorch fails.
  func logits(
    of images: TorchTensor, _ parameters: Parameters
  ) throws(TinctureError) -> TorchTensor
}

extension Network {
  /// The network itself.
  public func fitted(to shapes: [String: [Int]]) throws(TinctureError) -> Self { self }

  /// Makes sure that a model has every parameter in the right shape.
  ///
  /// - Parameter shapes: The extents of the model's tensors by name.
  /// - Throws: `checkpoint` that lists everything that is missing or misshapen.
  public func check(_ shapes: [String: [Int]]) throws(TinctureError) {
    var causes: [TinctureError] = []
    for needed in parameterShapes {
      let place = TinctureError.Place(tensor: needed.name)
      guard let extents = shapes[needed.name] else {
        causes.append(TinctureError(.checkpoint, "The model has no such tensor.", at: place))
        continue
      }
      if extents != needed.extents {
        causes.append(
          TinctureError(
            .checkpoint, "Its shape is \(extents) where the network needs \(needed.extents).",
            at: place))
      }
    }
    guard let first = causes.first else { return }
    if causes.count == 1 { throw first }
    throw TinctureError(
      .checkpoint,
      "\(causes.count) tensors do not fit the network; check that the network's settings are those of"
        + " the model.", causes: causes)
  }
}
