internal import TinctureTensors

/// Clusters of vectors by their directions: k-means with cosines, of which only the inner products are needed.
struct DirectionClusters {
  /// The inner products, row after row.
  let gram: [Double]
  /// The number of vectors.
  let count: Int

  /// How many rounds there are at most.
  private static let rounds = 100

  /// The cluster of each vector.
  ///
  /// The first centre is drawn, each next one by the square of 1 − cosine with the nearest centre so far. Then vectors
  /// go to the centre with the largest cosine, the first of several, and centres become the means of their vectors, until no vector moves; a
  /// cluster without vectors begins anew with any of them.
  ///
  /// - Parameters:
  ///   - wanted: The number of clusters; some may have no vector in the end.
  ///   - random: Draws.
  /// - Returns: A number from 0 for each vector.
  /// - Complexity: O(T² k) for each round.
  func labels(_ wanted: Int, _ random: CounterRandom) -> [Int] {
    guard wanted < count else { return Array(0..<count) }
    var turn = 0
    func draw() -> Double {
      turn += 1
      return random.uniform(at: turn - 1)
    }
    var centers = [[min(count - 1, Int(draw() * Double(count)))]]
    while centers.count < wanted {
      let far = (0..<count).map { vector in
        let distance = 1 - (centers.map { cosine(vector, $0) }.max() ?? 0)
        return max(0, distance) * max(0, distance)
      }
      centers.append([Self.choose(far, by: draw(), butNot: centers.map { $0[0] })])
    }
    var labels: [Int] = []
    for _ in 0..<Self.rounds {
      let found = (0..<count).map { vector -> Int in
        let near = centers.map { cosine(vector, $0) }
        return near.indices.max { (near[$0], -$0) < (near[$1], -$1) } ?? 0
      }
      guard found != labels else { break }
      labels = found
      for cluster in centers.indices {
        let own = found.indices.filter { found[$0] == cluster }
        centers[cluster] = own.isEmpty ? [min(count - 1, Int(draw() * Double(count)))] : own
      }
    }
    return labels
  }

  /// The cosine of a vector and the mean of some.
  private func cosine(_ vector: Int, _ members: [Int]) -> Double {
    var (product, square) = (0.0, 0.0)
    for a in members {
      product += gram[vector * count + a]
      for b in members { square += gram[a * count + b] }
    }
    let own = max(0, gram[vector * count + vector])
    let both = (own * max(0, square)).squareRoot()
    // Vectors of zeros are alike, and like no others.
    guard both > 0 else { return own <= 0 && square <= 0 ? 1 : 0 }
    return product / both
  }

  /// One of several by their weights; any of those left where all weights are zero.
  private static func choose(_ weights: [Double], by number: Double, butNot taken: [Int]) -> Int {
    let total = weights.reduce(0, +)
    guard total > 0 else {
      let left = weights.indices.filter { !taken.contains($0) }
      return left[min(left.count - 1, Int(number * Double(left.count)))]
    }
    var rest = number * total
    var last = 0
    for (index, weight) in weights.enumerated() where weight > 0 {
      last = index
      rest -= weight
      if rest < 0 { break }
    }
    return last
  }
}
