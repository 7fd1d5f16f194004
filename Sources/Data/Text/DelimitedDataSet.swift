public import SystemPackage
internal import TinctureSafetensors
public import TinctureTensors

/// A file of comma- or tab-separated values with typed columns.
///
/// Opening reads the file once, checks that all records have as many fields and notes where one of every
/// 64 begins; reading a range reads little more than the range. Empty lines are skipped, except in files
/// of one column, where they are empty fields.
public struct DelimitedDataSet: DataSet {
  /// The file, as the user named it.
  public let source: String
  /// The number of records.
  public var count: Int { index.count }
  /// The columns.
  public let columns: [DataColumn]

  private let file: InputFile
  private let format: DelimitedFormat
  private let fields: [(name: String, type: FieldType, position: Int)]
  private let fieldCount: Int
  private let index: RecordIndex

  /// Opens a file.
  ///
  /// - Parameters:
  ///   - path: The file, in UTF-8 with or without a byte order mark.
  ///   - format: How fields and records are told apart.
  ///   - wanted: The columns and their types; nil takes all as text.
  /// - Throws: `missingInput` when the file cannot be opened, `data` with the line when quotes do not pair,
  ///   a record has too few or too many fields, or a column is missing.
  /// - Complexity: O(n) in the size of the file.
  public init(
    opening path: FilePath, format: DelimitedFormat = .csv,
    columns wanted: [(name: String, type: FieldType)]? = nil
  ) throws(TinctureError) {
    let file = try InputFile(opening: path)
    var scanner = DelimitedScanner(file, format, at: .init(offset: 0, line: 1))
    try scanner.skipByteOrderMark()
    var index = RecordIndex()
    var names: [String]?
    while let record = try scanner.next() {
      if record.isEmpty, names.map({ $0.count > 1 }) ?? true { continue }
      guard let known = names else {
        names = try Self.names(record, format, scanner)
        if !format.hasHeader { index.add(record.anchor) }
        continue
      }
      guard record.ends.count == known.count else {
        throw scanner.failure(
          "The record has \(record.ends.count) fields, but there are \(known.count) columns; add or"
            + " remove separators, or put fields that hold one into quotes.", record)
      }
      index.add(record.anchor)
    }
    guard let names else {
      throw TinctureError(
        .data, "The file is empty; it should begin with the names of its columns.",
        at: .init(file: path.string, line: 1))
    }
    var fields: [(name: String, type: FieldType, position: Int)] = []
    for (name, type) in wanted ?? names.map({ ($0, .text) }) {
      guard let position = names.firstIndex(of: name) else {
        throw TinctureError(
          .data,
          "There is no column \"\(name)\"; the file has \(names.prefix(40).map { "\"\($0)\"" }.joined(separator: ", ")).",
          at: .init(file: path.string, line: 1))
      }
      fields.append((name, type, position))
    }
    source = path.string
    self.file = file
    self.format = format
    self.fields = fields
    self.index = index
    fieldCount = names.count
    columns = fields.map { DataColumn($0.name, $0.type.content) }
  }

  /// Reads a range of records of a column.
  ///
  /// - Parameters:
  ///   - column: The name of the column.
  ///   - range: The records, within 0 to `count`.
  /// - Returns: One value for each record.
  /// - Throws: `data` with the line when a field is not of the column's type or no UTF-8.
  public func read(_ column: String, _ range: Range<Int>) throws(TinctureError) -> ColumnValues {
    check(range)
    guard let field = fields.first(where: { $0.name == column }) else {
      _ = try self.column(named: column)
      throw TinctureError(.internalError, "The column \"\(column)\" has no field.")
    }
    var values = FieldColumn(field.name, field.type)
    guard !range.isEmpty else { return values.values }
    let (anchor, skipped) = index.start(of: range.lowerBound)
    var scanner = DelimitedScanner(file, format, at: anchor)
    var position = range.lowerBound - skipped
    while position < range.upperBound {
      guard let record = try scanner.next() else {
        throw TinctureError(
          .io, "The file ends before record \(position + 1); it was changed while in use.",
          at: .init(file: source))
      }
      if record.isEmpty, fieldCount > 1 { continue }
      defer { position += 1 }
      guard position >= range.lowerBound else { continue }
      guard field.position < record.ends.count else {
        throw scanner.failure("The record lost fields; the file was changed while in use.", record)
      }
      try Self.append(record, field.position, to: &values, scanner)
    }
    return values.values
  }

  private static func append(
    _ record: DelimitedScanner.Record, _ position: Int, to values: inout FieldColumn,
    _ scanner: DelimitedScanner
  ) throws(TinctureError) {
    guard let text = String(validating: record.field(position), as: UTF8.self) else {
      throw scanner.failure(
        "The column \"\(values.name)\" is not valid UTF-8; convert the file, for example by iconv.",
        record)
    }
    do throws(TinctureError) { try values.append(text) } catch {
      throw scanner.failure(error.message, record)
    }
  }

  /// The names of the columns, by the first record.
  private static func names(
    _ record: DelimitedScanner.Record, _ format: DelimitedFormat, _ scanner: DelimitedScanner
  ) throws(TinctureError) -> [String] {
    guard format.hasHeader else { return record.ends.indices.map { String($0) } }
    var names: [String] = []
    for position in record.ends.indices {
      guard let name = String(validating: record.field(position), as: UTF8.self) else {
        throw scanner.failure(
          "The name of column \(position + 1) is not valid UTF-8; convert the file, for example by"
            + " iconv.", record)
      }
      guard !names.contains(name) else {
        throw scanner.failure("Two columns are named \"\(name)\"; rename one.", record)
      }
      names.append(name)
    }
    return names
  }
}
