#if canImport(Glibc)
  internal import Glibc
#else
  internal import Darwin
#endif
package import SystemPackage
package import TinctureTensors

/// A file that is written piece by piece beside its place and put there when it is whole.
///
/// At any time there is the old file or the new one; after a failure the old one, and nothing else.
package struct FileReplacement: ~Copyable {
  private let descriptor: FileDescriptor
  private let path: FilePath
  private let name: String

  private init(_ descriptor: FileDescriptor, for path: FilePath, _ name: String) {
    (self.descriptor, self.path, self.name) = (descriptor, path, name)
  }

  /// The end of the names of files that are not whole yet.
  package static let suffix = ".new"

  /// Writes a file.
  ///
  /// - Parameters:
  ///   - path: The file; its folder is made where it is missing.
  ///   - name: What the file is, for messages: "The state of the run".
  ///   - flushes: Whether it shall be on the disk before it takes its place.
  ///   - body: Appends the pieces.
  /// - Throws: What `body` throws, `io` or `cannotCreate` when the disk is full or writing fails.
  /// - Note: Another process may write the same file: the last one to finish has it.
  package static func write(
    to path: FilePath, _ name: String, flushes: Bool = false,
    _ body: (borrowing FileReplacement) throws(TinctureError) -> Void
  ) throws(TinctureError) {
    try Directories.makeAll(path.removingLastComponent())
    let fresh = FilePath("\(path.string).\(getpid())\(suffix)")
    do throws(TinctureError) {
      let file = FileReplacement(try create(fresh, for: path, name), for: path, name)
      defer { try? file.descriptor.close() }
      try body(file)
      if flushes { try file.flush() }
      try Directories.rename(fresh, to: path)
    } catch {
      Directories.remove(fresh)
      throw error
    }
  }

  private static func create(
    _ fresh: FilePath, for path: FilePath, _ name: String
  ) throws(TinctureError) -> FileDescriptor {
    do {
      return try FileDescriptor.open(
        fresh, .writeOnly, options: [.create, .truncate, .closeOnExec],
        permissions: [.ownerReadWrite, .groupRead, .otherRead])
    } catch { throw failure(error, path, name) }
  }

  private func flush() throws(TinctureError) {
    guard fsync(descriptor.rawValue) == 0 else {
      throw Self.failure(Errno(rawValue: errno), path, name)
    }
  }

  /// Appends a piece.
  ///
  /// - Throws: `io` when the disk is full or writing fails.
  package func append(_ bytes: UnsafeRawBufferPointer) throws(TinctureError) {
    do { _ = try descriptor.writeAll(bytes) } catch { throw Self.failure(error, path, name) }
  }

  /// Appends the bytes of an array.
  package func append<Element: BitwiseCopyable>(_ elements: [Element]) throws(TinctureError) {
    let outcome = elements.withUnsafeBytes { bytes in
      Result { () throws(TinctureError) in try append(bytes) }
    }
    try outcome.get()
  }

  private static func failure(
    _ error: any Error, _ path: FilePath, _ name: String
  ) -> TinctureError {
    TinctureError(
      .io,
      "\(name) cannot be written: \(error). Free some space where there is none; what was there before stays as it"
        + " was.", at: .init(file: path.string))
  }
}
