public import TinctureTensors

/// Data sets with the same examples, seen as one: images from one file, labels from another.
public struct JoinedDataSet: DataSet {
  /// The sources, joined by commas.
  public let source: String
  /// The number of examples.
  public let count: Int
  /// The columns of all parts.
  public let columns: [DataColumn]
  private let parts: [any DataSet]

  /// Joins data sets.
  ///
  /// - Parameter parts: At least one data set.
  /// - Throws: `data` when their numbers of examples differ or two have a column of the same name.
  public init(_ parts: [any DataSet]) throws(TinctureError) {
    precondition(!parts.isEmpty, "No data sets cannot be joined.")
    for part in parts where part.count != parts[0].count {
      throw TinctureError(
        .data,
        "\(parts[0].source) has \(parts[0].count) examples and \(part.source) has \(part.count);"
          + " join files that belong together.")
    }
    columns = parts.flatMap(\.columns)
    for (index, column) in columns.enumerated() {
      guard !columns[..<index].contains(where: { $0.name == column.name }) else {
        throw TinctureError(
          .data, "Two of the joined data sets have a column \"\(column.name)\"; rename one.",
          at: .init(file: parts.map(\.source).joined(separator: ", ")))
      }
    }
    self.parts = parts
    source = parts.map(\.source).joined(separator: ", ")
    count = parts[0].count
  }

  /// Reads a range of examples of a column.
  ///
  /// - Parameters:
  ///   - column: The name of the column.
  ///   - range: The examples, within 0 to `count`.
  /// - Returns: One value for each example.
  /// - Throws: As the part that has the column; `data` when none has.
  public func read(_ column: String, _ range: Range<Int>) throws(TinctureError) -> ColumnValues {
    guard
      let part = parts.first(where: { part in part.columns.contains { $0.name == column } })
    else {
      _ = try self.column(named: column)
      throw TinctureError(.internalError, "The column \"\(column)\" has no part.")
    }
    return try part.read(column, range)
  }
}
