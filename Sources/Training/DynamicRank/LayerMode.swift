internal import TinctureNetworks
internal import TinctureTensors

/// How the weights of chosen layers are held in a phase of training.
public enum LayerMode: Sendable, Hashable {
  /// As they are, wholly trained.
  case dense
  /// As products of factors, all of which are trained.
  case lowRank(LowRankSettings)
  /// As they are and not trained, with a trained change of low rank.
  case adaptor(AdaptorSettings)

  /// The name of the mode in recipes and reports.
  public var name: String {
    switch self {
    case .dense: "dense"
    case .lowRank: "low_rank"
    case .adaptor: "adaptor"
    }
  }
}

/// How weights become products of factors.
public struct LowRankSettings: Sendable, Hashable {
  /// The form of the products.
  public var form = FactorForm.matrix
  /// The rank of each layer.
  public var rank = LayerRank.ratio(0.5)
  /// Whether factors begin as those of the weight so far, and not at random.
  public var startsFromWeight = false
  /// Whether layers stay dense whose factors would have no fewer numbers than the weight.
  public var mustSave = true

  /// Takes the published settings, to be changed.
  public init() {}
}

/// How a change of low rank is added to weights that stay as they are.
public struct AdaptorSettings: Sendable, Hashable {
  /// The form of the change.
  public var form = FactorForm.matrix
  /// The rank of each layer.
  public var rank = LayerRank.ratio(0.5)
  /// α, which divided by the rank multiplies the change; nil takes the published one: 16 for matrices, 1 for
  /// Tucker's form, 64 for others.
  public var alpha: Double?
  /// Whether layers stay dense, and trained, whose factors would have no fewer numbers than the weight.
  public var mustSave = true
  /// Whether what is no chosen layer (normalisations, biases, heads, other layers) is trained, too.
  public var trainsRest = true

  /// Takes the published settings, to be changed.
  public init() {}
}

/// Why a chosen layer stays dense in a phase that would factor it.
public enum DenseReason: Sendable, Hashable, CustomStringConvertible {
  /// Its channels do not meet.
  case depthwise
  /// The rank is that of the whole weight.
  case wholeRank(rank: Int, extent: Int)
  /// The factors would have no fewer numbers.
  case savesNothing(factors: Int, dense: Int)

  /// A clause for reports.
  public var description: String {
    switch self {
    case .depthwise: "its channels do not meet"
    case .wholeRank(let rank, let extent):
      "rank \(rank) is not below its smaller side, \(extent)"
    case .savesNothing(let factors, let dense):
      "\(factors) numbers in factors are not fewer than \(dense)"
    }
  }
}

extension LayerMode {
  /// A layer's parameterisation in this mode, or why it stays dense.
  enum Choice {
    case factored(any FactoredLayer)
    case dense(DenseReason)
  }

  /// Chooses for a layer.
  ///
  /// - Parameters:
  ///   - shape: The dense weight.
  ///   - isDepthwise: Whether its channels do not meet.
  /// - Returns: The choice; nil in the dense mode.
  /// - Throws: `recipe` when the settings name a rank above the layer, or no rank at all.
  func choice(
    for shape: ParameterShape, isDepthwise: Bool
  ) throws(TinctureError) -> Choice? {
    let layer: any FactoredLayer
    let (rank, mustSave): (Int, Bool)
    switch self {
    case .dense: return nil
    case .lowRank(let settings):
      (rank, mustSave) = (try settings.rank.checked(for: shape), settings.mustSave)
      layer = LowRankLayer(
        shape, form: settings.form, rank: rank, startsFromWeight: settings.startsFromWeight)
    case .adaptor(let settings):
      (rank, mustSave) = (try settings.rank.checked(for: shape), settings.mustSave)
      layer = AdaptorLayer(shape, form: settings.form, rank: rank, alpha: settings.alpha)
    }
    if isDepthwise { return .dense(.depthwise) }
    let extent = shape.smallerSide
    if rank >= extent { return .dense(.wholeRank(rank: rank, extent: extent)) }
    let (count, dense) = (layer.product.elementCount, shape.extents.reduce(1, *))
    if mustSave, count >= dense { return .dense(.savesNothing(factors: count, dense: dense)) }
    return .factored(layer)
  }
}

extension LayerRank {
  /// The rank of a layer, if there can be one.
  func checked(for shape: ParameterShape) throws(TinctureError) -> Int {
    let place = TinctureError.Place(tensor: shape.name)
    switch self {
    case .ratio(let share):
      guard share > 0, share <= 1 else {
        throw TinctureError(
          .recipe, "A rank of \(share) times the outputs is not above 0 and at most 1.", at: place)
      }
    case .rank(let rank):
      guard rank >= 1 else {
        throw TinctureError(.recipe, "A rank is at least 1; this is \(rank).", at: place)
      }
      guard rank <= shape.smallerSide else {
        throw TinctureError(
          .recipe,
          "The rank \(rank) is above the layer, whose smaller side is \(shape.smallerSide): choose a smaller"
            + " one, a share of the outputs, or leave the layer out of the targets.", at: place)
      }
    }
    return rank(of: shape.extents)
  }
}

extension ParameterShape {
  /// The smaller side of the weight as the matrix outputs × (channels · height · width).
  var smallerSide: Int {
    min(extents.first ?? 0, extents.dropFirst().reduce(1, *))
  }
}
