internal import TinctureLinearAlgebra
internal import TinctureTensors

/// An invertible matrix for one head of keys or values, drawn at random, and its inverse.
///
/// G Π Λ, with G orthogonal, Π a permutation and Λ diagonal with elements between 1 / spread and spread, evenly
/// distributed on a scale of logarithms: its condition is at most spread². What is rotated by positions gets rotations
/// of its own, scaled alike, since only these commute with the others.
struct AttentionKey {
  let matrix: Matrix<Double>
  let inverse: Matrix<Double>

  /// Draws the matrix of values and outputs.
  init(width: Int, spread: Double, _ random: CounterRandom) {
    self.init(width: width, spread: spread, rotation: .none, rotatedWidth: 0, random)
  }

  /// Draws the matrix of queries and keys.
  ///
  /// - Parameters:
  ///   - width: The rows of a head.
  ///   - spread: The largest scale.
  ///   - rotation: How elements are paired that are rotated by positions.
  ///   - rotatedWidth: How many elements are rotated, from the first.
  ///   - random: What is drawn from.
  init(
    width: Int, spread: Double, rotation: AttentionLayer.Rotation, rotatedWidth: Int,
    _ random: CounterRandom
  ) {
    var matrix = Matrix<Double>(rows: width, columns: width)
    var inverse = matrix
    var draws = Draws(random)
    for pair in 0..<rotatedWidth / 2 {
      let (i, j) =
        rotation == .interleaved ? (2 * pair, 2 * pair + 1) : (pair, pair + rotatedWidth / 2)
      let scale = draws.scale(spread)
      let (cosine, sine) = draws.direction()
      matrix[i, i] = scale * cosine
      matrix[i, j] = -scale * sine
      matrix[j, i] = scale * sine
      matrix[j, j] = scale * cosine
      inverse[i, i] = cosine / scale
      inverse[i, j] = sine / scale
      inverse[j, i] = -sine / scale
      inverse[j, j] = cosine / scale
    }
    let free = width - rotatedWidth
    let rows = draws.orthonormalRows(free)
    let order = draws.permutation(free)
    for column in 0..<free {
      let scale = draws.scale(spread)
      for row in 0..<free {
        let (i, j) = (rotatedWidth + row, rotatedWidth + column)
        // Column `column` of G Π Λ is a column of G, scaled; its inverse is that column over the scale.
        matrix[i, j] = rows[order[column]][row] * scale
        inverse[j, i] = rows[order[column]][row] / scale
      }
    }
    self.matrix = matrix
    self.inverse = inverse
  }
}

/// Random numbers in the order in which they are asked for.
private struct Draws {
  private let random: CounterRandom
  private var index = 0

  init(_ random: CounterRandom) { self.random = random }

  private mutating func uniform() -> Double {
    defer { index += 1 }
    return random.uniform(at: index)
  }

  /// A number between 1 / spread and spread.
  mutating func scale(_ spread: Double) -> Double {
    Powers.exponential((2 * uniform() - 1) * Powers.logarithm(spread))
  }

  /// The cosine and the sine of an angle.
  mutating func direction() -> (cosine: Double, sine: Double) {
    while true {
      let (x, y) = (2 * uniform() - 1, 2 * uniform() - 1)
      let square = x * x + y * y
      if square > 0.01, square <= 1 {
        let norm = square.squareRoot()
        return (x / norm, y / norm)
      }
    }
  }

  mutating func permutation(_ count: Int) -> [Int] {
    var result = Array(0..<count)
    for last in stride(from: count - 1, to: 0, by: -1) {
      result.swapAt(last, min(last, Int(uniform() * Double(last + 1))))
    }
    return result
  }

  /// Orthonormal vectors by the method of Gram and Schmidt, twice, whatever library is there.
  mutating func orthonormalRows(_ count: Int) -> [[Double]] {
    var rows: [[Double]] = []
    while rows.count < count {
      var row = (0..<count).map { _ in 2 * uniform() - 1 }
      let size = Self.norm(row)
      for _ in 0..<2 {
        for other in rows {
          let product = zip(row, other).reduce(0) { $0 + $1.0 * $1.1 }
          for i in row.indices { row[i] -= product * other[i] }
        }
      }
      let norm = Self.norm(row)
      // One that lies nearly within the others is drawn again.
      guard norm > 1e-3 * size, norm > 0 else { continue }
      rows.append(row.map { $0 / norm })
    }
    return rows
  }

  private static func norm(_ x: [Double]) -> Double {
    x.reduce(0) { $0 + $1 * $1 }.squareRoot()
  }
}
