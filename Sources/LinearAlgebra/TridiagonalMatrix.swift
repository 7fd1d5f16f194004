internal import Synchronization
internal import TinctureTensors

/// A symmetric tridiagonal matrix in double precision, divided by a power of two so that its norm is about one.
struct TridiagonalMatrix {
  private let diagonal: [Double]
  private let beside: [Double]
  private let unit: Double

  /// Takes the matrix over; nil if it is empty or not finite.
  ///
  /// - Parameters:
  ///   - diagonal: The diagonal.
  ///   - beside: The elements beside it, one less.
  init?(diagonal: [Double], beside: [Double]) {
    guard !diagonal.isEmpty, (diagonal + beside).allSatisfy(\.isFinite) else { return nil }
    let largest = max(
      diagonal.lazy.map(\.magnitude).max() ?? 0, beside.lazy.map(\.magnitude).max() ?? 0)
    // Of zeros all eigenvalues are zero, too.
    unit = largest > 0 ? Double(sign: .plus, exponent: largest.exponent, significand: 1) : 0
    let divisor = largest > 0 ? unit : 1
    self.diagonal = diagonal.map { $0 / divisor }
    self.beside = beside.map { $0 / divisor }
  }

  /// The largest eigenvalues, ascending, and their orthonormal vectors as rows.
  ///
  /// Eigenvalues by bisection, vectors by inverse iteration, each for itself; where eigenvalues are close, their
  /// vectors are made orthogonal to one another together.
  ///
  /// - Parameters:
  ///   - count: How many, from 1 to the number of rows.
  ///   - algebra: The library.
  ///   - output: The type of the vectors, which says how orthonormal they must be.
  /// - Returns: Eigenvalues wrong by a modest multiple of ε ‖T‖₂, vectors orthonormal to a modest multiple of n ε or of
  ///   single precision's; nil where vectors of very many close eigenvalues could not be told apart.
  /// - Complexity: O(n count) for eigenvalues and vectors, O(n count²) for products of the vectors.
  func leading<Output: MatrixElement>(
    _ count: Int, _ algebra: Backend, as output: Output.Type = Double.self
  ) -> (values: [Double], vectors: Matrix<Output>)? {
    var values = leadingValues(count, algebra)
    let shifts = Self.shifts(values)
    var found: Matrix<Output>?
    if var near = vectors(shifts, algebra, as: output), near.makeOrthonormal(algebra) {
      found = near.vectors
    } else if let near = vectors(shifts, algebra, as: Double.self) {
      found = try? orthonormal(near.vectors, algebra)?.converted(to: output)
    }
    guard let found else { return nil }
    for index in values.indices { values[index] *= unit }
    return (values, found)
  }

  /// Where inverse iteration looks for the vectors of ascending eigenvalues.
  ///
  /// For those that rounding does not tell apart a place beside all of them, where none has a greater part in what
  /// becomes of a random vector than the others; so the vectors are independent.
  private static func shifts(_ values: [Double]) -> [Double] {
    let rounding = 8 * Double.ulpOfOne
    var shifts = values
    var start = 0
    while start < values.count {
      var end = start + 1
      while end < values.count, values[end] - values[end - 1] <= rounding { end += 1 }
      if end > start + 1 {
        for index in start..<end { shifts[index] = values[end - 1] + rounding }
      }
      start = end
    }
    return shifts
  }

  /// Vectors of the shifts, as rows, not yet orthogonal where these are close; nil where one is no eigenvector.
  ///
  /// They are found in double precision, few at a time, so that few more than the result are held.
  private func vectors<Output: MatrixElement>(
    _ shifts: [Double], _ algebra: Backend, as output: Output.Type
  ) -> NearEigenvectors<Output>? {
    let n = diagonal.count
    var vectors = Matrix<Output>(uninitialisedRows: shifts.count, columns: n)
    let worst = Mutex(0.0)
    vectors.write { vectors in
      algebra.inPieces(of: shifts.count, pieceLength: 256) { range in
        var part = Matrix<Double>(uninitialisedRows: range.count, columns: n)
        let residual = part.change {
          Kernels.tridiagonalVectors(
            diagonal.span, beside: beside.span, values: shifts[range].span,
            after: range.lowerBound, into: &$0)
        }
        worst.withLock { $0 = residual > $0 || residual.isNaN ? residual : $0 }
        part.converted(to: Output.self).read {
          (vectors + range.lowerBound * n).update(from: $0, count: range.count * n)
        }
      }
    }
    let residual = worst.withLock { $0 }
    guard residual <= tolerance else { return nil }
    return NearEigenvectors(vectors, shifts: shifts, residual: residual)
  }

