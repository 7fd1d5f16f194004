/// The formulas of some methods, written plainly over whole arrays.
enum Formulas {
  static func linear(_ models: [[Float]], _ weights: [Float], normalize: Bool = true) -> [Float] {
    let total = normalize ? weights.reduce(0, +) : 1
    return models[0].indices.map { index in
      zip(models, weights).reduce(0) { $0 + $1.0[index] * $1.1 } / total
    }
  }

  static func taskArithmetic(
    _ base: [Float], _ models: [[Float]], _ weights: [Float], scale: Float = 1
  ) -> [Float] {
    base.indices.map { index in
      base[index] + scale
        * zip(models, weights).reduce(0) { $0 + ($1.0[index] - base[index]) * $1.1 }
    }
  }

  static func ties(
    _ base: [Float], _ models: [[Float]], _ weights: [Float], density: Double
  ) -> [Float] {
    let vectors = models.map { model in
      trimmed(zip(model, base).map { $0 - $1 }, density: density)
    }
    return base.indices.map { index in
      let terms = zip(vectors, weights).map { $0[index] * $1 }
      let sum = terms.reduce(0, +)
      var (total, divisor): (Float, Float) = (0, 0)
      for (term, weight) in zip(terms, weights) where term * (sum < 0 ? -1 : 1) > 0 {
        total += term
        divisor += weight
      }
      return base[index] + (divisor == 0 ? 0 : total / divisor)
    }
  }

  private static func trimmed(_ vector: [Float], density: Double) -> [Float] {
    let kept = Int(density * Double(vector.count))
    let order = vector.indices.sorted { vector[$0].magnitude > vector[$1].magnitude }
    var result = [Float](repeating: 0, count: vector.count)
    for index in order.prefix(kept) { result[index] = vector[index] }
    return result
  }

  /// W + scale B A for W of `rows × columns`.
  static func folded(
    _ weight: [Float], up: [Float], down: [Float], rank: Int, scale: Float
  ) -> [Float] {
    let columns = down.count / rank
    return weight.indices.map { index in
      let (row, column) = (index / columns, index % columns)
      let change = (0..<rank).reduce(Float(0)) {
        $0 + up[row * rank + $1] * down[$1 * columns + column]
      }
      return weight[index] + scale * change
    }
  }
}
