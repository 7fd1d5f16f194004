/// An optimiser of a short list of numbers, in single precision with double-precision moments.
///
/// Adam and AdamW: m ← β₁ m + (1 − β₁) g, v ← β₂ v + (1 − β₂) g², x ← (1 − ηδ) x − η (m / (1 − β₁ᵗ)) / (√(v / (1 − β₂ᵗ)) + ε)
/// with the decay δ of AdamW, 0 for Adam. Gradient descent with momentum: m ← μ m + g, x ← (1 − ηδ) x − η m.
///
/// Source: Kingma and Ba, arXiv:1412.6980; Loshchilov and Hutter, arXiv:1711.05101.
struct CoefficientOptimizer: Sendable, Hashable {
  /// The rule; descent has the momentum μ.
  var rule = CoefficientSettings.Rule.adam
  /// η of the next step.
  var learningRate: Double
  /// δ.
  var decay = 0.0
  /// β₁.
  var firstDecay = 0.9
  /// β₂.
  var secondDecay = 0.999
  /// ε.
  var epsilon = 1e-8
  /// m.
  private(set) var first: [Double]
  /// v.
  private(set) var second: [Double]
  /// t.
  private(set) var steps = 0

  /// Begins with moments of zero.
  init(count: Int, learningRate: Double) {
    self.learningRate = learningRate
    first = Array(repeating: 0, count: count)
    second = first
  }

  /// Goes on where another run was.
  mutating func restore(first: [Double], second: [Double], steps: Int) {
    (self.first, self.second, self.steps) = (first, second, steps)
  }

  /// Does one step.
  mutating func step(_ values: inout [Float], _ gradient: [Float]) {
    steps += 1
    if case .descent(let momentum) = rule {
      for index in values.indices {
        first[index] = momentum * first[index] + Double(gradient[index])
        let kept = Double(values[index]) * (1 - learningRate * decay)
        values[index] = Float(kept - learningRate * first[index])
      }
      return
    }
    let firstScale = 1 - power(firstDecay, steps)
    let secondScale = 1 - power(secondDecay, steps)
    for index in values.indices {
      let g = Double(gradient[index])
      first[index] = firstDecay * first[index] + (1 - firstDecay) * g
      second[index] = secondDecay * second[index] + (1 - secondDecay) * g * g
      let direction =
        (first[index] / firstScale) / ((second[index] / secondScale).squareRoot() + epsilon)
      let kept = Double(values[index]) * (1 - learningRate * decay)
      values[index] = Float(kept - learningRate * direction)
    }
  }

  /// A power with a whole exponent, the same on every machine.
  private func power(_ base: Double, _ exponent: Int) -> Double {
    var result = 1.0
    var factor = base
    var rest = exponent
    while rest > 0 {
      if rest & 1 == 1 { result *= factor }
      factor *= factor
      rest >>= 1
    }
    return result
  }
}
