internal import TinctureTensors

/// What operations ask of their arguments.
enum Checks {
  /// Refuses a matrix with an element that is not finite; `operation` says what it is for.
  static func finite<Element: MatrixElement>(
    _ matrix: Matrix<Element>, _ operation: String
  ) throws(TinctureError) {
    guard let index = matrix.read({ Loops.firstNonFinite($0, matrix.count) }) else { return }
    let (row, column) = index.quotientAndRemainder(dividingBy: matrix.columns)
    throw TinctureError(
      .checkpoint,
      "A matrix for \(operation) has \(matrix[row, column]) in row \(row), column \(column), counted "
        + "from 0; all its elements must be finite")
  }

  /// Refuses extents that the 32-bit interface of the libraries cannot address.
  static func addressable<Element: MatrixElement>(
    _ matrix: Matrix<Element>, _ operation: String
  ) throws(TinctureError) {
    guard matrix.count <= Int(Int32.max), max(matrix.rows, matrix.columns) < Int(Int32.max) else {
      throw TinctureError(
        .checkpoint,
        "A \(matrix.rows) × \(matrix.columns) matrix is too large for \(operation): the libraries "
          + "address \(Int32.max) elements at most")
    }
  }

  /// Refuses a matrix that is not square.
  static func square<Element: MatrixElement>(
    _ matrix: Matrix<Element>, _ operation: String
  ) throws(TinctureError) {
    guard matrix.rows == matrix.columns else {
      throw TinctureError(
        .checkpoint,
        "\(operation) needs a square matrix, not a \(matrix.rows) × \(matrix.columns) one")
    }
  }

  /// Refuses a matrix that differs from its transpose by more than rounding explains.
  static func symmetric<Element: MatrixElement>(
    _ matrix: Matrix<Element>, _ operation: String
  ) throws(TinctureError) {
    try square(matrix, operation)
    let found = matrix.read { Loops.asymmetry($0, matrix.rows) }
    guard found.difference > found.largest * Element.ulpOfOne.squareRoot() else { return }
    throw TinctureError(
      .checkpoint,
      "\(operation) needs a symmetric matrix; row \(found.row), column \(found.column) has "
        + "\(matrix[found.row, found.column]), and "
        + "\(matrix[found.column, found.row]) mirrors it")
  }

  /// Refuses a rank that a matrix cannot have.
  static func rank<Element: MatrixElement>(
    _ rank: Int, of matrix: Matrix<Element>
  ) throws(TinctureError) {
    guard (0...matrix.smallerExtent).contains(rank) else {
      throw TinctureError(
        .checkpoint,
        "A \(matrix.rows) × \(matrix.columns) matrix has no approximation of rank \(rank); "
          + "0 to \(matrix.smallerExtent) are possible")
    }
  }

  /// The failure of a library's routine for which no other route is left.
  static func failure(_ operation: String, _ routine: String, _ info: Int32, _ shape: String)
    -> TinctureError
  {
    TinctureError(
      .internalError,
      "\(operation) of a \(shape) failed: \(routine) reports \(info)"
        + (info < 0 ? ", an argument it does not accept" : ", no convergence"))
  }
}

extension Int32 {
  /// A count that was checked to fit.
  init(fitting count: Int) {
    precondition(count <= Int(Int32.max), "\(count) does not fit 32 bits.")
    self = Int32(count)
  }
}

/// Working memory for a routine of a library, aligned to 64 bytes.
///
/// - Parameters:
///   - type: The type of an element.
///   - count: How many elements.
///   - body: Uses them; they are not initialised.
/// - Returns: What `body` returns.
func withWorkspace<Element: BitwiseCopyable, Result>(
  _ type: Element.Type, _ count: Int, _ body: (UnsafeMutablePointer<Element>) -> Result
) -> Result {
  let memory = UnsafeMutableRawPointer.allocate(
    byteCount: max(64, count * MemoryLayout<Element>.stride), alignment: 64)
  defer { memory.deallocate() }
  return body(memory.bindMemory(to: type, capacity: max(1, count)))
}

/// The size of a workspace as a routine reports it, in a number of the matrix's own type.
///
/// Single precision cannot hold sizes above 2²⁴ exactly; the next larger number is taken.
func workspaceSize<Element: MatrixElement>(_ reported: Element) -> Int {
  let size = Double(reported) * (reported < 16_000_000 ? 1 : 1 + Double(Element.ulpOfOne))
  return max(1, Int(size.rounded(.up)))
}
