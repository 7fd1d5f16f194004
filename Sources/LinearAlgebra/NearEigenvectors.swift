internal import Synchronization
internal import TinctureTensors

/// Vectors of a tridiagonal matrix of norm one that inverse iteration has found, each for itself.
///
/// With (T − σᵢ) zᵢ = rᵢ and ‖rᵢ‖ ≤ ρ two of them have |zᵢ·zⱼ| ≤ 2 ρ / |σᵢ − σⱼ|. So only those whose shifts are close
/// need to be made orthogonal to one another: with S = Z Zᵀ the nearest orthonormal vectors are S^−½ Z, to first order
/// (3 I − S) Z / 2, and of S − I only what lies near the diagonal counts.
struct NearEigenvectors<Element: MatrixElement> {
  /// The vectors as rows, of length one.
  private(set) var vectors: Matrix<Element>
  /// Where they were looked for, ascending.
  private let shifts: [Double]
  /// How far vectors are from eigenvectors, ρ.
  private let residual: Double

  /// Takes vectors over.
  init(_ vectors: consuming Matrix<Element>, shifts: [Double], residual: Double) {
    self.vectors = vectors
    self.shifts = shifts
    // Elimination is wrong by a little, too.
    self.residual = residual + 8 * Double.ulpOfOne
  }

  /// The rows of a piece and their neighbours are multiplied together.
  private static var pieceLength: Int { 256 }

  /// Up to here inner products of different vectors are nothing but rounding.
  private var rounding: Double {
    Element.precision == .single
      ? Double(Float.ulpOfOne) / 8 : Double(vectors.columns) * Double.ulpOfOne
  }

  /// Up to here squares of inner products are nothing but rounding.
  private var firstOrder: Double { Element.precision == .single ? 1e-4 : 1e-9 }

  /// Makes vectors orthogonal to their neighbours.
  ///
  /// - Returns: False where some are so far from it that this way does not lead there.
  /// - Complexity: O(n w) for each vector with w neighbours.
  mutating func makeOrthonormal(_ algebra: Backend) -> Bool {
    for _ in 0..<3 {
      let (better, error) = step(algebra)
      guard error <= 1e-2 else { return false }
      vectors = better
      if error <= firstOrder { return true }
    }
    return false
  }

  /// One step towards orthonormal vectors, and how far they were from it.
  private func step(_ algebra: Backend) -> (Matrix<Element>, error: Double) {
    let (count, n) = (vectors.rows, vectors.columns)
    var result = Matrix<Element>(uninitialisedRows: count, columns: n)
    let worst = Mutex(0.0)
    result.write { target in
      vectors.read { source in
        algebra.inPieces(of: count, pieceLength: Self.pieceLength) { piece in
          let others = neighbours(of: piece)
          let own = target + piece.lowerBound * n
          own.update(from: source + piece.lowerBound * n, count: piece.count * n)
          withWorkspace(Element.self, piece.count * others.count) { products in
            let rows = MatrixBlock(own, rows: piece.count, columns: n, stride: n)
            let near = MatrixBlock(
              reading: source + others.lowerBound * n, rows: others.count, columns: n, stride: n)
            let inside = MatrixBlock(
              products, rows: piece.count, columns: others.count, stride: others.count)
            algebra.multiply(rows, near, transposing: .second, into: inside)
            for i in piece {
              products[(i - piece.lowerBound) * others.count + i - others.lowerBound] -= 1
            }
            let error = Double(Loops.largestMagnitude(products, piece.count * others.count))
            worst.withLock { $0 = error > $0 || error.isNaN ? error : $0 }
            guard error > rounding else { return }
            algebra.multiply(inside, near, scale: -0.5, into: rows, keeping: 1)
          }
        }
      }
    }
    return (result, worst.withLock { $0 })
  }

  /// The vectors whose inner products with some of a piece may be more than rounding.
  private func neighbours(of piece: Range<Int>) -> Range<Int> {
    let gap = 4 * residual / rounding
    let (low, high) = (shifts[piece.lowerBound] - gap, shifts[piece.upperBound - 1] + gap)
    let first = shifts[..<piece.lowerBound].lastIndex { $0 < low }.map { $0 + 1 } ?? 0
    let end = shifts[piece.upperBound...].firstIndex { $0 > high } ?? shifts.count
    return first..<end
  }
}
