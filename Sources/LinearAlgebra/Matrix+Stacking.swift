extension Matrix {
  /// The rows of several matrices below each other.
  ///
  /// - Parameters:
  ///   - parts: The matrices, all with as many columns.
  ///   - columns: The number of columns, also where there is no part.
  /// - Returns: A matrix with the rows of all parts, in their order.
  /// - Complexity: O(rows · columns).
  public static func stacked(_ parts: [Matrix], columns: Int) -> Matrix {
    precondition(
      parts.allSatisfy { $0.columns == columns },
      "Matrices below each other must have \(columns) columns each.")
    var result = Matrix(uninitialisedRows: parts.reduce(0) { $0 + $1.rows }, columns: columns)
    result.write { target in
      var position = target
      for part in parts {
        part.read { position.update(from: $0, count: part.count) }
        position += part.count
      }
    }
    return result
  }

  /// The columns of several matrices beside each other.
  ///
  /// - Parameters:
  ///   - parts: The matrices, all with as many rows.
  ///   - rows: The number of rows, also where there is no part.
  /// - Returns: A matrix with the columns of all parts, in their order.
  /// - Complexity: O(rows · columns).
  public static func joined(_ parts: [Matrix], rows: Int) -> Matrix {
    precondition(
      parts.allSatisfy { $0.rows == rows },
      "Matrices beside each other must have \(rows) rows each.")
    let columns = parts.reduce(0) { $0 + $1.columns }
    var result = Matrix(uninitialisedRows: rows, columns: columns)
    result.write { target in
      var start = 0
      for part in parts {
        part.read { source in
          for row in 0..<rows {
            (target + row * columns + start).update(
              from: source + row * part.columns, count: part.columns)
          }
        }
        start += part.columns
      }
    }
    return result
  }
}
