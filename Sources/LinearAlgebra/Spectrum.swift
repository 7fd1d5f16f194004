/// The singular values of a matrix, and what they say about it.
public struct Spectrum: Sendable, Hashable {
  /// The singular values, largest first, in double precision.
  public let values: [Double]

  /// Takes singular values.
  ///
  /// - Parameter values: None may be negative or NaN; any order.
  public init(_ values: some Sequence<some MatrixElement>) {
    self.values = values.map { Double($0) }.sorted(by: >)
    precondition(
      self.values.allSatisfy { $0 >= 0 }, "Singular values cannot be negative or NaN.")
  }

  /// The largest, which is the spectral norm of the matrix; 0 if there is none.
  public var largest: Double { values.first ?? 0 }

  /// The Frobenius norm of the matrix, (Σ σᵢ²)^½.
  public var frobeniusNorm: Double {
    guard largest > 0 else { return 0 }
    return largest * values.reduce(0) { $0 + ($1 / largest) * ($1 / largest) }.squareRoot()
  }

  /// The nuclear norm of the matrix, Σ σᵢ.
  public var nuclearNorm: Double { values.reduce(0, +) }

  /// The largest divided by the smallest; infinite if the smallest is 0, 1 if there is none.
  public var conditionNumber: Double {
    guard let last = values.last else { return 1 }
    return last > 0 ? largest / last : .infinity
  }

  /// How many directions share the weight, exp(−Σ pᵢ ln pᵢ) with pᵢ = σᵢ / Σ σ.
  ///
  /// Between 1, if one singular value has all the weight, and their number, if all are equal; 0 for
  /// a matrix of zeros. Roy and Vetterli 2007, The effective rank.
  public var effectiveRank: Double {
    let sum = nuclearNorm
    guard sum > 0 else { return 0 }
    let entropy = values.reduce(0.0) { sumSoFar, value in
      let share = value / sum
      return share > 0 ? sumSoFar - share * Loops.logarithm(share) : sumSoFar
    }
    return Loops.exponential(entropy)
  }

  /// How many times the largest direction's energy the matrix has, ‖A‖F² / ‖A‖₂².
  ///
  /// Between 1 and the rank, hardly changed by small singular values; 0 for a matrix of zeros.
  public var stableRank: Double {
    guard largest > 0 else { return 0 }
    return values.reduce(0) { $0 + ($1 / largest) * ($1 / largest) }
  }

  /// How many singular values are above a share of the largest; 0 for a matrix of zeros.
  ///
  /// - Parameter tolerance: The share, 0 or more.
  /// - Returns: The rank of the matrix, where smaller singular values count as errors.
  public func numericalRank(tolerance: Double = 1e-3) -> Int {
    values.count { $0 > tolerance * largest }
  }

  /// The least number of leading singular values that hold a share of the energy Σ σᵢ².
  ///
  /// - Parameter share: The share, 0 to 1.
  /// - Returns: The rank of the smallest approximation that holds it.
  public func rank(holding share: Double) -> Int {
    precondition((0...1).contains(share), "A share of \(share) is not between 0 and 1.")
    guard largest > 0 else { return 0 }
    let energies = values.map { ($0 / largest) * ($0 / largest) }
    // Summed from the smallest, so that 1 means all that are not zero.
    var rest = 0.0
    let wanted = (1 - share) * energies.reversed().reduce(0, +)
    for (index, energy) in energies.enumerated().reversed() {
      rest += energy
      if rest > wanted { return index + 1 }
    }
    return 0
  }
}
