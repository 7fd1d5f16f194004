public import TinctureNetworks
public import TinctureTensors

/// What each tensor of a network is in a phase of training.
public struct PhasePlan: Sendable {
  /// The mode.
  public let mode: LayerMode
  /// The layers that are held otherwise than by their dense weights, by the names of these.
  public let layers: [String: any Parameterization]
  /// Chosen layers that stay dense all the same, in the order of the network.
  public let left: [(weight: String, reason: DenseReason)]
  /// The dense tensors that are trained.
  public let trained: Set<String>
  /// The dense tensors that are not: frozen ones, and what normalisations count.
  public let fixed: Set<String>
  /// How many numbers are trained.
  public let trainedCount: Int
  /// How many numbers the dense network trains.
  public let denseCount: Int

  /// Plans a phase.
  ///
  /// - Parameters:
  ///   - mode: The mode.
  ///   - network: The network.
  ///   - targets: The layers that the mode is for.
  ///   - frozen: Full names of tensors that are never trained.
  ///   - others: Tensors that are trained beside the network's, such as those of a head.
  /// - Throws: `recipe` when a rank is above a layer (every such layer is a cause) or an expression of the targets is
  ///   found nowhere.
  public init(
    _ mode: LayerMode, for network: any Network, targets: RankTargets = .published,
    frozen: Set<String> = [], others: [ParameterShape] = []
  ) throws(TinctureError) {
    self.mode = mode
    let shapes = network.parameterShapes
    let images = (network as? any ImageEncoder)?.channels
    let first = shapes.first { $0.extents.count == 4 }?.name
    var layers: [String: any Parameterization] = [:]
    var left: [(String, DenseReason)] = []
    var causes: [TinctureError] = []
    for shape in try targets.layers(of: network) where !frozen.contains(shape.name) {
      // Every channel by itself, unless there is only one because images have one.
      let isDepthwise =
        shape.extents.count == 4 && shape.extents[1] == 1 && shape.extents[0] > 1
        && !(shape.name == first && images == 1)
      do throws(TinctureError) {
        switch try mode.choice(for: shape, isDepthwise: isDepthwise) {
        case .factored(let layer): layers[shape.name] = layer
        case .dense(let reason): left.append((shape.name, reason))
        case nil: break
        }
      } catch {
        causes.append(error)
      }
    }
    if let cause = causes.first {
      throw causes.count == 1
        ? cause
        : TinctureError(
          .recipe, "The rank does not fit \(causes.count) of the chosen layers:", causes: causes)
    }
    var trainsRest = true
    if case .adaptor(let settings) = mode { trainsRest = settings.trainsRest }
    var (trained, fixed): (Set<String>, Set<String>) = ([], [])
    var (count, denseCount) = (0, 0)
    for shape in shapes + others {
      let size = shape.extents.reduce(1, *)
      let isFree = !frozen.contains(shape.name) && !shape.isCounted
      if isFree { denseCount += size }
      if let layer = layers[shape.name] {
        count += layer.trainedShapes.reduce(0) { $0 + $1.extents.reduce(1, *) }
      } else if isFree && (trainsRest || others.contains(shape)) {
        trained.insert(shape.name)
        count += size
      } else {
        fixed.insert(shape.name)
      }
    }
    (self.layers, self.left, self.trained, self.fixed) = (layers, left, trained, fixed)
    (trainedCount, self.denseCount) = (count, denseCount)
  }
}

extension ParameterShape {
  /// Whether it is counted by a normalisation, and follows no gradient.
  var isCounted: Bool {
    ["running_mean", "running_var", "num_batches_tracked"].contains {
      name == $0 || name.hasSuffix("." + $0)
    }
  }
}
