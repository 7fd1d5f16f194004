#if canImport(Glibc)
  internal import Glibc
#else
  internal import Darwin
#endif
internal import Synchronization
internal import SystemPackage
internal import TinctureSafetensors
public import TinctureTensors

/// The record of finished steps beside a half-written output, and the lock on it.
///
/// A text file: the first line identifies the plan, every further line is the number of a finished
/// step. A line without its end of line is ignored. It protects against the end of the process, not
/// against the loss of power.
public final class StepJournal: Sendable {
  private let descriptor: Mutex<FileDescriptor?>
  private let path: FilePath

  private init(_ descriptor: FileDescriptor, _ path: FilePath) {
    self.descriptor = Mutex(descriptor)
    self.path = path
  }

  /// Remembers that a step is done.
  ///
  /// - Parameter step: The number of the step.
  /// - Throws: `io` when the line cannot be written.
  public func record(_ step: Int) throws(TinctureError) {
    let line = Array("\(step)\n".utf8)
    let failure: Errno? = descriptor.withLock { descriptor in
      do {
        try descriptor?.writeAll(line)
        return nil
      } catch {
        return error as? Errno ?? .ioError
      }
    }
    if let failure { throw RangeWriter.failure(failure, path: path) }
  }

  func close() {
    descriptor.withLock { descriptor in
      try? descriptor?.close()
      descriptor = nil
    }
  }

  /// The name of the file in the directory of a half-written output.
  static let fileName = ".tincture-journal"

  /// Opens the journal of a half-written output, or starts one.
  static func open(in directory: FilePath, fingerprint: String, resume: Bool)
    throws(TinctureError) -> (journal: StepJournal, finished: Set<Int>)
  {
    try Directories.make(directory)
    let path = directory.appending(fileName)
    let descriptor: FileDescriptor
    do {
      descriptor = try FileDescriptor.open(
        path, .readWrite, options: [.create, .append, .closeOnExec],
        permissions: [.ownerReadWrite])
    } catch {
      throw TinctureError(
        .cannotCreate, "The journal of the merge cannot be opened: \(error).",
        at: .init(file: path.string))
    }
    guard flock(descriptor.rawValue, LOCK_EX | LOCK_NB) == 0 else {
      try? descriptor.close()
      throw TinctureError(
        .cannotCreate, "Another process is writing this output.", at: .init(file: directory.string))
    }
    do {
      if resume, let (finished, length) = try readFinished(path, fingerprint: fingerprint) {
        // Otherwise the next line would go on where a torn one ends and name another step.
        try descriptor.resize(to: length)
        return (StepJournal(descriptor, path), finished)
      }
      for name in try DirectoryListing.names(in: directory) where name != fileName {
        Directories.remove(directory.appending(name))
      }
      try descriptor.resize(to: 0)
      try descriptor.writeAll(Array("\(header) \(fingerprint)\n".utf8))
      return (StepJournal(descriptor, path), [])
    } catch {
      if !resume { Directories.remove(directory) }
      try? descriptor.close()
      throw error as? TinctureError
        ?? RangeWriter.failure(error as? Errno ?? .ioError, path: path)
    }
  }

  private static let header = "tincture-journal-1"

  /// The finished steps and the number of bytes that record them, or nil when the journal belongs to
  /// another plan or is unreadable.
  private static func readFinished(_ path: FilePath, fingerprint: String) throws
    -> (steps: Set<Int>, length: Int64)?
  {
    let bytes = try InputFile(opening: path).contents()
    guard let end = bytes.lastIndex(of: UInt8(ascii: "\n")) else { return nil }
    let lines = bytes[..<end].split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
      .map { String(decoding: $0, as: UTF8.self) }
    guard lines.first == "\(header) \(fingerprint)" else { return nil }
    return (Set(lines.dropFirst().compactMap { Int($0) }), Int64(end + 1))
  }
}
