internal import TinctureTensors

/// The product of the reflections that made a matrix tridiagonal, in blocks.
///
/// Q = H₀ H₁ …, Hᵢ = I − τᵢ vᵢ vᵢᵀ. A block of reflections is I − Vᵀ T V with a triangle T, so that turning vectors is
/// products of matrices. Blocks are wider than LAPACK's ormtr makes them, whose products wait for memory.
///
/// Schreiber and Van Loan 1989, A storage-efficient WY representation for products of Householder transformations.
struct ReflectionBlocks<Element: MatrixElement> {
  /// Row i holds vᵢ: zeros up to column i, a 1 and the rest.
  private var vectors: Matrix<Element>
  /// The triangles of all blocks, one below the other.
  private var triangles: Matrix<Element>

  /// The reflections of a block.
  private static var width: Int { 128 }

  /// Takes over what ``Tridiagonalization`` found.
  ///
  /// - Parameters:
  ///   - reflections: Row i holds the elements of vᵢ from column i + 2 on; the others do not count.
  ///   - factors: The factors τ, one for each row but the last.
  ///   - algebra: The library.
  init(_ reflections: consuming Matrix<Element>, _ factors: [Double], _ algebra: Backend) {
    let n = reflections.rows
    let width = Self.width
    let blocks = (n - 1 + width - 1) / width
    vectors = reflections
    triangles = Matrix(rows: blocks * width, columns: width)
    triangles.write { t in
      vectors.write { v in
        algebra.inPieces(of: blocks, pieceLength: 1) { piece in
          for block in piece {
            let range = block * width..<min(n - 1, (block + 1) * width)
            for i in range {
              (v + i * n).update(repeating: 0, count: i + 1)
              v[i * n + i + 1] = 1
            }
            Self.fill(
              t + block * width * width, factors[range], algebra,
              MatrixBlock(
                v + range.lowerBound * (n + 1), rows: range.count, columns: n - range.lowerBound,
                stride: n))
          }
        }
      }
    }
  }

  /// Makes T: every column is −τ T V v below its diagonal, and τ there.
  private static func fill(
    _ t: UnsafeMutablePointer<Element>, _ factors: ArraySlice<Double>, _ algebra: Backend,
    _ vectors: MatrixBlock<Element>
  ) {
    let count = vectors.rows
    withWorkspace(Element.self, count * count) { products in
      algebra.multiply(
        vectors, vectors, transposing: .second,
        into: MatrixBlock(products, rows: count, columns: count, stride: count))
      for (j, factor) in factors.enumerated() {
        let factor = Element(factor)
        for i in 0..<j {
          var sum: Element = 0
          for k in i..<j { sum += t[i * width + k] * products[j * count + k] }
          t[i * width + j] = -factor * sum
        }
        t[j * width + j] = factor
      }
    }
  }

  /// Turns vectors, z ← Q z.
  ///
  /// - Parameters:
  ///   - rows: The vectors, as rows.
  ///   - algebra: The library.
  /// - Complexity: O(n²) for each vector.
  func turn(_ rows: inout Matrix<Element>, _ algebra: Backend) {
    let (n, count, width) = (vectors.columns, rows.rows, Self.width)
    rows.write { z in
      vectors.read { v in
        triangles.read { t in
          algebra.inPieces(of: count, work: 2 * n * n * count) { piece in
            withWorkspace(Element.self, 2 * piece.count * width) { space in
              for start in stride(from: 0, to: n - 1, by: width).reversed() {
                let size = min(n - 1, start + width) - start
                let z = MatrixBlock(
                  z + piece.lowerBound * n + start, rows: piece.count, columns: n - start, stride: n
                )
                let v = MatrixBlock(
                  reading: v + start * (n + 1), rows: size, columns: n - start, stride: n)
                let t = MatrixBlock(
                  reading: t + start * width, rows: size, columns: size, stride: width)
                let parts = MatrixBlock(space, rows: piece.count, columns: size, stride: size)
                let turned = MatrixBlock(
                  space + piece.count * width, rows: piece.count, columns: size, stride: size)
                algebra.multiply(z, v, transposing: .second, into: parts)
                algebra.multiply(parts, t, transposing: .second, into: turned)
                algebra.multiply(turned, v, scale: -1, into: z, keeping: 1)
              }
            }
          }
        }
      }
    }
  }
}
