public import TinctureTensors

/// The eigenvalues and orthonormal eigenvectors of a symmetric matrix.
///
/// A = V · diag(λ) · Vᵀ. The eigenvalues descend. Of each eigenvector the component of largest
/// magnitude (the first at ties) is positive.
public struct EigenDecomposition<Element: MatrixElement>: Sendable {
  /// The eigenvalues, largest first.
  public var values: [Element]
  /// The eigenvectors as columns, in the order of the eigenvalues.
  public var vectors: Matrix<Element>

  /// Turns what routines give, eigenvector after eigenvector with ascending eigenvalues, to the convention.
  init(ascending values: [Element], rows: Matrix<Element>) {
    let (count, n) = (values.count, rows.columns)
    var descending = Matrix<Element>(uninitialisedRows: count, columns: n)
    descending.write { target in
      rows.read { source in
        for i in 0..<count { (target + i * n).update(from: source + (count - 1 - i) * n, count: n) }
      }
    }
    self.values = values.reversed()
    vectors = descending.transposed()
    var signs = [Element](repeating: 1, count: count)
    vectors.read { Loops.columnSigns($0, rows: n, columns: count, into: &signs) }
    vectors.scaleColumns(by: signs)
  }
}

extension Backend {
  /// Computes eigenvalues and eigenvectors of a symmetric matrix (syevd).
  ///
  /// A = V diag(λ) Vᵀ. Every eigenvalue is wrong by at most a modest multiple of ε ‖A‖₂, V is
  /// orthonormal to a modest multiple of ε. Should divide and conquer fail, QR steps (syev) take its
  /// place.
  ///
  /// - Parameter a: The matrix. It must equal its transpose up to √ε of its largest element; the
  ///   lower triangle counts.
  /// - Returns: All eigenvalues and eigenvectors.
  /// - Throws: An error if the matrix is not square, not symmetric or not finite, or the library
  ///   fails twice.
  /// - Complexity: O(n³).
  public func eigh<Element: MatrixElement>(
    _ a: Matrix<Element>
  ) throws(TinctureError) -> EigenDecomposition<Element> {
    try Checks.finite(a, "an eigenvalue decomposition")
    try Checks.symmetric(a, "An eigenvalue decomposition")
    try Checks.addressable(a, "an eigenvalue decomposition")
    let n = a.rows
    guard n > 0 else { return EigenDecomposition(ascending: [], rows: a) }
    var routine = "syevd"
    var (values, vectors, info) = divideAndConquer(a)
    if !isUsable(values, vectors, info), let second = qrSteps(a) {
      (values, vectors, info) = second
      routine = "syevd, then syev,"
    }
    guard isUsable(values, vectors, info) else {
      throw Checks.failure("Eigenvalue decomposition", routine, info, a.description)
    }
    return EigenDecomposition(ascending: values, rows: vectors)
  }

  func isUsable<Element: MatrixElement>(
    _ values: [Element], _ vectors: Matrix<Element>, _ info: Int32
  ) -> Bool {
    info == 0 && values.allSatisfy(\.isFinite)
      && vectors.read { Loops.firstNonFinite($0, vectors.count) } == nil
  }

  private func divideAndConquer<Element: MatrixElement>(
    _ a: Matrix<Element>
  ) -> (values: [Element], vectors: Matrix<Element>, info: Int32) {
    // Its workspace is 2n² + 6n + 1, which 32 bits must be able to say.
    guard 2 * a.rows * a.rows + 6 * a.rows < Int(Int32.max) else { return ([], a, 1) }
    return decompose(a) { routines, n, a, w in
      var (job, triangle, n32, lda, info) = (letter("V"), letter("U"), n, n, Int32(0))
      let integerCount = 3 + 5 * Int(n)
      withWorkspace(Int32.self, integerCount) { integers in
        inTwoCalls(Element.self) { work, size in
          var (size, integerSize) = (size, size < 0 ? -1 : Int32(integerCount))
          routines.syevd(
            &job, &triangle, &n32, a, &lda, w, work, &size, integers, &integerSize, &info, 1, 1)
          return info
        }
      }
      return info
    }
  }

  private func qrSteps<Element: MatrixElement>(
    _ a: Matrix<Element>
  ) -> (values: [Element], vectors: Matrix<Element>, info: Int32)? {
    guard (Element.precision == .single ? single : double).syev != nil else { return nil }
    return decompose(a) { routines, n, a, w in
      guard let syev = routines.syev else { return 1 }
      var (job, triangle, n32, lda, info) = (letter("V"), letter("U"), n, n, Int32(0))
      inTwoCalls(Element.self) { work, size in
        var size = size
        syev(&job, &triangle, &n32, a, &lda, w, work, &size, &info, 1, 1)
        return info
      }
      return info
    }
  }

  /// Prepares a copy of the matrix, of which the upper triangle column after column is the lower one
  /// row after row.
  private func decompose<Element: MatrixElement>(
    _ a: Matrix<Element>,
    _ body: (Routines, Int32, UnsafeMutablePointer<Element>, UnsafeMutablePointer<Element>) -> Int32
  ) -> (values: [Element], vectors: Matrix<Element>, info: Int32) {
    var vectors = a
    var values = [Element](repeating: 0, count: a.rows)
    var info: Int32 = 0
    vectors.write { vectors in
      values.withUnsafeMutableBufferPointer { values in
        guard let w = values.baseAddress else { return }
        info = call(Element.self) { body($0, Int32(fitting: a.rows), vectors, w) }
      }
    }
    return (values, vectors, info)
  }
}
