internal import TinctureLinearAlgebra
internal import TinctureTensors

/// LoRA-LEGO: clusters of minimal semantic units, the pairs of a row of A and a column of B.
///
/// All units of a layer, with weight and scale in their columns, are put into K clusters by k-means on [a; b]
/// (k-means++ for a start, ten rounds of Lloyd; a cluster that loses all its units gets the one that is farthest
/// from its centre). A centre (ā, b̄) is the mean of its units; each half is stretched to the mean length of its
/// units' halves, and the change is multiplied by √(r / K) for r the largest rank of the inputs. With no more
/// units than clusters the units themselves are the result. The order of the adapters does not matter: units
/// are sorted first. Source: Zhao et al., arXiv:2409.16167.
struct UnitClusters {
  private let units: [[Double]]
  private let inputs: Int

  /// Pools the units of a layer.
  init(_ combination: LayerCombination) {
    inputs = combination.layer.inputCount
    let joined = combination.pairs.enumerated().flatMap { index, pair in
      let up = pair.up.transposed()
      let factor = pair.scale * combination.weights[index]
      return (0..<pair.rank).map { row in
        pair.down.rows(row..<row + 1).array
          + up.rows(row..<row + 1).array.map { factor * $0 }
      }
    }
    units = joined.sorted { $0.lexicographicallyPrecedes($1) }
  }

  /// Makes an adapter of some rank.
  ///
  /// - Parameters:
  ///   - count: The number of clusters.
  ///   - largestRank: The largest rank of the inputs.
  ///   - random: What the start is drawn with.
  /// - Returns: The factors.
  func merged(into count: Int, largestRank: Int, _ random: CounterRandom) -> FactorPair {
    let length = units.first?.count ?? inputs
    guard units.count > count else {
      return Self.pair(units, inputs: inputs, length: length, times: 1)
    }
    let labels = clustered(count, random)
    let centres = (0..<count).map { cluster in
      Self.stretched(
        zip(units, labels).filter { $0.1 == cluster }.map(\.0), inputs: inputs, length: length)
    }
    return Self.pair(
      centres, inputs: inputs, length: length,
      times: (Double(largestRank) / Double(count)).squareRoot())
  }

  private static func pair(_ rows: [[Double]], inputs: Int, length: Int, times factor: Double)
    -> FactorPair
  {
    let down = Matrix(rows: rows.count, columns: inputs, rows.flatMap { $0[..<inputs] })
    let columns = Matrix(
      rows: rows.count, columns: length - inputs, rows.flatMap { $0[inputs...] })
    return FactorPair(down: down, up: columns.transposed(), scale: factor)
  }

  /// The mean of units, each half stretched to the mean length of theirs.
  private static func stretched(_ members: [[Double]], inputs: Int, length: Int) -> [Double] {
    var centre = mean(members, length)
    for half in [0..<inputs, inputs..<length] {
      let norms = members.map { norm($0[half]) }
      let own = norm(centre[half])
      guard own > 0, !norms.isEmpty else { continue }
      let factor = norms.reduce(0, +) / Double(norms.count) / own
      for index in half { centre[index] *= factor }
    }
    return centre
  }

  private static func mean(_ members: [[Double]], _ length: Int) -> [Double] {
    var sum = [Double](repeating: 0, count: length)
    for unit in members { for index in 0..<length { sum[index] += unit[index] } }
    return sum.map { $0 / Double(max(1, members.count)) }
  }

  private static func norm(_ values: ArraySlice<Double>) -> Double {
    values.reduce(0) { $0 + $1 * $1 }.squareRoot()
  }

  private static func distance(_ a: [Double], _ b: [Double]) -> Double {
    var sum = 0.0
    for index in a.indices { sum += (a[index] - b[index]) * (a[index] - b[index]) }
    return sum
  }

  private func clustered(_ count: Int, _ random: CounterRandom) -> [Int] {
    var centres = starts(count, random).map { units[$0] }
    var labels = [Int](repeating: -1, count: units.count)
    for _ in 0..<10 {
      let found = assigned(to: centres)
      if found == labels { break }
      labels = found
      for cluster in centres.indices {
        centres[cluster] = Self.mean(
          zip(units, labels).filter { $0.1 == cluster }.map(\.0), units[0].count)
      }
    }
    return labels
  }

  /// The nearest centre of each unit; no centre stays without one.
  private func assigned(to centres: [[Double]]) -> [Int] {
    var distances = [Double](repeating: 0, count: units.count)
    var labels = units.enumerated().map { index, unit in
      var best = (distance: Double.infinity, cluster: 0)
      for (cluster, centre) in centres.enumerated() {
        let distance = Self.distance(unit, centre)
        if distance < best.distance { best = (distance, cluster) }
      }
      distances[index] = best.distance
      return best.cluster
    }
    var sizes = [Int](repeating: 0, count: centres.count)
    for label in labels { sizes[label] += 1 }
    for cluster in centres.indices where sizes[cluster] == 0 {
      let free = units.indices.filter { sizes[labels[$0]] > 1 }
      guard let farthest = free.max(by: { (distances[$0], $1) < (distances[$1], $0) }) else {
        continue
      }
      sizes[labels[farthest]] -= 1
      labels[farthest] = cluster
      sizes[cluster] = 1
      distances[farthest] = 0
    }
    return labels
  }

  /// k-means++: each further centre is drawn with a probability that grows with the squared distance.
  private func starts(_ count: Int, _ random: CounterRandom) -> [Int] {
    var chosen = [min(units.count - 1, Int(random.uniform(at: 0) * Double(units.count)))]
    var distances = units.map { Self.distance($0, units[chosen[0]]) }
    while chosen.count < count {
      let total = distances.reduce(0, +)
      var mark = random.uniform(at: chosen.count) * total
      var next = units.indices.first { !chosen.contains($0) } ?? 0
      if total > 0 {
        for index in units.indices where distances[index] > 0 {
          next = index
          mark -= distances[index]
          if mark <= 0 { break }
        }
      }
      chosen.append(next)
      for index in units.indices {
        distances[index] = min(distances[index], Self.distance(units[index], units[next]))
      }
    }
    return chosen
  }
}
