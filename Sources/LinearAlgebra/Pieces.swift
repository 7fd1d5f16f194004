internal import TinctureTensors

extension Backend {
  /// Does large work in pieces, on this thread and on those that are spare.
  ///
  /// Where it is cut depends on its extents alone, so that its bits do not depend on who helps.
  ///
  /// - Parameters:
  ///   - extent: What is cut.
  ///   - work: The number of multiplications in all of it; little work stays whole.
  ///   - body: Does the piece of a range, on any thread.
  func inPieces(of extent: Int, work: Int, _ body: (Range<Int>) -> Void) {
    // A piece of a tenth of a second at most, and of milliseconds at least.
    let count = threads > 1 ? 1 : max(1, min(extent / 128, 12, work >> 28))
    inPieces(of: extent, pieceLength: ((extent + count - 1) / count + 63) / 64 * 64, body)
  }

  /// Does work in pieces of a certain length, on this thread and on those that are spare.
  func inPieces(of extent: Int, pieceLength length: Int, _ body: (Range<Int>) -> Void) {
    SpareThreads.shared.run(pieces: (extent + length - 1) / max(1, length)) { piece in
      body(piece * length..<min(extent, (piece + 1) * length))
    }
  }

  /// Adds the upper triangle of a matrix of inner products to another's, a band of rows at a time.
  ///
  /// - Returns: False where the library has no routine for it.
  func addUpperGram<Element: MatrixElement>(
    _ a: UnsafePointer<Element>, rows: Int, columns: Int, of side: GramSide,
    to c: UnsafeMutablePointer<Element>
  ) -> Bool {
    guard (Element.precision == .single ? single : double).syrk != nil else { return false }
    let (n, k) = side == .rows ? (rows, columns) : (columns, rows)
    // The distance of the vectors whose products are taken.
    let step = side == .rows ? columns : 1
    inPieces(of: n, work: n * n / 2 * k) { band in
      let (from, rest) = (a + band.lowerBound * step, n - band.upperBound)
      call(Element.self) { routines in
        // The lower triangle column after column is the upper one row after row.
        var lower = letter("L")
        var (plain, transposed) = (letter("N"), letter("T"))
        var (count, others, k32) = (Int32(band.count), Int32(rest), Int32(k))
        var (lda, ldc) = (Int32(columns), Int32(n))
        var (alpha, beta) = (Element(1), Element(1))
        let corner = c + band.lowerBound * n + band.lowerBound
        if side == .rows { swap(&plain, &transposed) }
        routines.syrk?(
          &lower, &plain, &count, &k32, &alpha, from, &lda, &beta, corner, &ldc, 1, 1)
        guard rest > 0 else { return }
        routines.gemm(
          &plain, &transposed, &others, &count, &k32, &alpha, a + band.upperBound * step, &lda,
          from, &lda, &beta, corner + band.count, &ldc, 1, 1)
      }
    }
    return true
  }
}
