internal import CTinctureKernels

extension Kernels {
  /// A factor of a product in memory: element (i, j) is at i · row + j · column, and one of both steps is 1.
  package struct Factor {
    /// The address of element (0, 0).
    package var start: UnsafePointer<Float>
    /// The distance of rows.
    package var row: Int
    /// The distance of columns.
    package var column: Int

    /// Creates a description of memory that the caller keeps.
    package init(_ start: UnsafePointer<Float>, row: Int, column: Int) {
      precondition(row == 1 || column == 1, "Neither rows nor columns of a factor are contiguous.")
      (self.start, self.row, self.column) = (start, row, column)
    }

    /// The factor with rows and columns exchanged.
    package var transposed: Factor { Factor(start, row: column, column: row) }

    /// The factor from an element on.
    package func from(_ i: Int, _ j: Int) -> Factor {
      Factor(start + (i * row + j * column), row: row, column: column)
    }
  }

  /// The product of two matrices, with a vector added to each row.
  ///
  /// z = x y + bias. Every element is summed up in an order that depends on `inner` only, so that parts of z may be
  /// computed apart from each other, with the same bits.
  ///
  /// - Parameters:
  ///   - x: The left factor, [rows, inner].
  ///   - y: The right factor, [inner, columns].
  ///   - bias: A number for each column, or nothing.
  ///   - z: Where the product goes, row after row.
  ///   - distance: The distance of its rows.
  ///   - rows: The number of its rows.
  ///   - columns: The number of its columns.
  ///   - inner: The length of the sums.
  /// - Complexity: O(rows · columns · inner), 85 to 90 % of the processor's rate from extents of 128 on with AVX-512.
  package static func multiply(
    _ x: Factor, _ y: Factor, bias: UnsafePointer<Float>?, into z: UnsafeMutablePointer<Float>,
    rowsApart distance: Int, rows: Int, columns: Int, inner: Int
  ) {
    tincture_product(
      x.start, x.row, x.column, y.start, y.row, y.column, bias, z, distance, rows, columns, inner)
  }

  /// The sums of the columns of a matrix.
  ///
  /// - Parameters:
  ///   - x: The matrix, row after row.
  ///   - distance: The distance of its rows.
  ///   - rows: The number of its rows.
  ///   - columns: The number of its columns.
  ///   - sums: Where the sum of each column goes.
  package static func columnSums(
    _ x: UnsafePointer<Float>, rowsApart distance: Int, rows: Int, columns: Int,
    into sums: UnsafeMutablePointer<Float>
  ) {
    tincture_column_sums(x, distance, rows, columns, sums)
  }
}
