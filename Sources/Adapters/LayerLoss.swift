/// What one layer of an adapter keeps of the change that it stands for.
public struct LayerLoss: Sendable, Hashable {
  /// The layer.
  public let layer: AdapterLayer
  /// The rank that it got; 0 where the change is left out.
  public let rank: Int
  /// The Frobenius norm of the change.
  public let norm: Double
  /// The Frobenius norm of what is lost, before the factors are rounded to their type.
  public let error: Double

  /// Creates a description.
  public init(layer: AdapterLayer, rank: Int, norm: Double, error: Double) {
    self.layer = layer
    self.rank = rank
    self.norm = norm
    self.error = error
  }

  /// The share of the norm that is lost.
  public var relativeError: Double { norm > 0 ? error / norm : 0 }
  /// The share of the squared norm that is kept.
  public var energy: Double { norm > 0 ? max(0, 1 - relativeError * relativeError) : 1 }
}

/// What a command made of adapters wrote.
public struct AdapterReport: Sendable, Hashable {
  /// Every layer, in the order of the file; those that were left out have the rank 0.
  public var layers: [LayerLoss] = []
  /// Tensors that differ and are not in the adapter, with their names.
  public var unsaved: [String] = []
  /// Tensors that are stored whole.
  public var saved: [String] = []
  /// The bytes of all tensors.
  public var byteCount = 0
  /// What the user should know besides.
  public var notes: [String] = []

  /// Creates an empty report.
  public init() {}

  /// The share of the squared norm of all changes that is kept.
  public var energy: Double {
    let norm = layers.reduce(0) { $0 + $1.norm * $1.norm }
    return norm > 0 ? 1 - layers.reduce(0) { $0 + $1.error * $1.error } / norm : 1
  }
}
