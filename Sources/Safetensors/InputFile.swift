#if canImport(Glibc)
  internal import Glibc
#else
  internal import Darwin
#endif
public import SystemPackage
public import TinctureTensors

/// A file opened for reading at positions.
///
/// Reads never move a file offset, so any number of workers may read at once.
public final class InputFile: Sendable {
  /// The path as it was given.
  public let path: FilePath
  /// The size when the file was opened, in bytes.
  public let size: Int
  private let descriptor: FileDescriptor

  /// Opens a file.
  ///
  /// - Parameter path: The file.
  /// - Throws: `missingInput` when it does not exist or cannot be opened, `io` when it is no regular file.
  public init(opening path: FilePath) throws(TinctureError) {
    self.path = path
    do {
      // Without waiting, since opening a pipe would last until somebody writes to it.
      descriptor = try FileDescriptor.open(
        path, .readOnly, options: [.closeOnExec, .nonBlocking])
    } catch let error as Errno {
      throw TinctureError(
        .missingInput, "The file cannot be opened: \(error).", at: .init(file: path.string))
    } catch {
      throw TinctureError(.missingInput, "The file cannot be opened: \(error).")
    }
    var status = stat()
    let result = fstat(descriptor.rawValue, &status)
    guard result == 0, status.st_mode & S_IFMT == S_IFREG else {
      let fault =
        result == 0
        ? "This is no regular file."
        : "The size of the file cannot be read: \(Errno(rawValue: errno))."
      try? descriptor.close()
      throw TinctureError(.io, fault, at: .init(file: path.string))
    }
    size = Int(status.st_size)
  }

  deinit { try? descriptor.close() }

  /// Fills a buffer with the bytes from a position on.
  ///
  /// - Parameters:
  ///   - offset: The position of the first byte.
  ///   - buffer: Where the bytes go; all of it is filled.
  /// - Throws: `io` when the file ends early or the read fails.
  public func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer)
    throws(TinctureError)
  {
    var done = 0
    while done < buffer.count {
      let count: Int
      do {
        count = try descriptor.read(
          fromAbsoluteOffset: Int64(offset + done),
          into: UnsafeMutableRawBufferPointer(rebasing: buffer[done...]))
      } catch {
        throw TinctureError(
          .io, "Reading failed: \(error).",
          at: .init(file: path.string, byteOffset: offset + done))
      }
      guard count > 0 else {
        throw TinctureError(
          .io, "The file ends before byte \(offset + buffer.count); it was cut while in use.",
          at: .init(file: path.string, byteOffset: offset + done))
      }
      done += count
    }
  }

  /// The bytes from a position on.
  ///
  /// - Parameters:
  ///   - offset: The position of the first byte.
  ///   - count: How many bytes.
  ///   - padding: How many zeros follow them, for kernels that look beyond the end.
  /// - Returns: The bytes.
  /// - Throws: `io` when the file ends early or the read fails.
  public func bytes(at offset: Int, count: Int, padding: Int = 0) throws(TinctureError)
    -> [UInt8]
  {
    var failure: TinctureError?
    let result = [UInt8](unsafeUninitializedCapacity: count + padding) { buffer, initialized in
      do throws(TinctureError) {
        try read(
          at: offset,
          into: UnsafeMutableRawBufferPointer(
            UnsafeMutableBufferPointer(
              rebasing: buffer[..<count])))
        buffer[count...].initialize(repeating: 0)
        initialized = count + padding
      } catch {
        failure = error
        initialized = 0
      }
    }
    if let failure { throw failure }
    return result
  }

  /// All bytes of the file.
  ///
  /// - Throws: `io` when the read fails.
  public func contents() throws(TinctureError) -> [UInt8] { try bytes(at: 0, count: size) }
}
