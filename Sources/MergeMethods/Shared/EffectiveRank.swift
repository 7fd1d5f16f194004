/// Rules for how many leading eigenvalues of a matrix of products count.
enum EffectiveRank: String, CaseIterable {
  /// (Σ √λ)² / Σ λ.
  case participationSqrt = "participation_sqrt"
  /// (Σ λ)² / Σ λ².
  case participation
  /// Σ λ² / λ₁².
  case stable
  /// exp(−Σ p ln p) with p = λ / Σ λ.
  case entropy
  /// Those with √λ above a multiple of the median that follows from the ratio of extents.
  case gavishDonoho = "gavish_donoho"
  /// The fewest with a given share of Σ λ.
  case variance

  /// The number of eigenvalues.
  ///
  /// - Parameters:
  ///   - values: The eigenvalues, largest first, none below zero.
  ///   - share: The share for `variance`.
  ///   - aspect: The smaller extent over the larger one of the matrix whose squared singular values they are.
  /// - Returns: From 0 to the number of values; 0 only where all of them are zero or none exceeds a threshold.
  func rank(of values: [Double], share: Double, aspect: Double) -> Int {
    let sum = values.reduce(0, +)
    guard sum > 0, let first = values.first else { return 0 }
    let squares = values.reduce(0) { $0 + $1 * $1 }
    switch self {
    case .participationSqrt:
      let roots = values.reduce(0) { $0 + $1.squareRoot() }
      return Self.rounded(roots * roots / sum, within: values)
    case .participation: return Self.rounded(sum * sum / squares, within: values)
    case .stable: return Self.rounded(squares / (first * first), within: values)
    case .entropy:
      let entropy = values.reduce(0) { total, value in
        let share = value / sum
        return share > 0 ? total - share * Powers.logarithm(share) : total
      }
      return Self.rounded(Powers.exponential(entropy), within: values)
    case .gavishDonoho:
      let middle = values.count / 2
      let median =
        values.count % 2 == 1
        ? values[middle].squareRoot()
        : (values[middle - 1].squareRoot() + values[middle].squareRoot()) / 2
      let factor = ((0.56 * aspect - 0.95) * aspect + 1.82) * aspect + 1.43
      return values.prefix { $0.squareRoot() > factor * median }.count
    case .variance:
      var part = 0.0
      for (index, value) in values.enumerated() {
        part += value
        if part >= share * sum { return index + 1 }
      }
      return values.count
    }
  }

  /// Rounds up; what exceeds a whole number by rounding errors alone does not count.
  private static func rounded(_ value: Double, within values: [Double]) -> Int {
    min(values.count, Int((value * (1 - 1e-12)).rounded(.up)))
  }
}
