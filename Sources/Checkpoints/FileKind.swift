#if canImport(Glibc)
  internal import Glibc
#else
  internal import Darwin
#endif
public import SystemPackage
public import TinctureTensors

/// What stands at a path, links followed.
public enum FileKind: Sendable, Hashable {
  /// Nothing that can be seen.
  case missing
  /// A directory.
  case directory
  /// Anything else.
  case file

  /// Looks at a path.
  public init(of path: FilePath) {
    var status = stat()
    let result = path.withPlatformString { stat($0, &status) }
    if result != 0 {
      self = .missing
    } else {
      self = status.st_mode & S_IFMT == S_IFDIR ? .directory : .file
    }
  }
}

/// What stands at a path, whatever the path is called.
public struct FileIdentity: Sendable, Hashable {
  private let device: UInt64
  private let node: UInt64

  /// Looks at a path, links followed; nil when nothing is there.
  public init?(of path: FilePath) {
    var status = stat()
    guard path.withPlatformString({ stat($0, &status) }) == 0 else { return nil }
    device = UInt64(truncatingIfNeeded: status.st_dev)
    node = UInt64(truncatingIfNeeded: status.st_ino)
  }

  /// Whether a path is this file or directory, or lies in it at any depth.
  ///
  /// - Parameter path: The path of a file or directory.
  /// - Returns: False also when nothing is there.
  /// - Complexity: O(n) in the depth of the path.
  public func holds(_ path: FilePath) -> Bool {
    guard var identity = FileIdentity(of: path) else { return false }
    if identity == self { return true }
    var current = path
    if FileKind(of: path) != .directory {
      current.removeLastComponent()
      if current.isEmpty { current = "." }
      guard let folder = FileIdentity(of: current) else { return false }
      identity = folder
    }
    for _ in 0..<1024 {
      if identity == self { return true }
      current.append("..")
      guard let parent = FileIdentity(of: current), parent != identity else { return false }
      identity = parent
    }
    return false
  }
}

/// The names in a directory.
public enum DirectoryListing {
  /// Lists a directory, sorted by bytes, without `.` and `..`.
  ///
  /// - Parameter directory: The directory.
  /// - Returns: The names; those that are no UTF-8 are left out.
  /// - Throws: `missingInput` when it cannot be opened, `io` when reading it fails.
  /// - Complexity: O(n log n).
  public static func names(in directory: FilePath) throws(TinctureError) -> [String] {
    guard let stream = directory.withPlatformString({ opendir($0) }) else {
      throw TinctureError(
        .missingInput, "The directory cannot be read: \(Errno(rawValue: errno)).",
        at: .init(file: directory.string))
    }
    defer { closedir(stream) }
    var names: [String] = []
    while names.count < mostNames {
      errno = 0
      guard let entry = readdir(stream) else {
        guard errno != 0 else { break }
        throw TinctureError(
          .io, "Listing the directory failed: \(Errno(rawValue: errno)).",
          at: .init(file: directory.string))
      }
      let bytes = withUnsafeBytes(of: entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
      if let name = String(validating: bytes, as: UTF8.self), name != ".", name != ".." {
        names.append(name)
      }
    }
    return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }

  private static let mostNames = 1_000_000
}
