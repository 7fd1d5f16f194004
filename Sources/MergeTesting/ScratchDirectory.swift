#if canImport(Glibc)
  internal import Glibc
#else
  internal import Darwin
#endif
public import SystemPackage
internal import TinctureCheckpoints
public import TinctureTensors

/// A new, empty directory that is removed with all it holds when the last reference to it goes.
public final class ScratchDirectory: Sendable {
  /// The directory.
  public let path: FilePath

  /// Makes a directory where the system keeps temporary files.
  ///
  /// - Throws: `cannotCreate` when that is not possible.
  public init() throws(TinctureError) {
    let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    var template = Array(FilePath(parent).appending("tincture-XXXXXX").string.utf8CString)
    guard mkdtemp(&template) != nil else {
      throw TinctureError(
        .cannotCreate, "No temporary directory can be made: \(Errno(rawValue: errno)).",
        at: .init(file: parent))
    }
    path = FilePath(platformString: template)
  }

  deinit { Directories.remove(path) }

  /// Writes a file.
  ///
  /// - Parameters:
  ///   - name: The name in the directory.
  ///   - bytes: The contents.
  /// - Returns: The path.
  /// - Throws: `io` when that fails.
  @discardableResult
  public func write(_ name: String, _ bytes: [UInt8]) throws(TinctureError) -> FilePath {
    let file = path.appending(name)
    try Self.write(bytes, to: file)
    return file
  }

  static func write(_ bytes: [UInt8], to file: FilePath) throws(TinctureError) {
    do {
      let descriptor = try FileDescriptor.open(
        file, .writeOnly, options: [.create, .truncate, .closeOnExec],
        permissions: [.ownerReadWrite])
      try descriptor.closeAfter { _ = try descriptor.writeAll(bytes) }
    } catch {
      throw TinctureError(.io, "Writing failed: \(error).", at: .init(file: file.string))
    }
  }

  /// The names in the directory, sorted.
  ///
  /// - Throws: `missingInput` when the directory is gone.
  /// - Complexity: O(n log n).
  public func names() throws(TinctureError) -> [String] { try DirectoryListing.names(in: path) }
}
