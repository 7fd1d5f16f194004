internal import Synchronization
public import SystemPackage
public import TinctureTensors

/// Writes byte ranges of files that already have their final size; any number of workers at once.
public struct RangeWriter: Sendable {
  /// Writes some of the bytes at a position and returns how many.
  public typealias Write =
    @Sendable (FileDescriptor, UnsafeRawBufferPointer, Int) throws -> Int

  /// The operating system's positional write.
  public static let systemWrite: Write = { descriptor, bytes, offset in
    try descriptor.writeAll(toAbsoluteOffset: Int64(offset), bytes)
  }

  private let descriptors: [(descriptor: FileDescriptor, path: FilePath)]
  private let turns: [Turn]
  private let write: Write

  init(_ descriptors: [(descriptor: FileDescriptor, path: FilePath)], write: @escaping Write) {
    self.descriptors = descriptors
    turns = descriptors.map { _ in Turn() }
    self.write = write
  }

  /// Who writes to a file just now: systems let one at a time write, and the others spin.
  private final class Turn: Sendable { let taken = Mutex(()) }

  /// Writes bytes at a position of a file unless someone else is writing to it just now.
  ///
  /// - Parameters:
  ///   - bytes: The bytes.
  ///   - file: The position of the file in the layout.
  ///   - offset: The position of the first byte.
  /// - Returns: Whether the bytes were written.
  /// - Throws: `io` when the disk is full or the write fails.
  public func writeIfFree(_ bytes: UnsafeRawBufferPointer, file: Int, offset: Int)
    throws(TinctureError) -> Bool
  {
    try turns[file].taken.withLockIfAvailable { _ throws(TinctureError) in
      try put(bytes, file: file, offset: offset)
    } != nil
  }

  /// Writes bytes at a position of a file.
  ///
  /// - Parameters:
  ///   - bytes: The bytes.
  ///   - file: The position of the file in the layout.
  ///   - offset: The position of the first byte.
  /// - Throws: `io` when the disk is full or the write fails.
  public func write(_ bytes: UnsafeRawBufferPointer, file: Int, offset: Int) throws(TinctureError) {
    try turns[file].taken.withLock { _ throws(TinctureError) in
      try put(bytes, file: file, offset: offset)
    }
  }

  private func put(_ bytes: UnsafeRawBufferPointer, file: Int, offset: Int) throws(TinctureError) {
    let (descriptor, path) = descriptors[file]
    var done = 0
    while done < bytes.count {
      let count: Int
      do {
        count = try write(
          descriptor, UnsafeRawBufferPointer(rebasing: bytes[done...]), offset + done)
      } catch let error as Errno {
        throw Self.failure(error, path: path, offset: offset + done)
      } catch {
        throw Self.failure(.ioError, path: path, offset: offset + done)
      }
      guard count > 0 else { throw Self.failure(.ioError, path: path, offset: offset + done) }
      done += count
    }
  }

  static func failure(_ error: Errno, path: FilePath, offset: Int? = nil) -> TinctureError {
    let advice =
      error == .noSpace || error == .diskQuotaExceeded
      ? " Free some space or choose an output on another disk." : ""
    return TinctureError(
      .io, "Writing failed: \(error).\(advice)", at: .init(file: path.string, byteOffset: offset))
  }
}

extension FileDescriptor {
  fileprivate func writeAll(toAbsoluteOffset offset: Int64, _ bytes: UnsafeRawBufferPointer)
    throws -> Int
  {
    try write(toAbsoluteOffset: offset, bytes, retryOnInterrupt: true)
  }
}