  /// What rounding makes of a zero.
  private var tolerance: Double { 20 * Double(diagonal.count) * Double.ulpOfOne }

  private func leadingValues(_ count: Int, _ algebra: Backend) -> [Double] {
    let n = diagonal.count
    // So small that it changes nothing, but not zero.
    let squares = [0] + beside.map { max($0 * $0, 1e-290) }
    var (low, high) = (diagonal[0], diagonal[0])
    for index in 0..<n {
      let left = index > 0 ? beside[index - 1].magnitude : 0
      let radius = left + (index < n - 1 ? beside[index].magnitude : 0) + tolerance
      low = min(low, diagonal[index] - radius)
      high = max(high, diagonal[index] + radius)
    }
    var values = [Double](repeating: 0, count: count)
    values.withUnsafeMutableBufferPointer { values in
      algebra.inPieces(of: count, pieceLength: 256) { range in
        var part = UnsafeMutableBufferPointer(rebasing: values[range]).mutableSpan
        Kernels.tridiagonalValues(
          diagonal.span, squares: squares.span, within: low...high,
          from: n - count + range.lowerBound, into: &part)
      }
    }
    return values
  }

  /// The nearest orthonormal vectors, as rows.
  ///
  /// With S = Z Zᵀ they are S^−½ Z, to first order (3 I − S) Z / 2.
  private func orthonormal(
    _ vectors: Matrix<Double>, _ algebra: Backend
  ) throws(TinctureError) -> Matrix<Double>? {
    var vectors = vectors
    var products = try algebra.gram(vectors, of: .rows)
    var error = products.distanceFromIdentity
    if !(error <= Self.firstOrder) {
      vectors = try algebra.multiply(algebra.inverseSquareRoot(products), vectors)
      guard largestResidual(vectors) <= tolerance else { return nil }
      products = try algebra.gram(vectors, of: .rows)
      error = products.distanceFromIdentity
      guard error <= Self.firstOrder else { return nil }
    }
    guard error > Double(diagonal.count) * Double.ulpOfOne else { return vectors }
    products.scale(by: -0.5)
    for index in 0..<products.rows { products[index, index] += 1.5 }
    return try algebra.multiply(products, vectors)
  }

  /// Up to here squares of a distance from orthonormal vectors are nothing but rounding.
  private static let firstOrder = 1e-9

  /// The largest element of T z − ρ z, with ρ = zᵀ T z.
  private func largestResidual(_ vectors: Matrix<Double>) -> Double {
    let n = diagonal.count
    var worst = 0.0
    var image = [Double](repeating: 0, count: n)
    for index in 0..<vectors.rows {
      let z = vectors.row(index)
      var quotient = 0.0
      for i in 0..<n {
        var sum = diagonal[i] * z[i]
        if i > 0 { sum += beside[i - 1] * z[i - 1] }
        if i < n - 1 { sum += beside[i] * z[i + 1] }
        image[i] = sum
        quotient += sum * z[i]
      }
      for i in 0..<n { worst = max(worst, (image[i] - quotient * z[i]).magnitude) }
    }
    return worst
  }
}

extension Matrix<Double> {
  /// The largest element of |A − I|.
  fileprivate var distanceFromIdentity: Double {
    var worst = 0.0
    for i in 0..<rows {
      let row = row(i)
      for j in 0..<columns {
        worst = max(worst, (row[j] - (i == j ? 1 : 0)).magnitude)
      }
    }
    return worst
  }
}
