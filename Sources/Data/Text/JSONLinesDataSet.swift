public import SystemPackage
internal import TinctureJSON
internal import TinctureSafetensors
public import TinctureTensors

/// A file with one JSON object on each line.
///
/// Opening reads the file once and notes where one of every 64 lines begins; lines are parsed when they
/// are read. Empty lines are skipped.
public struct JSONLinesDataSet: DataSet {
  /// The file, as the user named it.
  public let source: String
  /// The number of objects.
  public var count: Int { index.count }
  /// The columns.
  public let columns: [DataColumn]

  private let file: InputFile
  private let fields: [(name: String, type: FieldType)]
  private let index: RecordIndex

  /// Opens a file.
  ///
  /// - Parameters:
  ///   - path: The file, in UTF-8.
  ///   - wanted: The members that are columns, and their types; a point in a name leads into an object, as
  ///     in `answer.text`. Nil takes the members of the first object: numbers as numbers, all else as text.
  /// - Throws: `missingInput` when the file cannot be opened, `data` when its first line is no object and
  ///   columns are not named.
  /// - Complexity: O(n) in the size of the file.
  public init(
    opening path: FilePath, columns wanted: [(name: String, type: FieldType)]? = nil
  ) throws(TinctureError) {
    let file = try InputFile(opening: path)
    var lines = LineScanner(file, at: .init(offset: 0, line: 1))
    try lines.skipByteOrderMark()
    var index = RecordIndex()
    var fields = wanted
    while let line = try lines.next() {
      if fields == nil {
        let object = try lines.object(line)
        fields = object.members.map { name, value in
          if case .number(let text) = value {
            return (name, Int64(text) == nil ? .number : .integer)
          }
          return (name, .text)
        }
      }
      index.add(line.anchor)
    }
    source = path.string
    self.file = file
    self.fields = fields ?? []
    self.index = index
    columns = self.fields.map { DataColumn($0.name, $0.type.content) }
  }

  /// Reads a range of lines of a column.
  ///
  /// - Parameters:
  ///   - column: The name of the column.
  ///   - range: The lines, within 0 to `count`.
  /// - Returns: One value for each line.
  /// - Throws: `data` with the line when it is no object, lacks the member, or that is of another type.
  public func read(_ column: String, _ range: Range<Int>) throws(TinctureError) -> ColumnValues {
    check(range)
    guard let field = fields.first(where: { $0.name == column }) else {
      _ = try self.column(named: column)
      throw TinctureError(.internalError, "The column \"\(column)\" has no field.")
    }
    var values = FieldColumn(field.name, field.type)
    guard !range.isEmpty else { return values.values }
    let path = field.name.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    let (anchor, skipped) = index.start(of: range.lowerBound)
    var lines = LineScanner(file, at: anchor)
    for _ in 0..<skipped { _ = try lines.next() }
    for position in range {
      guard let line = try lines.next() else {
        throw TinctureError(
          .io, "The file ends before object \(position + 1); it was changed while in use.",
          at: .init(file: source))
      }
      let object = JSONValue.object(try lines.object(line))
      // A member whose own name holds points goes before a path.
      let own: JSONValue? = object[field.name]
      let member = own ?? path.reduce(Optional(object)) { $0?[$1] }
      guard let member else {
        throw lines.failure("The object has no member \"\(field.name)\".", line)
      }
      do throws(TinctureError) { try values.append(member) } catch {
        throw lines.failure(error.message, line)
      }
    }
    return values.values
  }
}

/// A reader of the lines of a file that are not empty.
private struct LineScanner {
  /// A line.
  struct Line {
    /// Where it begins.
    var anchor: RecordIndex.Anchor
    /// Its bytes, without the line end.
    var bytes: [UInt8] = []
  }

  private let source: String
  private var reader: ByteReader
  private var number: Int

  init(_ file: InputFile, at anchor: RecordIndex.Anchor) {
    source = file.path.string
    reader = ByteReader(file, at: anchor.offset)
    number = anchor.line
  }

  mutating func skipByteOrderMark() throws(TinctureError) { try reader.skipByteOrderMark() }

  /// The next line that holds more than space, or nil at the end of the file.
  mutating func next() throws(TinctureError) -> Line? {
    while try reader.peek() != nil {
      var line = Line(anchor: .init(offset: reader.position, line: number))
      while let byte = try reader.next(), byte != 10 {
        line.bytes.append(byte)
        guard line.bytes.count <= RecordIndex.recordLimit else {
          throw failure("The line has more than \(RecordIndex.recordLimit) bytes.", line)
        }
      }
      number += 1
      if line.bytes.contains(where: { $0 > 32 }) { return line }
    }
    return nil
  }

  /// The object on a line.
  func object(_ line: Line) throws(TinctureError) -> JSONObject {
    do throws(TinctureError) {
      if case .object(let object) = try JSONValue(parsing: line.bytes) { return object }
    } catch {
      throw failure(error.message, line)
    }
    throw failure("The line holds no JSON object; write one object on each line.", line)
  }

  /// A failure at a line.
  func failure(_ message: String, _ line: Line) -> TinctureError {
    TinctureError(
      .data, message,
      at: .init(file: source, line: line.anchor.line, byteOffset: line.anchor.offset))
  }
}
