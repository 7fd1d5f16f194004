internal import TinctureTensors

/// How the ranks of an adapter's layers are chosen.
public enum RankRule: Sendable, Hashable {
  /// The same rank for every layer that can have it.
  case rank(Int)
  /// For each layer the least rank that holds a share of the squared norm of its change.
  case energy(Double)
  /// Ranks for which the squared error of all layers together is least while the file has at most this
  /// many bytes.
  case budget(Int)

  /// Checks the rule itself.
  ///
  /// - Throws: `usage` for a rank below 1, a share outside of 0 to 1, or a budget without room.
  func check() throws(TinctureError) {
    switch self {
    case .rank(let rank):
      guard rank > 0 else {
        throw TinctureError(.usage, "A rank must be at least 1, not \(rank).")
      }
    case .energy(let share):
      guard share > 0, share <= 1 else {
        throw TinctureError(
          .usage, "A share of energy must be above 0 and at most 1, not \(share).")
      }
    case .budget(let bytes):
      guard bytes > 0 else {
        throw TinctureError(.usage, "A budget must be above 0 bytes, not \(bytes).")
      }
    }
  }

  /// Refuses a rank that no layer can have.
  func check(_ layers: [AdapterLayer]) throws(TinctureError) {
    guard case .rank(let rank) = self,
      let largest = layers.max(by: { $0.fullRank < $1.fullRank }), rank > largest.fullRank
    else { return }
    throw TinctureError(
      .usage,
      "The rank \(rank) is larger than any matrix: \(largest.name) is \(largest.outputs) × "
        + "\(largest.inputCount) and has rank \(largest.fullRank) at most.",
      at: .init(tensor: largest.name))
  }
}

/// Ranks of layers within a number of elements.
///
/// A rank more takes away the next σ² of a layer's squared error and costs rows and columns. The ranks with
/// the largest σ² for each element come first; as singular values descend, no other choice of the same
/// size has a smaller error.
struct RankBudget {
  /// The singular values of each layer, largest first.
  let spectra: [[Double]]
  /// The elements that one more rank of each layer takes.
  let costs: [Int]

  /// Chooses ranks.
  ///
  /// - Parameter elements: How many elements all factors may have together.
  /// - Returns: A rank for each layer.
  /// - Complexity: O(n log n) in the number of singular values.
  func ranks(elements: Int) -> [Int] {
    var steps: [(gain: Double, layer: Int, rank: Int)] = []
    for (layer, spectrum) in spectra.enumerated() {
      let noise = (spectrum.first ?? 0) * 1e-7
      for (index, value) in spectrum.enumerated() where value > noise {
        steps.append((value * value / Double(costs[layer]), layer, index + 1))
      }
    }
    steps.sort { ($0.gain, $1.layer, $1.rank) > ($1.gain, $0.layer, $0.rank) }
    var ranks = [Int](repeating: 0, count: spectra.count)
    var left = elements
    for step in steps where ranks[step.layer] == step.rank - 1 && costs[step.layer] <= left {
      ranks[step.layer] = step.rank
      left -= costs[step.layer]
    }
    return ranks
  }
}
