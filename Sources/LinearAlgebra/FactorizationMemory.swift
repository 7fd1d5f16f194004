/// The memory that factorisations take beyond the matrices they are given, in bytes.
///
/// For plans, which state memory before anything runs. What a library allocates for itself, about
/// 30 MB for each thread of OpenBLAS, is not in it.
public struct FactorizationMemory: Sendable, Hashable {
  /// The number of rows.
  public let rows: Int
  /// The number of columns.
  public let columns: Int
  /// The precision of the matrix.
  public let precision: Precision

  /// Asks about a matrix.
  ///
  /// - Parameters:
  ///   - rows: The number of rows.
  ///   - columns: The number of columns.
  ///   - precision: The precision of the matrix.
  public init(rows: Int, columns: Int, precision: Precision) {
    self.rows = rows
    self.columns = columns
    self.precision = precision
  }

  private var width: Int { precision == .single ? 4 : 8 }
  private var short: Int { min(rows, columns) }

  /// For the thin singular value decomposition: a copy, the factors and the workspace.
  public var svd: Int {
    let factors = (rows + columns + 1) * short
    // 4k² and more, and 64 columns for blocked reflections.
    let work = 4 * short * short + 7 * short + 64 * (rows + columns + short)
    return width * (rows * columns + factors + work) + 32 * short
  }

  /// For the decomposition by the smaller Gram matrix, which is computed in double precision whatever
  /// the matrix has: a copy, the Gram matrix and its eigenvalues, and the factors twice.
  public var svdByGram: Int {
    let square = FactorizationMemory(rows: short, columns: short, precision: .double)
    return 8 * (rows * columns + 3 * short * short + 2 * short * (rows + columns)) + square.eigh
  }

  /// For the QR decomposition: two copies, the triangle and the workspace.
  public var qr: Int {
    width * (2 * rows * columns + 2 * rows * short + short * columns + 64 * (rows + columns))
  }

  /// For the eigenvalues of the square matrix with as many rows: three copies and the workspace.
  public var eigh: Int { width * (5 * rows * rows + 70 * rows) + 4 * (5 * rows + 3) }
}
