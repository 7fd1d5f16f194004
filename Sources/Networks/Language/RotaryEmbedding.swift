import TinctureTensors
import TinctureTorch

/// Positions as rotations of pairs of numbers.
///
/// Number i of the first half of a head and number i of the second half are turned by p · fᵢ at the position
/// p, where fᵢ = base^(−2i/width) unless the frequencies are scaled.
///
/// Source: Su et al., arXiv:2104.09864.
public struct RotaryEmbedding: Sendable, Hashable {
  /// How frequencies change for texts longer than those of the training.
  public enum Scaling: Sendable, Hashable {
    /// They do not.
    case none
    /// fᵢ / factor. Source: Chen et al., arXiv:2306.15595.
    case linear(factor: Double)
    /// Llama 3.1's: wavelengths above length/low are divided by the factor, those below length/high are kept,
    /// those between are interpolated. Source: arXiv:2407.21783.
    case llama3(factor: Double, low: Double, high: Double, length: Int)
  }

  /// The base of the frequencies.
  public var base: Double
  /// How frequencies change.
  public var scaling: Scaling

  /// Creates rotations.
  public init(base: Double = 10000, scaling: Scaling = .none) {
    self.base = base
    self.scaling = scaling
  }

  /// Cosines and sines of all angles, for heads of some width.
  struct Table {
    let cosine: TorchTensor
    let sine: TorchTensor

    /// Turns the heads [N, heads, tokens, width].
    func callAsFunction(_ x: TorchTensor) throws(TinctureError) -> TorchTensor {
      let halves = try x.chunks(2, along: -1)
      let turned = try TorchTensor.concatenated([-halves[1], halves[0]], along: -1)
      return try x * cosine + turned * sine
    }
  }

  /// The table [tokens, width] of the first positions.
  ///
  /// - Parameters:
  ///   - count: How many positions.
  ///   - width: The numbers in a head.
  ///   - tensor: What the table shall be multiplied with, for its type and device.
  /// - Returns: The table.
  /// - Throws: `engine` when LibTorch fails.
  func table(
    _ count: Int, width: Int, like tensor: TorchTensor
  ) throws(TinctureError) -> Table {
    // In single precision, as the models were trained.
    let places = try TorchTensor.range(0..<count).converted(to: .f32).unsqueezed(at: 1)
    let angles = try places * TorchTensor(frequencies(width))
    let both = try TorchTensor.concatenated([angles, angles], along: -1)
    func placed(_ table: TorchTensor) throws(TinctureError) -> TorchTensor {
      try table.converted(to: tensor.dtype ?? .f32).moved(to: tensor.device)
    }
    return Table(cosine: try placed(both.cos()), sine: try placed(both.sin()))
  }

  private func frequencies(_ width: Int) throws(TinctureError) -> [Float] {
    let exponents = try TorchTensor((0..<width / 2).map { Float(2 * $0) / Float(width) })
    let powers = try TorchTensor.full([width / 2], base).power(exponents)
    return try powers.array(as: Float.self).map { scaled(1 / $0) }
  }

  private func scaled(_ frequency: Float) -> Float {
    switch scaling {
    case .none: return frequency
    case .linear(let factor): return frequency / Float(factor)
    case .llama3(let factor, let low, let high, let length):
      let wavelength = 2 * Float.pi / frequency
      if wavelength < Float(Double(length) / high) { return frequency }
      if wavelength > Float(Double(length) / low) { return frequency / Float(factor) }
      let share = (Float(length) / wavelength - Float(low)) / Float(high - low)
      return (1 - share) * frequency / Float(factor) + share * frequency
    }
  }
}
