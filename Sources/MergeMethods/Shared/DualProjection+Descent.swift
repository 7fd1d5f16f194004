internal import TinctureLinearAlgebra
internal import TinctureTensors

extension DualProjection {
  /// The published search: steps of Adam from the start, in single precision.
  func descent(_ plan: Descent) throws(TinctureError) -> Matrix<Double> {
    let targets = models.map { $0.task.converted(to: Float.self) }
    let factors = models.map { model in
      var (left, right) = (model.used.u, model.used.vt)
      left.scaleColumns(by: model.used.singularValues)
      right.scaleRows(by: model.used.singularValues)
      return (left: left.converted(to: Float.self), right: right.converted(to: Float.self))
    }
    var weights = plan.weights
    var point = start.converted(to: Float.self)
    var adam = Adam(count: point.count, rate: plan.rate)
    for _ in 0..<plan.steps {
      var gradients: [Matrix<Float>] = []
      var losses: [Double] = []
      for (target, factor) in zip(targets, factors) {
        let (loss, gradient) = try slope(at: point, target, factor.left, factor.right)
        losses.append(loss)
        gradients.append(gradient)
      }
      if plan.balances {
        let share = Self.smallest(gradients, losses)
        for (index, value) in [share, 1 - share].enumerated() {
          weights[index] = plan.smoothing * weights[index] + (1 - plan.smoothing) * value
        }
      }
      gradients[0].scale(by: Float(weights[0]))
      gradients[0].add(gradients[1], times: Float(weights[1]))
      adam.step(&point, along: gradients[0])
    }
    return point.converted(to: Double.self)
  }

  /// A model's loss and its gradient, 2 (A E + E B).
  private func slope(
    at point: Matrix<Float>, _ target: Matrix<Float>, _ left: Matrix<Float>, _ right: Matrix<Float>
  ) throws(TinctureError) -> (loss: Double, gradient: Matrix<Float>) {
    var distance = point
    distance.add(target, times: -1)
    var gradient = Matrix<Float>(rows: point.rows, columns: point.columns)
    var loss = 0.0
    if sides != .right {
      let image = try algebra.multiply(left, distance, transposing: .first)
      loss += image.frobeniusNorm * image.frobeniusNorm
      try algebra.multiply(left, image, scale: 2, into: &gradient)
    }
    if sides != .left {
      let image = try algebra.multiply(distance, right, transposing: .second)
      loss += image.frobeniusNorm * image.frobeniusNorm
      try algebra.multiply(image, right, scale: 2, into: &gradient)
    }
    return (loss, gradient)
  }

  /// The share of the first gradient in the shortest vector between both, each divided by its loss.
  private static func smallest(_ gradients: [Matrix<Float>], _ losses: [Double]) -> Double {
    let scales = losses.map { 1 / ($0 + 1e-12) }
    func product(_ i: Int, _ j: Int) -> Double {
      let (first, second) = (gradients[i], gradients[j])
      let (a, b) = (first.elements, second.elements)
      var sum = 0.0
      for index in 0..<a.count { sum += Double(a[index]) * Double(b[index]) }
      return sum * scales[i] * scales[j]
    }
    let (first, both, second) = (product(0, 0), product(0, 1), product(1, 1))
    if both >= first { return 0.999 }
    if both >= second { return 0.001 }
    return (second - both) / (first + second - 2 * both)
  }
}
