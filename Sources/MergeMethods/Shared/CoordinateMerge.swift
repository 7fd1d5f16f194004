internal import TinctureLinearAlgebra
internal import TinctureTensors

/// Element by element merging of task vectors that are written in common coordinates.
enum CoordinateMerge {
  /// The sum of all, multiplied by a share.
  case sum(times: Double)
  /// The mean of the elements from a magnitude on that have the sign of their sum.
  case elected(cuts: [Float])

  /// Merges matrices of the same extents.
  ///
  /// Elements that cancel exactly give zero.
  ///
  /// - Parameter tasks: The matrices, at least one.
  /// - Returns: The merged matrix.
  /// - Complexity: O(m n T).
  func callAsFunction(_ tasks: [Matrix<Float>]) -> Matrix<Double> {
    var result = Matrix<Double>(rows: tasks[0].rows, columns: tasks[0].columns)
    let arrays = tasks.map(\.array)
    let count = result.count
    result.change { merged in
      switch self {
      case .sum(let share):
        for i in 0..<count { merged[i] = share * arrays.reduce(0.0) { $0 + Double($1[i]) } }
      case .elected(let cuts):
        for i in 0..<count { merged[i] = Self.elect(i, arrays, cuts) }
      }
    }
    return result
  }

  private static func elect(_ i: Int, _ arrays: [[Float]], _ cuts: [Float]) -> Double {
    var sum = 0.0
    for (z, cut) in zip(arrays, cuts) where z[i].magnitude >= cut { sum += Double(z[i]) }
    var (agreeing, voices) = (0.0, 0)
    for (z, cut) in zip(arrays, cuts) where z[i].magnitude >= cut && Double(z[i]) * sum > 0 {
      agreeing += Double(z[i])
      voices += 1
    }
    return voices > 0 ? agreeing / Double(voices) : 0
  }

  /// A matrix of which elements chosen at random stay, divided by the share of those that stay (DARE).
  static func dropped(
    _ matrix: Matrix<Float>, keeping density: Double, _ random: CounterRandom
  ) -> Matrix<Float> {
    var result = matrix
    let scale = density > 0 ? Float(1 / density) : 0
    let count = result.count
    result.change { elements in
      for i in 0..<count { elements[i] *= random.uniform(at: i) < density ? scale : 0 }
    }
    return result
  }

  /// The magnitude from which a share of a matrix's elements lies; infinite for none.
  static func cut(keeping density: Double, of matrix: Matrix<Float>) -> Float {
    let kept = Int(density * Double(matrix.count))
    guard kept > 0 else { return .infinity }
    let rank = matrix.count - kept
    var statistic = OrderStatistic(.magnitude)
    statistic.count(matrix.elements)
    statistic.select([rank])
    statistic.refine(matrix.elements)
    return statistic.finding(rank: rank)?.value ?? 0
  }
}
