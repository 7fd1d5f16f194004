internal import TinctureLinearAlgebra
internal import TinctureTensors

/// Several sets of vectors, one vector of each set at each position, by their mean and a small basis.
///
/// At a position with vectors x₁ … x_n, V holds the leading p principal directions of xᵢ − x̄ and cᵢ = V (xᵢ − x̄), so
/// that xᵢ ≈ x̄ + cᵢ V. With p = n − 1 nothing is lost.
struct PositionBasis {
  /// The number of vectors at each position.
  let count: Int
  /// The number of elements of a vector.
  let length: Int
  /// The number of directions at each position.
  let components: Int
  /// x̄: positions × length.
  private(set) var mean: [Double]
  /// V: positions × components × length.
  private(set) var basis: [Double]
  /// c: positions × count × components.
  private(set) var coefficients: [Double]

  /// How many directions can be of use.
  static func useful(_ components: Int, count: Int, length: Int) -> Int {
    max(0, min(components, count - 1, length))
  }

  /// Finds means, directions and coefficients.
  ///
  /// - Parameters:
  ///   - sets: Matrices with a vector in each row, one matrix for each set.
  ///   - components: The number of directions at each position.
  ///   - algebra: What finds eigenvalues.
  /// - Throws: `checkpoint` for elements that are not finite.
  /// - Complexity: O(positions · (n² length + n³)).
  init(_ sets: [Matrix<Double>], components: Int, _ algebra: Backend) throws(TinctureError) {
    count = sets.count
    let positions = sets.first?.rows ?? 0
    length = sets.first?.columns ?? 0
    self.components = Self.useful(components, count: count, length: length)
    mean = []
    basis = []
    coefficients = []
    let arrays = sets.map(\.array)
    for position in 0..<positions {
      let range = position * length..<(position + 1) * length
      var centre = [Double](repeating: 0, count: length)
      for array in arrays {
        for (k, value) in array[range].enumerated() { centre[k] += value / Double(count) }
      }
      mean += centre
      guard self.components > 0 else { continue }
      let centred = Matrix(
        rows: count, columns: length,
        arrays.flatMap { array in zip(array[range], centre).map { $0 - $1 } })
      let eigen = try algebra.eigh(algebra.gram(centred, of: .rows))
      let roots = eigen.values.prefix(self.components).map { max(0, $0).squareRoot() }
      let floor = 1e-12 * (roots.first ?? 0)
      var directions = try algebra.multiply(
        eigen.vectors.columns(0..<self.components), centred, transposing: .first)
      directions.scaleRows(by: roots.map { $0 > floor ? 1 / $0 : 0 })
      basis += directions.array
      var own = eigen.vectors.columns(0..<self.components)
      own.scaleColumns(by: roots.map { $0 > floor ? $0 : 0 })
      coefficients += own.array
    }
  }

  /// Puts stored numbers together.
  init(
    count: Int, length: Int, components: Int, mean: [Double], basis: [Double],
    coefficients: [Double]
  ) {
    self.count = count
    self.length = length
    self.components = components
    self.mean = mean
    self.basis = basis
    self.coefficients = coefficients
  }

  /// The vectors of a set, a row for each position.
  func vectors(of set: Int) -> Matrix<Double> {
    let positions = length == 0 ? 0 : mean.count / length
    var result = mean
    for position in 0..<positions {
      for component in 0..<components {
        let factor = coefficients[(position * count + set) * components + component]
        let start = (position * components + component) * length
        for k in 0..<length { result[position * length + k] += factor * basis[start + k] }
      }
    }
    return Matrix(rows: positions, columns: length, result)
  }
}
