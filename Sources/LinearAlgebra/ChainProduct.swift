public import TinctureTensors

extension Backend {
  /// Multiplies several matrices in the order that costs least.
  ///
  /// A₁ A₂ … Aₖ. Which neighbours are multiplied first changes the number of operations and nothing else but rounding.
  ///
  /// - Parameter chain: The matrices, at least one, each with as many columns as the next has rows.
  /// - Returns: The product.
  /// - Throws: An error if the shapes do not chain.
  /// - Complexity: That of the products; k³ to find the order.
  public func multiply<Element: MatrixElement>(
    chain: [Matrix<Element>]
  ) throws(TinctureError) -> Matrix<Element> {
    precondition(!chain.isEmpty, "A product needs at least one matrix.")
    let extents = chain.map(\.rows) + [chain[chain.count - 1].columns]
    return try product(chain, 0..<chain.count, Self.cheapestCuts(extents.map { Double($0) }))
  }

  private func product<Element: MatrixElement>(
    _ chain: [Matrix<Element>], _ range: Range<Int>, _ cuts: [Range<Int>: Int]
  ) throws(TinctureError) -> Matrix<Element> {
    guard range.count > 1, let cut = cuts[range] else { return chain[range.lowerBound] }
    return try multiply(
      product(chain, range.lowerBound..<cut, cuts), product(chain, cut..<range.upperBound, cuts))
  }

  /// Where each part of a chain is cut in two: between which matrices the last of its products stands.
  private static func cheapestCuts(_ extents: [Double]) -> [Range<Int>: Int] {
    var costs: [Range<Int>: Double] = [:]
    var cuts: [Range<Int>: Int] = [:]
    for length in stride(from: 2, to: extents.count, by: 1) {
      for start in 0..<extents.count - length {
        let range = start..<start + length
        var best = Double.infinity
        for cut in start + 1..<range.upperBound {
          let parts = (costs[start..<cut] ?? 0) + (costs[cut..<range.upperBound] ?? 0)
          let cost = parts + extents[start] * extents[cut] * extents[range.upperBound]
          if cost < best { (best, cuts[range]) = (cost, cut) }
        }
        costs[range] = best
      }
    }
    return cuts
  }
}
