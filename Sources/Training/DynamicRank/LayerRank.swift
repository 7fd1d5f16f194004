/// How the rank of a layer follows from its size.
public enum LayerRank: Sendable, Hashable {
  /// A share of the outputs of a convolution, or of the smaller side of a matrix; rounded down, at least one.
  case ratio(Double)
  /// The same rank for all layers.
  case rank(Int)

  /// The rank of a layer.
  ///
  /// - Parameter extents: The extents of its weight, outputs first.
  /// - Returns: ⌊ρ · outputs⌋ for a convolution, ⌊ρ · min(outputs, inputs)⌋ for a matrix, or the given rank.
  public func rank(of extents: [Int]) -> Int {
    switch self {
    case .rank(let rank): return rank
    case .ratio(let share):
      let outputs = extents.first ?? 0
      let size = extents.count == 4 ? outputs : min(outputs, extents.last ?? 0)
      // A share such as 0.29 of 100 shall be 29.
      return max(1, Int((share * Double(size) + 1e-9).rounded(.down)))
    }
  }
}
