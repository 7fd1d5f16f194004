extension CoefficientTable {
  /// The derivative of the mean over the rows of (Σₜ |λₜ|ᵖ)^(1/p) with respect to the raw values.
  ///
  /// - Parameter exponent: p, at least 1.
  /// - Returns: A derivative for each raw value; zero where λ is zero.
  func normSlopes(exponent: Double) -> [Float] {
    let rows = raw.count / max(1, taskCount)
    var slopes = [Float](repeating: 0, count: raw.count)
    for row in 0..<rows {
      let values = coefficients(row).map(Double.init)
      let norm = powerOf(values.reduce(0) { $0 + powerOf($1.magnitude, exponent) }, 1 / exponent)
      guard norm > 0 else { continue }
      for (task, value) in values.enumerated() where value != 0 {
        let part = powerOf(value.magnitude / norm, exponent - 1) * (value < 0 ? -1 : 1)
        let index = row * taskCount + task
        slopes[index] = Float(part / Double(rows)) * link.slope(raw[index])
      }
    }
    return slopes
  }
}
