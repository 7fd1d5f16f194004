extension Matrix {
  /// The n × n matrix with ones on the diagonal and zeros elsewhere.
  public static func identity(_ n: Int) -> Matrix {
    diagonal([Element](repeating: 1, count: n))
  }

  /// The square matrix with the given diagonal and zeros elsewhere.
  ///
  /// - Parameter values: The diagonal.
  /// - Returns: The matrix.
  public static func diagonal(_ values: [Element]) -> Matrix {
    var result = Matrix(rows: values.count, columns: values.count)
    result.write { target in
      for (i, value) in values.enumerated() { target[i * values.count + i] = value }
    }
    return result
  }

  /// The matrix with rows and columns exchanged.
  ///
  /// - Complexity: O(rows · columns).
  public func transposed() -> Matrix {
    var result = Matrix(uninitialisedRows: columns, columns: rows)
    result.write { target in
      read { Loops.transpose($0, rows: rows, columns: columns, into: target) }
    }
    return result
  }

  /// Some consecutive rows.
  ///
  /// - Parameter range: The rows, counted from zero.
  /// - Returns: A matrix of its own.
  public func rows(_ range: Range<Int>) -> Matrix {
    precondition(
      range.lowerBound >= 0 && range.upperBound <= rows,
      "A matrix of \(rows) rows has no rows \(range).")
    var result = Matrix(uninitialisedRows: range.count, columns: columns)
    result.write { target in
      read { target.update(from: $0 + range.lowerBound * columns, count: range.count * columns) }
    }
    return result
  }

  /// Replaces consecutive rows.
  ///
  /// - Parameters:
  ///   - first: The first row that is replaced.
  ///   - part: What replaces them, with as many columns.
  public mutating func replaceRows(from first: Int, by part: Matrix) {
    precondition(
      part.columns == columns && first >= 0 && first + part.rows <= rows,
      "\(part) does not fit into \(self) from row \(first) on.")
    let start = first * columns
    write { target in
      part.read { (target + start).update(from: $0, count: part.count) }
    }
  }

  /// Some consecutive rows as another type.
  ///
  /// - Parameters:
  ///   - range: The rows, counted from zero.
  ///   - type: The type.
  /// - Returns: A matrix of its own.
  public func rows<Target: MatrixElement>(
    _ range: Range<Int>, as type: Target.Type
  ) -> Matrix<Target> {
    precondition(
      range.lowerBound >= 0 && range.upperBound <= rows,
      "A matrix of \(rows) rows has no rows \(range).")
    var result = Matrix<Target>(uninitialisedRows: range.count, columns: columns)
    result.write { target in
      read { Loops.convert($0 + range.lowerBound * columns, into: target, range.count * columns) }
    }
    return result
  }

  /// Some consecutive columns.
  ///
  /// - Parameter range: The columns, counted from zero.
  /// - Returns: A matrix of its own.
  public func columns(_ range: Range<Int>) -> Matrix {
    precondition(
      range.lowerBound >= 0 && range.upperBound <= columns,
      "A matrix of \(columns) columns has no columns \(range).")
    var result = Matrix(uninitialisedRows: rows, columns: range.count)
    result.write { target in
      read { source in
        for i in 0..<rows {
          (target + i * range.count).update(
            from: source + i * columns + range.lowerBound, count: range.count)
        }
      }
    }
    return result
  }

  /// Columns in an order of their own.
  ///
  /// - Parameter order: Their numbers, counted from zero.
  /// - Returns: A matrix of its own.
  func columns(_ order: [Int]) -> Matrix {
    var result = Matrix(uninitialisedRows: rows, columns: order.count)
    result.write { target in
      read { source in
        for i in 0..<rows {
          for (j, column) in order.enumerated() {
            target[i * order.count + j] = source[i * columns + column]
          }
        }
      }
    }
    return result
  }

  /// Rows in an order, all below the number of rows.
  func rows(_ order: [Int]) -> Matrix {
    var result = Matrix(uninitialisedRows: order.count, columns: columns)
    result.write { target in
      read { source in
        for (i, row) in order.enumerated() {
          (target + i * columns).update(from: source + row * columns, count: columns)
        }
      }
    }
    return result
  }

  /// The same numbers as another type; narrowing rounds to nearest, ties to even.
  ///
  /// - Parameter type: The type.
  /// - Returns: The converted matrix.
  public func converted<Target: MatrixElement>(to type: Target.Type) -> Matrix<Target> {
    if let same = self as? Matrix<Target> { return same }
    var result = Matrix<Target>(uninitialisedRows: rows, columns: columns)
    result.write { target in read { Loops.convert($0, into: target, count) } }
    return result
  }

  /// The sum of the diagonal, in double precision.
  public var trace: Double {
    read { x in (0..<smallerExtent).reduce(0) { $0 + Double(x[$1 * columns + $1]) } }
  }

  /// The largest magnitude of an element, 0 for an empty matrix.
  public var largestMagnitude: Element { read { Loops.largestMagnitude($0, count) } }

  /// The Frobenius norm, (Σ aᵢⱼ²)^½, accumulated in double precision.
  ///
  /// It neither overflows nor underflows where the result is a number. NaN if an element is
  /// not finite.
  ///
  /// - Complexity: O(rows · columns).
  public var frobeniusNorm: Double {
    let sum = read { Loops.sumOfSquares($0, count, unit: 1) }
    if sum > 1e-280 && sum < 1e300 { return sum.squareRoot() }
    guard read({ Loops.firstNonFinite($0, count) }) == nil else { return .nan }
    let largest = Double(largestMagnitude)
    guard largest > 0 else { return 0 }
    // The power of two is exact, so that it changes only the range.
    let unit = Double(sign: .plus, exponent: largest.exponent, significand: 1)
    guard (1 / unit).isFinite else { return largest }
    return unit * read { Loops.sumOfSquares($0, count, unit: unit) }.squareRoot()
  }

  /// The largest sum of magnitudes of a column, the norm that the 1-norm of vectors induces.
  public var oneNorm: Double {
    var sums = [Double](repeating: 0, count: columns)
    read { Loops.addMagnitudes($0, rows: rows, columns: columns, to: &sums) }
    return sums.max() ?? 0
  }

  /// Multiplies each element.
  ///
  /// - Parameter factor: What by.
  public mutating func scale(by factor: Element) {
    let count = self.count
    write { Loops.scale($0, by: factor, count) }
  }

  /// Multiplies each column with a number of its own, which is A · diag(factors).
  ///
  /// - Parameter factors: One for each column.
  public mutating func scaleColumns(by factors: [Element]) {
    precondition(
      factors.count == columns, "\(factors.count) factors do not fit \(columns) columns.")
    let (rows, columns) = (self.rows, self.columns)
    write { Loops.scaleColumns($0, rows: rows, columns: columns, by: factors) }
  }

  /// Multiplies each row with a number of its own, which is diag(factors) · A.
  ///
  /// - Parameter factors: One for each row.
  public mutating func scaleRows(by factors: [Element]) {
    precondition(factors.count == rows, "\(factors.count) factors do not fit \(rows) rows.")
    let (rows, columns) = (self.rows, self.columns)
    write { Loops.scaleRows($0, rows: rows, columns: columns, by: factors) }
  }

  /// The inner product of each row with the same row of a matrix of the same extents, in double precision.
  ///
  /// - Parameter other: The matrix.
  /// - Returns: The diagonal of A Bᵀ.
  /// - Complexity: O(rows · columns).
  public func rowProducts(with other: Matrix) -> [Double] {
    precondition(
      other.rows == rows && other.columns == columns,
      "A \(other.rows) × \(other.columns) matrix has other rows than a \(rows) × \(columns) one.")
    return read { x in
      other.read { y in
        (0..<rows).map { Loops.dot(x + $0 * columns, y + $0 * columns, columns) }
      }
    }
  }

  /// Adds a multiple of a matrix of the same extents.
  ///
  /// - Parameters:
  ///   - other: The matrix.
  ///   - factor: What it is multiplied by.
  public mutating func add(_ other: Matrix, times factor: Element = 1) {
    precondition(
      other.rows == rows && other.columns == columns,
      "A \(other.rows) × \(other.columns) matrix cannot be added to a \(rows) × \(columns) one.")
    let count = self.count
    write { target in other.read { Loops.add($0, times: factor, to: target, count) } }
  }

  /// Replaces a square matrix by the mean of itself and its transpose.
  ///
  /// - Parameter ratio: What elements beside the diagonal are multiplied by.
  /// - Returns: The largest difference between an element and the one that mirrors it.
  /// - Complexity: O(n²).
  public mutating func symmetrize(scalingOffDiagonal ratio: Element = 1) -> Element {
    precondition(rows == columns, "A \(rows) × \(columns) matrix has no mirrored elements.")
    let n = rows
    return write { Loops.symmetrize($0, n, scaling: ratio) }
  }
}
