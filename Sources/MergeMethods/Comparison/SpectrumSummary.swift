internal import TinctureLinearAlgebra

/// What the singular values of a matrix say about it.
public struct SpectrumSummary: Sendable, Hashable {
  /// The number of singular values, min(m, n).
  public let count: Int
  /// The largest singular value.
  public let largest: Double
  /// The Frobenius norm.
  public let norm: Double
  /// How many directions share the weight, exp of the entropy of σ / Σ σ.
  public let effectiveRank: Double
  /// ‖A‖² / σ₁².
  public let stableRank: Double
  /// How many singular values are above 10⁻³ σ₁.
  public let numericalRank: Int
  /// The least number of singular values that hold 90 % of Σ σ².
  public let rank90: Int
  /// The least number of singular values that hold 99 % of Σ σ².
  public let rank99: Int
  /// σᵢ / σ₁ at i = 1, 2, 4, 8, … and at the last.
  public let decay: [Decay]

  /// How small a singular value is beside the largest.
  public struct Decay: Sendable, Hashable {
    /// The position, counted from one.
    public let index: Int
    /// The share of the largest.
    public let share: Double
  }

  /// Sums up singular values.
  ///
  /// - Parameters:
  ///   - values: The values, those that are zero may be missing.
  ///   - count: How many there are with them.
  init(_ values: [Double], count: Int) {
    let spectrum = Spectrum(values)
    self.count = count
    largest = spectrum.largest
    norm = spectrum.frobeniusNorm
    effectiveRank = spectrum.effectiveRank
    stableRank = spectrum.stableRank
    numericalRank = spectrum.numericalRank()
    rank90 = spectrum.rank(holding: 0.9)
    rank99 = spectrum.rank(holding: 0.99)
    var positions: [Int] = []
    var position = 1
    while position < count {
      positions.append(position)
      position *= 2
    }
    if count > 0 { positions.append(count) }
    let first = spectrum.largest
    decay = positions.map { position in
      let value = position <= spectrum.values.count ? spectrum.values[position - 1] : 0
      return Decay(index: position, share: first > 0 ? value / first : 0)
    }
  }
}
