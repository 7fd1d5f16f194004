internal import TinctureSafetensors
internal import TinctureTensors

/// The bytes of a file one after the other, read in chunks of bounded size.
struct ByteReader {
  private static let chunkSize = 1 << 18

  /// The file.
  let file: InputFile
  private var buffer: [UInt8] = []
  private var index = 0
  private var end: Int

  /// Starts at a position.
  init(_ file: InputFile, at position: Int = 0) {
    self.file = file
    end = position
  }

  /// The position of the next byte.
  var position: Int { end - (buffer.count - index) }

  /// The next byte, or nil at the end of the file.
  mutating func next() throws(TinctureError) -> UInt8? {
    guard try fill() else { return nil }
    defer { index += 1 }
    return buffer[index]
  }

  /// The next byte, which stays the next one, or nil at the end of the file.
  mutating func peek() throws(TinctureError) -> UInt8? {
    try fill() ? buffer[index] : nil
  }

  /// Skips the mark that some programs write before UTF-8.
  mutating func skipByteOrderMark() throws(TinctureError) {
    guard try fill(), buffer[index...].starts(with: [0xEF, 0xBB, 0xBF]) else { return }
    index += 3
  }

  private mutating func fill() throws(TinctureError) -> Bool {
    if index < buffer.count { return true }
    let count = min(Self.chunkSize, file.size - end)
    guard count > 0 else { return false }
    buffer = try file.bytes(at: end, count: count)
    end += count
    index = 0
    return true
  }
}

/// Where records of a text file begin, noted for one of every few records.
struct RecordIndex: Sendable {
  /// A record and where it begins.
  struct Anchor: Sendable {
    /// The position of its first byte.
    var offset: Int
    /// The number of its first line, from 1.
    var line: Int
  }

  /// How many records share an anchor.
  static let spacing = 64
  /// The most bytes of one record.
  static let recordLimit = 1 << 26

  private var anchors: [Anchor] = []
  /// The number of records.
  private(set) var count = 0

  /// Notes where the next record begins.
  mutating func add(_ anchor: Anchor) {
    if count.isMultiple(of: Self.spacing) { anchors.append(anchor) }
    count += 1
  }

  /// Where to begin to read in order to reach a record, and how many records are before it there.
  func start(of record: Int) -> (anchor: Anchor, skipped: Int) {
    (anchors[record / Self.spacing], record % Self.spacing)
  }
}
