public import TinctureTensors

extension Backend {
  /// Computes the largest eigenvalues of a symmetric matrix and their eigenvectors.
  ///
  /// The matrix becomes tridiagonal by reflections (sytrd), of which some eigenvectors are found by robust
  /// representations (stemr) and turned back (ormtr). The accuracy is that of all eigenvectors together:
  /// eigenvalues to a modest multiple of ε ‖A‖₂, vectors orthonormal to a modest multiple of n ε. Where more
  /// than half of the vectors are wanted, where a library lacks a step or a step fails, all are computed.
  ///
  /// Dhillon, Parlett and Vömel 2006, The design and implementation of the MRRR algorithm.
  ///
  /// - Parameters:
  ///   - a: The matrix. It must equal its transpose up to √ε of its largest element; the lower triangle
  ///     counts.
  ///   - count: How many are wanted, from 0; more than there are gives all.
  /// - Returns: The largest eigenvalues, descending, and their vectors as columns.
  /// - Throws: An error if the matrix is not square, not symmetric or not finite, or the library fails.
  /// - Complexity: 4/3 n³ for the reflections and O(n² count) for the vectors.
  public func eigh<Element: MatrixElement>(
    _ a: Matrix<Element>, leading count: Int
  ) throws(TinctureError) -> EigenDecomposition<Element> {
    precondition(count >= 0, "\(count) eigenvectors are not possible.")
    try Checks.finite(a, "an eigenvalue decomposition")
    try Checks.symmetric(a, "An eigenvalue decomposition")
    let n = a.rows
    if 2 * count <= n, count > 0, let found = leading(a, count) { return found }
    var all = try eigh(a)
    guard count < n else { return all }
    all.vectors = all.vectors.columns(0..<count)
    all.values.removeLast(n - count)
    return all
  }

  private func leading<Element: MatrixElement>(
    _ a: Matrix<Element>, _ count: Int
  ) -> EigenDecomposition<Element>? {
    let routines = Element.precision == .single ? single : double
    guard let steps = routines.leading, 64 * a.rows < Int(Int32.max) else { return nil }
    let n = a.rows
    var (work, n32) = (a, Int32(n))
    var diagonals = Matrix<Element>(rows: 4, columns: n)  // d, e, τ and the eigenvalues
    var vectors = Matrix<Element>(rows: count, columns: n)
    var info: Int32 = 0
    work.write { a in
      diagonals.write { d in
        let (e, tau, values) = (d + n, d + 2 * n, d + 3 * n)
        vectors.write { z in
          call(Element.self) { _ in
            // The upper triangle column after column is the lower one row after row.
            var triangle = letter("U")
            inTwoCalls(Element.self) { space, size in
              var size = size
              steps.sytrd(&triangle, &n32, a, &n32, d, e, tau, space, &size, &info, 1)
              return info
            }
            guard info == 0 else { return }
            info = tridiagonal(steps.stemr, n32, d, e, values, z, Int32(count))
            guard info == 0 else { return }
            // What it asks for leaves no room for the triangles of blocked reflections.
            var (side, trans, columns) = (letter("L"), letter("N"), Int32(count))
            var size = Int32(64 * (count + 65))
            withWorkspace(Element.self, Int(size)) { space in
              steps.ormtr(
                &side, &triangle, &trans, &n32, &columns, a, &n32, tau, z, &n32, space, &size,
                &info, 1, 1, 1)
            }
          }
        }
      }
    }
    let values = Array(diagonals.array[3 * n..<3 * n + count])
    guard isUsable(values, vectors, info) else { return nil }
    return EigenDecomposition(ascending: values, rows: vectors)
  }

  /// The largest eigenvalues of a tridiagonal matrix, ascending, and their vectors.
  private func tridiagonal<Element: MatrixElement>(
    _ stemr: Routines.Stemr, _ n: Int32, _ d: UnsafeMutablePointer<Element>,
    _ e: UnsafeMutablePointer<Element>, _ values: UnsafeMutablePointer<Element>,
    _ z: UnsafeMutablePointer<Element>, _ count: Int32
  ) -> Int32 {
    var (job, range, n32, wanted, found) = (letter("V"), letter("I"), n, count, Int32(0))
    var (first, last, unused) = (n - count + 1, n, Element.zero)
    var (isAccurate, info): (Int32, Int32) = (1, 0)
    withWorkspace(Int32.self, 12 * Int(n)) { integers in
      let support = integers + 10 * Int(n)
      withWorkspace(Element.self, 18 * Int(n)) { space in
        var (size, integerSize) = (18 * n, 10 * n)
        var bound = unused
        stemr(
          &job, &range, &n32, d, e, &unused, &bound, &first, &last, &found, values, z, &n32,
          &wanted, support, &isAccurate, space, &size, integers, &integerSize, &info, 1, 1)
      }
    }
    return found == count ? info : max(1, info)
  }
}
