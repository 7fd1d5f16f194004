internal import TinctureJSON
internal import TinctureTensors

/// How a field of a text file is understood.
public enum FieldType: Sendable, Hashable {
  /// As it is written.
  case text
  /// As a whole number; the column has the type `I64`.
  case integer
  /// As a number; the column has the type `F64`. An empty field is an error, `nan` is not.
  case number
  /// As the position of the text in this list, from 0; the column has the type `I64`.
  case label([String])

  /// The content of a column of such fields.
  var content: DataColumn.Content {
    switch self {
    case .text: .text
    case .integer, .label: .numbers(.i64, extents: [])
    case .number: .numbers(.f64, extents: [])
    }
  }
}

/// The fields of one column while they are read.
struct FieldColumn {
  /// The name of the column.
  let name: String
  /// How fields are understood.
  let type: FieldType
  private var texts: [String] = []
  private var bytes: [UInt8] = []
  private var count = 0

  init(_ name: String, _ type: FieldType) {
    self.name = name
    self.type = type
  }

  /// The values so far.
  var values: ColumnValues {
    switch type.content {
    case .numbers(let dtype, _):
      .numbers(NumberBlock(dtype: dtype, extents: [], count: count, bytes: bytes))
    case .text, .images: .text(texts)
    }
  }

  /// Takes a field.
  ///
  /// - Throws: `data` with a sentence, but without a place, when it cannot be understood.
  mutating func append(_ field: String) throws(TinctureError) {
    switch type {
    case .text: texts.append(field)
    case .integer:
      guard let value = Int64(Self.trimmed(field)) else { throw wrong(field, "a whole number") }
      append(UInt64(bitPattern: value))
    case .number:
      guard let value = Double(Self.trimmed(field)) else { throw wrong(field, "a number") }
      append(value.bitPattern)
    case .label(let names):
      guard let position = names.firstIndex(of: field) else {
        throw wrong(field, "one of " + names.prefix(20).joined(separator: ", "))
      }
      append(UInt64(position))
    }
    count += 1
  }

  /// Takes a field of a JSON object.
  ///
  /// - Throws: `data` with a sentence, but without a place, when it cannot be understood.
  mutating func append(_ field: JSONValue) throws(TinctureError) {
    switch (field, type) {
    case (.string(let text), _): try append(text)
    case (.number(let text), .integer):
      // Whole numbers may be written as 3.0.
      guard let value = Int64(text) ?? Double(text).flatMap({ Int64(exactly: $0) }) else {
        throw wrong(text, "a whole number")
      }
      try append(String(value))
    case (.number(let text), _): try append(text)
    case (.bool(let flag), .integer), (.bool(let flag), .number): try append(flag ? "1" : "0")
    default: throw wrong(field.text(indentation: nil), type == .text ? "a text" : "a number")
    }
  }

  private mutating func append(_ word: UInt64) {
    withUnsafeBytes(of: word.littleEndian) { bytes += $0 }
  }

  private func wrong(_ field: String, _ wanted: String) -> TinctureError {
    let shown = field.unicodeScalars.prefix(60).map {
      $0.properties.generalCategory == .control ? "\u{FFFD}" : String($0)
    }
    return TinctureError(
      .data,
      "The column \"\(name)\" holds \"\(shown.joined())\(shown.count == 60 ? "…" : "")\", which is not"
        + " \(wanted); correct it, or read the column as another type.")
  }

  private static func trimmed(_ field: String) -> Substring {
    var rest = field[...]
    while rest.first == " " { rest.removeFirst() }
    while rest.last == " " { rest.removeLast() }
    return rest
  }
}
