import SystemPackage
import TinctureSafetensors
import TinctureTensors

/// Reads a pickle from front to back, one window of the file at a time.
///
/// Nothing is allocated for a claimed length before the bytes are known to exist.
struct PickleReader {
  /// No state dictionary needs a longer pickle; optimizers of the largest models stay far below.
  static let sizeLimit = 256 << 20
  private static let windowSize = 64 << 10
  private static let lineLimit = 64 << 10

  /// The file.
  let file: InputFile
  private let end: Int
  private var window: [UInt8] = []
  private var windowStart: Int

  /// The position of the next byte in the file.
  private(set) var position: Int

  /// Starts at the front of a range of a file.
  init(_ file: InputFile, in range: Range<Int>) {
    self.file = file
    position = range.lowerBound
    windowStart = range.lowerBound
    end = range.count > Self.sizeLimit ? range.lowerBound + Self.sizeLimit : range.upperBound
  }

  /// The number of bytes that are left.
  var remaining: Int { end - position }

  /// A failure at a position, by default the current one.
  func failure(_ message: String, at offset: Int? = nil) -> TinctureError {
    file.failure(message, at: offset ?? position)
  }

  private func endsEarly() -> TinctureError {
    failure(
      "The pickle ends in the middle of an instruction; the file is damaged or incomplete.")
  }

  /// Reads one byte.
  mutating func byte() throws(TinctureError) -> UInt8 {
    if position - windowStart >= window.count {
      guard position < end else { throw endsEarly() }
      windowStart = position
      window = try file.bytes(at: position, count: min(Self.windowSize, end - position))
    }
    defer { position += 1 }
    return window[position - windowStart]
  }

  /// Reads an unsigned little-endian number of up to eight bytes.
  mutating func number(_ count: Int) throws(TinctureError) -> UInt64 {
    var value: UInt64 = 0
    for index in 0..<count { value |= UInt64(try byte()) << UInt64(8 * index) }
    return value
  }

  /// Reads a length of up to eight bytes and makes sure that as many bytes follow.
  mutating func length(_ count: Int) throws(TinctureError) -> Int {
    let start = position
    let value = try number(count)
    guard let length = Int(exactly: value), length <= remaining else {
      throw failure(
        "The pickle announces \(value) bytes where only \(remaining) are left; the file is"
          + " damaged.", at: start)
    }
    return length
  }

  /// Reads a number of bytes.
  mutating func bytes(_ count: Int) throws(TinctureError) -> [UInt8] {
    guard count <= remaining else { throw endsEarly() }
    let offset = position - windowStart
    defer { position += count }
    if offset + count <= window.count { return Array(window[offset..<offset + count]) }
    return try file.bytes(at: position, count: count)
  }

  /// Passes over a number of bytes.
  mutating func skip(_ count: Int) throws(TinctureError) {
    guard count <= remaining else { throw endsEarly() }
    position += count
  }

  /// Reads up to the end of a line and leaves the line break out.
  mutating func line() throws(TinctureError) -> [UInt8] {
    let start = position
    var line: [UInt8] = []
    while true {
      let byte = try byte()
      if byte == 0x0A { return line }
      guard line.count < Self.lineLimit else {
        throw failure("A line of the pickle has more than \(Self.lineLimit) bytes.", at: start)
      }
      line.append(byte)
    }
  }

  /// Reads a text of a number of bytes.
  mutating func text(_ count: Int) throws(TinctureError) -> String {
    let start = position
    guard let text = String(validating: try bytes(count), as: UTF8.self) else {
      throw failure("A text of the pickle is not valid UTF-8.", at: start)
    }
    return text
  }
}
