internal import SystemPackage
internal import TinctureSafetensors
internal import TinctureTensors

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Darwin
#endif

/// Deflated bytes in a file.
struct CompressedRange {
  /// How the bytes are wrapped, as zlib's window bits say it.
  enum Wrapping: Int32 {
    /// Nothing around them, as in zip archives.
    case none = -15
    /// Header and checksum of gzip.
    case gzip = 31
  }

  /// A byte of deflated data stands for at most this many.
  private static let largestRatio = 1032
  private static let chunkSize = 1 << 16

  /// The file.
  let file: InputFile
  /// The file and the entry, as messages name them.
  let source: String
  /// Where the deflated bytes are.
  let range: Range<Int>
  /// How they are wrapped.
  let wrapping: Wrapping

  /// The first unpacked bytes; fewer when there are not so many.
  func prefix(_ count: Int) throws(TinctureError) -> [UInt8] {
    var result: [UInt8] = []
    try unpack { (chunk) throws(TinctureError) in
      result += chunk.prefix(count - result.count)
      return result.count < count
    }
    return result
  }

  /// Unpacks into a temporary file that nobody else can open and that vanishes when it is closed.
  ///
  /// - Parameters:
  ///   - size: How many bytes there must be; no more are written.
  ///   - checksum: The CRC-32 that they must have, where the wrapping has none of its own.
  /// - Returns: The file.
  /// - Throws: `data` when the bytes are damaged or not so many, `cannotCreate` or `io` when there is no
  ///   room for them.
  func unpacked(size: Int, checksum: UInt32? = nil) throws(TinctureError) -> InputFile {
    let (limit, overflow) = range.count.multipliedReportingOverflow(by: Self.largestRatio)
    guard size >= 0, overflow || size <= limit else {
      throw failure(
        "\(range.count) compressed bytes cannot stand for the \(size) that the header claims; the file"
          + " is damaged.")
    }
    let zlib = try Zlib.shared
    let (descriptor, path) = try Self.temporaryFile()
    defer {
      unlink(path)
      try? descriptor.close()
    }
    var written = 0
    var sum = zlib.checksum(0, nil, 0)
    try unpack { (chunk) throws(TinctureError) in
      guard chunk.count <= size - written else {
        throw failure("More bytes are unpacked than the \(size) that the header claims.")
      }
      do { _ = try descriptor.writeAll(chunk) } catch {
        throw TinctureError(
          .io,
          "The unpacked data cannot be written: \(error). Free some space or set TMPDIR to a folder with"
            + " room for \(size) bytes.", at: .init(file: path))
      }
      chunk.withUnsafeBufferPointer {
        sum = zlib.checksum(sum, $0.baseAddress, UInt32($0.count))
      }
      written += chunk.count
      return true
    }
    guard written == size else {
      throw failure(
        "\(written) bytes are unpacked, but the header claims \(size); the file is damaged.")
    }
    guard checksum.map({ UInt($0) == sum }) ?? true else {
      throw failure("The checksum does not match; download or copy the file again.")
    }
    return try InputFile(opening: FilePath(path))
  }

  /// Unpacks chunk after chunk until the end, or until `body` returns false.
  private func unpack(
    _ body: ([UInt8]) throws(TinctureError) -> Bool
  ) throws(TinctureError) {
    let stream = try InflateStream(wrapping)
    defer { stream.end() }
    var position = range.lowerBound
    while true {
      let count = min(Self.chunkSize, range.upperBound - position)
      guard count > 0 else {
        throw failure("The compressed data end too early; the file is truncated.")
      }
      let input = try file.bytes(at: position, count: count)
      position += count
      var used = 0
      var isFull = false
      // What was unpacked may wait inside zlib although all input is used.
      while used < count || isFull {
        guard let step = stream.step(input[used...], room: Self.chunkSize) else {
          throw failure("The compressed data are damaged before byte \(position).")
        }
        used += step.used
        isFull = step.output.count == Self.chunkSize
        if !step.output.isEmpty, !(try body(step.output)) { return }
        if step.isEnd {
          guard used == count, position == range.upperBound else {
            throw failure("Bytes follow the compressed data; the file is damaged or was joined.")
          }
          return
        }
        guard step.used > 0 || !step.output.isEmpty || used == count else {
          throw failure("The compressed data are damaged before byte \(position).")
        }
      }
    }
  }

  private func failure(_ message: String) -> TinctureError {
    TinctureError(.data, message, at: .init(file: source, byteOffset: range.lowerBound))
  }

  private static func temporaryFile() throws(TinctureError) -> (FileDescriptor, String) {
    let folder = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    var template = Array(FilePath(folder).appending("tincture-XXXXXX").string.utf8CString)
    let descriptor = mkstemp(&template)
    guard descriptor >= 0 else {
      throw TinctureError(
        .cannotCreate,
        "No temporary file can be made: \(Errno(rawValue: errno)). Set TMPDIR to a folder with room.",
        at: .init(file: folder))
    }
    return (FileDescriptor(rawValue: descriptor), FilePath(platformString: template).string)
  }
}
