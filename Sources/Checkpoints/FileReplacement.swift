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
  /// What a message about the file says.
  private struct Failure {
    let path: FilePath
    let name: String
    let remedy: String

    func callAsFunction(_ reason: any Error) -> TinctureError {
      TinctureError(
        .io,
        "\(name) cannot be written: \(reason). \(remedy) What was there before stays as it was.",
        at: .init(file: path.string))
    }
  }

  private let descriptor: FileDescriptor
  private let failure: Failure

  private init(_ descriptor: FileDescriptor, _ failure: Failure) {
    (self.descriptor, self.failure) = (descriptor, failure)
  }

  /// What the names of files end in that are not whole yet.
  package static let unfinished = "new"

  /// Writes a file.
  ///
  /// - Parameters:
  ///   - path: The file; its folder is made where it is missing.
  ///   - name: What the file is, for messages: "The state of the run".
  ///   - flushes: Whether it shall be on the disk before it takes its place.
  ///   - isShared: Whether other processes may write the same file at the same time; the last one to finish has it.
  ///     What a process that is killed leaves has a name of its own then, and is for the caller to remove; else the
  ///     next one writes over it.
  ///   - remedy: What can be done when writing fails, for messages.
  ///   - body: Appends the pieces.
  /// - Throws: What `body` throws, `io` or `cannotCreate` when the disk is full or writing fails.
  package static func write(
    to path: FilePath, _ name: String, flushes: Bool = false, isShared: Bool = false,
    remedy: String = "Free some space where there is none.",
    _ body: (borrowing FileReplacement) throws(TinctureError) -> Void
  ) throws(TinctureError) {
    try Directories.makeAll(path.removingLastComponent())
    let fresh = FilePath("\(path.string)\(isShared ? ".\(getpid())" : "").\(unfinished)")
    let failure = Failure(path: path, name: name, remedy: remedy)
    do throws(TinctureError) {
      let file = FileReplacement(try create(fresh, failure), failure)
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
    _ fresh: FilePath, _ failure: Failure
  ) throws(TinctureError) -> FileDescriptor {
    do {
      return try FileDescriptor.open(
        fresh, .writeOnly, options: [.create, .truncate, .closeOnExec],
        permissions: [.ownerReadWrite, .groupRead, .otherRead])
    } catch { throw failure(error) }
  }

  private func flush() throws(TinctureError) {
    guard fsync(descriptor.rawValue) == 0 else {
      throw failure(Errno(rawValue: errno))
    }
  }

  /// Appends a piece.
  ///
  /// - Throws: `io` when the disk is full or writing fails.
  package func append(_ bytes: UnsafeRawBufferPointer) throws(TinctureError) {
    do { _ = try descriptor.writeAll(bytes) } catch { throw failure(error) }
  }

  /// Appends the bytes of an array.
  package func append<Element: BitwiseCopyable>(_ elements: [Element]) throws(TinctureError) {
    let outcome = elements.withUnsafeBytes { bytes in
      Result { () throws(TinctureError) in try append(bytes) }
    }
    try outcome.get()
  }
}
