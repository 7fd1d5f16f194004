/// A rectangle within the memory of a matrix, row after row, for routines that work on parts.
///
/// The memory must outlive it; who makes one sees to that.
struct MatrixBlock<Element: MatrixElement> {
  /// The element of the first row and column.
  let start: UnsafeMutablePointer<Element>
  /// The number of rows.
  let rows: Int
  /// The number of columns.
  let columns: Int
  /// The elements from the start of a row to the start of the next.
  let stride: Int

  /// Describes memory that routines may change.
  init(_ start: UnsafeMutablePointer<Element>, rows: Int, columns: Int, stride: Int) {
    (self.start, self.rows, self.columns, self.stride) = (start, rows, columns, stride)
  }

  /// Describes memory that routines only read.
  init(reading start: UnsafePointer<Element>, rows: Int, columns: Int, stride: Int) {
    self.init(UnsafeMutablePointer(mutating: start), rows: rows, columns: columns, stride: stride)
  }
}

extension Backend {
  /// Multiplies two rectangles on this thread: C ← scale · op(A) op(B) + keeping · C.
  ///
  /// Extents, which must match, fit into 32 bits; C lies apart from A and B.
  func multiply<Element: MatrixElement>(
    _ a: MatrixBlock<Element>, _ b: MatrixBlock<Element>, transposing: Transposition = [],
    scale: Element = 1, into c: MatrixBlock<Element>, keeping: Element = 0
  ) {
    let isFirst = transposing.contains(.first)
    // Row after row, the transposes are column after column: Cᵀ = op(B)ᵀ op(A)ᵀ.
    var (left, right) = (
      letter(transposing.contains(.second) ? "T" : "N"), letter(isFirst ? "T" : "N")
    )
    var (m, n, k) = (Int32(c.columns), Int32(c.rows), Int32(isFirst ? a.rows : a.columns))
    var (lda, ldb, ldc) = (Int32(b.stride), Int32(a.stride), Int32(c.stride))
    var (alpha, beta) = (scale, keeping)
    call(Element.self) {
      $0.gemm(
        &left, &right, &m, &n, &k, &alpha, b.start, &lda, a.start, &ldb, &beta, c.start, &ldc, 1, 1)
    }
  }
}
