internal import TinctureLinearAlgebra
internal import TinctureTensors

/// Adam's steps with its usual constants.
struct Adam {
  private var means: [Float]
  private var squares: [Float]
  private var count = 0
  private let rate: Double

  init(count: Int, rate: Double) {
    means = [Float](repeating: 0, count: count)
    squares = means
    self.rate = rate
  }

  mutating func step(_ point: inout Matrix<Float>, along gradient: Matrix<Float>) {
    count += 1
    var (first, second) = (1.0, 1.0)
    for _ in 0..<count {
      first *= 0.9
      second *= 0.999
    }
    let size = Float(rate / (1 - first))
    let correction = Float(1 / (1 - second).squareRoot())
    var (means, squares) = (self.means, self.squares)
    self.means = []
    self.squares = []
    let slopes = gradient.elements
    point.change { values in
      for i in 0..<values.count {
        let slope = slopes[i]
        means[i] = 0.9 * means[i] + 0.1 * slope
        squares[i] = 0.999 * squares[i] + 0.001 * slope * slope
        values[i] -= size * means[i] / (squares[i].squareRoot() * correction + 1e-8)
      }
    }
    self.means = means
    self.squares = squares
  }
}
