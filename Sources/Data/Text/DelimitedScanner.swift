internal import SystemPackage
internal import TinctureSafetensors
internal import TinctureTensors

/// How fields and records are told apart in a text file.
public struct DelimitedFormat: Sendable, Hashable {
  /// The character between fields, a single byte.
  public var separator: UInt8
  /// Whether fields may stand in quotes, within which separators and line ends are text.
  public var hasQuotes: Bool
  /// Whether the first record names the columns; otherwise they are named 0, 1, ….
  public var hasHeader: Bool

  /// Describes a format.
  ///
  /// - Parameters:
  ///   - separator: The character between fields.
  ///   - hasQuotes: Whether fields may stand in quotes.
  ///   - hasHeader: Whether the first record names the columns.
  public init(separator: UInt8, hasQuotes: Bool, hasHeader: Bool = true) {
    self.separator = separator
    self.hasQuotes = hasQuotes
    self.hasHeader = hasHeader
  }

  /// Commas and quotes, after RFC 4180.
  public static let csv = DelimitedFormat(separator: UInt8(ascii: ","), hasQuotes: true)
  /// Tabulators without quotes, as GLUE's files are written.
  public static let tsv = DelimitedFormat(separator: 9, hasQuotes: false)
}

/// A reader of records with separated fields.
///
/// After RFC 4180: a field that begins with a quote ends with one, and two quotes within it stand for one;
/// records end with a line feed, with or without a carriage return before it. A quote within a field that
/// does not begin with one is refused, since programs do not agree on it.
struct DelimitedScanner {
  /// A record.
  struct Record {
    /// Where it begins.
    var anchor: RecordIndex.Anchor
    /// The bytes of its fields, one after the other.
    var bytes: [UInt8] = []
    /// Where each field ends in `bytes`.
    var ends: [Int] = []

    /// The bytes of a field.
    func field(_ index: Int) -> ArraySlice<UInt8> {
      bytes[(index == 0 ? 0 : ends[index - 1])..<ends[index]]
    }

    /// Whether the record is an empty line.
    var isEmpty: Bool { ends.count == 1 && bytes.isEmpty }
  }

  private let format: DelimitedFormat
  private let source: String
  private var reader: ByteReader
  private var line: Int

  /// Starts at the beginning of a record.
  init(_ file: InputFile, _ format: DelimitedFormat, at anchor: RecordIndex.Anchor) {
    self.format = format
    source = file.path.string
    reader = ByteReader(file, at: anchor.offset)
    line = anchor.line
  }

  /// Skips the mark that some programs write before UTF-8.
  mutating func skipByteOrderMark() throws(TinctureError) { try reader.skipByteOrderMark() }

  /// The next record, or nil at the end of the file.
  ///
  /// - Throws: `data` when quotes do not pair.
  mutating func next() throws(TinctureError) -> Record? {
    guard try reader.peek() != nil else { return nil }
    var record = Record(anchor: .init(offset: reader.position, line: line))
    var isQuoted = false
    var wasQuoted = false
    var isStart = true
    func field(_ record: inout Record) { record.ends.append(record.bytes.count) }
    while let byte = try reader.next() {
      guard record.bytes.count < RecordIndex.recordLimit else {
        throw failure(
          "The record has more than \(RecordIndex.recordLimit) bytes; a closing quote may be missing.",
          record)
      }
      if isQuoted {
        if byte == 34 {
          if try reader.peek() == 34 {
            _ = try reader.next()
            record.bytes.append(34)
          } else {
            isQuoted = false
            wasQuoted = true
          }
        } else {
          if byte == 10 { line += 1 }
          record.bytes.append(byte)
        }
        continue
      }
      switch byte {
      case format.separator:
        field(&record)
        isStart = true
        wasQuoted = false
        continue
      case 10:
        line += 1
        field(&record)
        return record
      case 13:
        if try reader.peek() == 10 { continue }
        if try reader.peek() == nil { continue }
        record.bytes.append(byte)
      case 34 where format.hasQuotes:
        guard isStart else {
          throw failure(
            "A quote stands within field \(record.ends.count + 1); put the field into quotes and write"
              + " quotes in it twice.", record)
        }
        isQuoted = true
      default:
        guard !wasQuoted else {
          throw failure(
            "Text follows the closing quote of field \(record.ends.count + 1); write quotes within a"
              + " field twice.", record)
        }
        record.bytes.append(byte)
      }
      isStart = false
    }
    guard !isQuoted else {
      throw failure("The quote of field \(record.ends.count + 1) is never closed.", record)
    }
    field(&record)
    return record
  }

  /// A failure at the line where a record begins.
  func failure(_ message: String, _ record: Record) -> TinctureError {
    TinctureError(
      .data, message,
      at: .init(file: source, line: record.anchor.line, byteOffset: record.anchor.offset))
  }
}
