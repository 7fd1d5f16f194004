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

/// The names in a directory.
public enum DirectoryListing {
  /// Lists a directory, sorted by bytes, without `.` and `..`.
  ///
  /// - Parameter directory: The directory.
  /// - Returns: The names.
  /// - Throws: `missingInput` when it cannot be read.
  /// - Complexity: O(n log n).
  public static func names(in directory: FilePath) throws(TinctureError) -> [String] {
    guard let stream = directory.withPlatformString({ opendir($0) }) else {
      throw TinctureError(
        .missingInput, "The directory cannot be read: \(Errno(rawValue: errno)).",
        at: .init(file: directory.string))
    }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
        pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != ".", name != ".." { names.append(name) }
    }
    return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }
}
