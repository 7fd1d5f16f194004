internal import TinctureMerging
internal import TinctureTensors

/// Sets elements to zero by chance, larger ones of a row less likely.
struct RankedDrop {
  let random: CounterRandom
  /// The probability of a row's smallest element to stay.
  let low: Double
  /// Half the distance to the probability of its largest.
  let spread: Double

  /// Finds the elements of a row that stay and adds up the magnitudes of all and of these.
  ///
  /// - Parameters:
  ///   - row: The row.
  ///   - start: The position of its first element in the tensor.
  ///   - workspace: Whose mask receives one bit for each element.
  ///   - all: Receives the sum of the magnitudes before.
  ///   - kept: Receives the sum after.
  func select(
    _ row: Span<Float>, from start: Int, _ workspace: Workspace, all: inout Double,
    kept: inout Double
  ) {
    Kernels.addMagnitudes(row, to: &all)
    workspace.changeMask(row.count) { bits in
      random.keepByRank(row, low: low, spread: spread, from: start, bits: &bits)
      Kernels.addMagnitudes(row, where: bits.span, to: &kept)
    }
  }

  /// Drops elements of a row and scales the others.
  func apply(
    to row: inout MutableSpan<Float>, from start: Int, _ workspace: Workspace, scale: Float
  ) {
    workspace.changeMask(row.count) {
      random.keepByRank(row.span, low: low, spread: spread, from: start, bits: &$0)
    }
    workspace.readMask(row.count) { Kernels.keep(&row, where: $0, scale: scale) }
  }

  /// Drops elements of a row and divides the others by their own probabilities, as the paper does.
  func applyInverse(to row: inout MutableSpan<Float>, from start: Int, _ workspace: Workspace) {
    let sizes = (0..<row.count).map { row[$0].magnitude }
    let order = sizes.indices.sorted { (sizes[$0], $0) < (sizes[$1], $1) }
    apply(to: &row, from: start, workspace, scale: 1)
    let step = order.count > 1 ? 2 * spread / Double(order.count - 1) : 0
    let base = order.count > 1 ? low : low + spread
    for (rank, index) in order.enumerated() where row[index] != 0 {
      row[index] /= Float(base + step * Double(rank))
    }
  }
}
