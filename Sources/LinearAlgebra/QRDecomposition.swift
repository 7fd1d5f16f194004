public import TinctureTensors

/// A matrix as orthonormal columns times an upper triangle.
///
/// A = Q · R with Q m × k, R k × n, k = min(m, n). The diagonal of R has no negative element, which
/// makes the decomposition of a matrix of full column rank unique.
public struct QRDecomposition<Element: MatrixElement>: Sendable {
  /// Orthonormal columns, m × k.
  public var q: Matrix<Element>
  /// The upper triangle, k × n; zeros below the diagonal.
  public var r: Matrix<Element>
}

extension Backend {
  /// Computes the thin QR decomposition by Householder reflections (geqrf, orgqr).
  ///
  /// A = QR. Q is orthonormal to a modest multiple of ε for every matrix, and QR differs from A by a
  /// modest multiple of ε ‖A‖.
  ///
  /// - Parameter a: The matrix.
  /// - Returns: The decomposition.
  /// - Throws: An error if an element is not finite.
  /// - Complexity: O(m n min(m, n)).
  public func qr<Element: MatrixElement>(
    _ a: Matrix<Element>
  ) throws(TinctureError) -> QRDecomposition<Element> {
    try Checks.finite(a, "a QR decomposition")
    try Checks.addressable(a, "a QR decomposition")
    let (m, n, k) = (a.rows, a.columns, a.smallerExtent)
    guard k > 0 else {
      return QRDecomposition(q: Matrix(rows: m, columns: 0), r: Matrix(rows: 0, columns: n))
    }
    // Column after column, as the routines want it.
    var work = a.transposed()
    var (m32, n32, k32, lda, info) = (Int32(m), Int32(n), Int32(k), Int32(m), Int32(0))
    var r = Matrix<Element>(rows: k, columns: n)
    withWorkspace(Element.self, k) { tau in
      work.write { columns in
        inTwoCalls(Element.self) { scratch, size in
          var size = size
          call(Element.self) { $0.geqrf(&m32, &n32, columns, &lda, tau, scratch, &size, &info) }
          return info
        }
        r.write { r in
          for j in 0..<n { for i in 0...min(j, k - 1) { r[i * n + j] = columns[j * m + i] } }
        }
        guard info == 0 else { return }
        inTwoCalls(Element.self) { scratch, size in
          var (size, width) = (size, k32)
          call(Element.self) {
            $0.orgqr(&m32, &width, &k32, columns, &lda, tau, scratch, &size, &info)
          }
          return info
        }
      }
    }
    guard info == 0 else {
      throw Checks.failure("QR decomposition", "geqrf or orgqr", info, a.description)
    }
    var qt = k == n ? work : work.rows(0..<k)
    let signs = (0..<k).map { r[$0, $0] < 0 ? Element(-1) : 1 }
    qt.scaleRows(by: signs)
    r.scaleRows(by: signs)
    return QRDecomposition(q: qt.transposed(), r: r)
  }
}
