public import TinctureTensors

extension Backend {
  /// Computes the largest eigenvalues of a symmetric matrix and their eigenvectors.
  ///
  /// The matrix becomes tridiagonal by reflections (sytrd). Bisection finds eigenvalues of that, many at a time,
  /// inverse iteration their vectors, which are made orthonormal together and turned back (ormtr). The
  /// accuracy is that of all eigenvectors together: eigenvalues to a modest multiple of ε ‖A‖₂, vectors
  /// orthonormal to a modest multiple of n ε. Where more than half of the vectors are wanted, where a library
  /// lacks a step or a step fails, all are computed.
  ///
  /// Parlett 1998, The Symmetric Eigenvalue Problem, chapters 3 and 4.
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
    if 2 * count <= n, count > 0, let found = leading(a, count, .double) {
      return EigenDecomposition(
        ascending: found.values.map { Element($0) }, rows: found.vectors)
    }
    var all = try eigh(a)
    guard count < n else { return all }
    all.vectors = all.vectors.columns(0..<count)
    all.values.removeLast(n - count)
    return all
  }

  /// Computes eigenvalues of a symmetric matrix in double precision and their vectors in single precision.
  ///
  /// As ``eigh(_:leading:)``, but vectors are orthonormal to a modest multiple of single precision's ε only, and so
  /// all of them are found in this way, faster than by divide and conquer.
  ///
  /// - Parameters:
  ///   - a: The matrix, exactly symmetric.
  ///   - count: How many are wanted, from 1 to all.
  /// - Returns: The largest eigenvalues, descending, and their vectors as columns.
  /// - Throws: An error if the matrix is not finite, or the library fails.
  /// - Complexity: 4/3 n³ for the reflections, and O(n² count).
  public func eighInSingle(
    _ a: Matrix<Double>, leading count: Int
  ) throws(TinctureError) -> (values: [Double], vectors: Matrix<Float>) {
    try Checks.finite(a, "an eigenvalue decomposition")
    guard let found = leading(a, count, .single) else {
      let found = try eigh(a, leading: count)
      return (found.values, found.vectors.converted(to: Float.self))
    }
    let single = EigenDecomposition(
      ascending: found.values.map { Float($0) }, rows: found.vectors.converted(to: Float.self))
    return (found.values.reversed(), single.vectors)
  }

  /// The largest eigenvalues, ascending, and their vectors as rows; nil where that way is not possible.
  private func leading<Element: MatrixElement>(
    _ a: Matrix<Element>, _ count: Int, _ precision: Precision
  ) -> (values: [Double], vectors: Matrix<Element>)? {
    let routines = Element.precision == .single ? single : double
    guard let steps = routines.leading, 64 * a.rows < Int(Int32.max) else { return nil }
    let n = a.rows
    var (work, n32) = (a, Int32(n))
    var diagonals = Matrix<Element>(rows: 3, columns: n)  // d, e and τ
    var info: Int32 = 0
    // The upper triangle column after column is the lower one row after row.
    var triangle = letter("U")
    work.write { a in
      diagonals.write { d in
        call(Element.self) { _ in
          inTwoCalls(Element.self) { space, size in
            var size = size
            steps.sytrd(
              &triangle, &n32, a, &n32, d, d + n, d + 2 * n, space, &size, &info, 1)
            return info
          }
        }
      }
    }
    let numbers = diagonals.array
    guard info == 0,
      let tridiagonal = TridiagonalMatrix(
        diagonal: numbers[..<n].map { Double($0) },
        beside: numbers[n..<2 * n - 1].map { Double($0) }),
      let found = tridiagonal.leading(count, self, precision)
    else { return nil }
    var vectors = found.vectors.converted(to: Element.self)
    vectors.write { z in
      work.read { a in
        diagonals.read { d in
          call(Element.self) { _ in
            // What it asks for leaves no room for the triangles of blocked reflections.
            var (side, trans, columns) = (letter("L"), letter("N"), Int32(count))
            var size = Int32(64 * (count + 65))
            withWorkspace(Element.self, Int(size)) { space in
              steps.ormtr(
                &side, &triangle, &trans, &n32, &columns, a, &n32, d + 2 * n, z, &n32, space, &size,
                &info, 1, 1, 1)
            }
          }
        }
      }
    }
    guard isUsable(found.values.map { Element($0) }, vectors, info) else { return nil }
    return (found.values, vectors)
  }
}
