internal import Synchronization
public import TinctureTensors

extension Backend {
  /// Computes the largest eigenvalues of a symmetric matrix and their eigenvectors.
  ///
  /// The matrix becomes tridiagonal by reflections (sytrd). Bisection finds eigenvalues of that, many at a time,
  /// inverse iteration their vectors, which are made orthonormal together and turned back (ormtr). The
  /// accuracy is that of all eigenvectors together: eigenvalues to a modest multiple of ε ‖A‖₂, vectors
  /// orthonormal to a modest multiple of n ε. Large matrices in double precision are made tridiagonal
  /// with the help of spare threads. Where more than half of the vectors of others are wanted, where a library lacks a
  /// step or a step fails, all are computed (syevd).
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
    // Both ways look at one triangle, and not at the same.
    let isOwn = Element.precision == .double && n >= Tridiagonalization.leastExtent
    var copy = isOwn ? a.transposed() : a
    if isOwn || 2 * count <= n, count > 0,
      let found = leading(&copy, min(count, n), as: Element.self)
    {
      return EigenDecomposition(
        ascending: found.values.map { Element($0) }, rows: found.vectors)
    }
    var all = try eigh(a)
    guard count < n else { return all }
    all.vectors = all.vectors.columns(0..<count)
    all.values.removeLast(n - count)
    return all
  }

  /// Computes eigenvalues of a symmetric matrix and their vectors in single precision.
  ///
  /// As ``eigh(_:leading:)``, but vectors are orthonormal to a modest multiple of single precision's ε only, and so
  /// all of them are found in this way, faster than by divide and conquer. The matrix becomes tridiagonal in its own
  /// precision, whose ε tells by how much of the largest eigenvalue all are wrong.
  ///
  /// - Parameters:
  ///   - count: How many are wanted, from 1 to all.
  ///   - make: Makes the matrix, exactly symmetric, which is used up; called again where the quicker way fails.
  /// - Returns: The largest eigenvalues, descending, and their vectors as columns.
  /// - Throws: What `make` throws, or an error if the matrix is not finite or the library fails.
  /// - Complexity: 4/3 n³ for the reflections, and O(n² count).
  func eighInSingle<Element: MatrixElement>(
    leading count: Int, of make: () throws(TinctureError) -> Matrix<Element>
  ) throws(TinctureError) -> (values: [Double], vectors: Matrix<Float>) {
    var a = try make()
    try Checks.finite(a, "an eigenvalue decomposition")
    guard let found = leading(&a, count, as: Float.self) else {
      let found = try eigh(make(), leading: count)
      return (found.values.map { Double($0) }, found.vectors.converted(to: Float.self))
    }
    let single = EigenDecomposition(
      ascending: found.values.map { Float($0) }, rows: found.vectors)
    return (found.values.reversed(), single.vectors)
  }

  /// The largest eigenvalues, ascending, and their vectors as rows; nil where that way is not possible.
  ///
  /// The matrix is used up.
  func leading<Element: MatrixElement, Output: MatrixElement>(
    _ a: inout Matrix<Element>, _ count: Int, as output: Output.Type
  ) -> (values: [Double], vectors: Matrix<Output>)? {
    guard 64 * a.rows < Int(Int32.max),
      let (tridiagonal, reflections) = tridiagonal(&a, as: Output.self),
      var found = tridiagonal.leading(count, self, as: Output.self)
    else { return nil }
    let info = turnBack(&found.vectors, reflections)
    guard isUsable(found.values.map { Output($0) }, found.vectors, info) else { return nil }
    return found
  }

  /// What turns vectors of the tridiagonal matrix into those of the matrix.
  private enum Reflections<Element: MatrixElement> {
    /// Those of ``Tridiagonalization``.
    case blocks(ReflectionBlocks<Element>)
    /// Those of the library's routine, in the upper triangle column after column, and their factors.
    case routine(Matrix<Element>, factors: Matrix<Element>)
  }

  /// Makes a matrix tridiagonal, which is used up; nil where the library cannot.
  private func tridiagonal<Element: MatrixElement, Output: MatrixElement>(
    _ a: inout Matrix<Element>, as output: Output.Type
  ) -> (TridiagonalMatrix, Reflections<Output>)? {
    let n = a.rows
    if n >= Tridiagonalization.leastExtent, let own = a as? Matrix<Double> {
      a = Matrix(rows: 0, columns: 0)
      var found = Tridiagonalization(own, self)
      guard let matrix = TridiagonalMatrix(diagonal: found.diagonal, beside: found.beside) else {
        return nil
      }
      let blocks = ReflectionBlocks(
        found.takeReflections().converted(to: Output.self), found.factors, self)
      return (matrix, .blocks(blocks))
    }
    let routines = Element.precision == .single ? single : double
    guard let steps = routines.leading else { return nil }
    var n32 = Int32(n)
    var diagonals = Matrix<Element>(rows: 3, columns: n)  // d, e and τ
    var info: Int32 = 0
    // The upper triangle column after column is the lower one row after row.
    var triangle = letter("U")
    a.write { a in
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
    // From here on the matrix holds the reflections, which are needed in the vectors' type only.
    let vectors = a.converted(to: Output.self)
    a = Matrix(rows: 0, columns: 0)
    guard info == 0,
      let tridiagonal = TridiagonalMatrix(
        diagonal: numbers[..<n].map { Double($0) },
        beside: numbers[n..<2 * n - 1].map { Double($0) })
    else { return nil }
    let factors = diagonals.rows(2..<3).converted(to: Output.self)
    return (tridiagonal, .routine(vectors, factors: factors))
  }

  /// Turns eigenvectors of the tridiagonal matrix, as rows, into those of the matrix; 0 for success.
  private func turnBack<Element: MatrixElement>(
    _ vectors: inout Matrix<Element>, _ reflections: Reflections<Element>
  ) -> Int32 {
    switch reflections {
    case .blocks(let blocks):
      blocks.turn(&vectors, self)
      return 0
    case .routine(let reflections, let factors):
      return turnBack(&vectors, reflections, factors)
    }
  }

  private func turnBack<Element: MatrixElement>(
    _ vectors: inout Matrix<Element>, _ reflections: Matrix<Element>, _ factors: Matrix<Element>
  ) -> Int32 {
    let routines = Element.precision == .single ? single : double
    guard let ormtr = routines.leading?.ormtr else { return 1 }
    let (n, count) = (vectors.columns, vectors.rows)
    let failure = Atomic<Int32>(0)
    vectors.write { z in
      reflections.read { a in
        factors.read { tau in
          inPieces(of: count, work: 2 * n * n * count) { piece in
            var (side, triangle, trans) = (letter("L"), letter("U"), letter("N"))
            var (n32, count, info) = (Int32(n), Int32(piece.count), Int32(0))
            // What it asks for leaves no room for the triangles of blocked reflections.
            var size = 64 * (count + 65)
            call(Element.self) { _ in
              withWorkspace(Element.self, Int(size)) { space in
                ormtr(
                  &side, &triangle, &trans, &n32, &count, a, &n32, tau, z + piece.lowerBound * n,
                  &n32, space, &size, &info, 1, 1, 1)
              }
            }
            if info != 0 { failure.store(info, ordering: .relaxed) }
          }
        }
      }
    }
    return failure.load(ordering: .relaxed)
  }
}
