#if canImport(Glibc)
  internal import Glibc
#else
  internal import Darwin
#endif
package import SystemPackage
package import TinctureTensors

/// Directory operations that the file library lacks.
package enum Directories {
  /// Makes a directory that is perhaps there already; its parent must exist.
  package static func make(_ path: FilePath) throws(TinctureError) {
    guard path.withPlatformString({ mkdir($0, 0o777) }) != 0, errno != EEXIST else { return }
    throw TinctureError(
      .cannotCreate, "The directory cannot be made: \(Errno(rawValue: errno)).",
      at: .init(file: path.string))
  }

  /// Makes a directory and the parents that it lacks.
  package static func makeAll(_ path: FilePath) throws(TinctureError) {
    if path.isEmpty || FileKind(of: path) == .directory { return }
    try makeAll(path.removingLastComponent())
    try make(path)
  }

  package static func rename(_ source: FilePath, to target: FilePath) throws(TinctureError) {
    let result = source.withPlatformString { source in
      target.withPlatformString { target in
        #if canImport(Glibc)
          Glibc.rename(source, target)
        #else
          Darwin.rename(source, target)
        #endif
      }
    }
    guard result != 0 else { return }
    throw TinctureError(
      .cannotCreate,
      "\(source.lastComponent?.string ?? "") cannot be renamed to this: \(Errno(rawValue: errno)).",
      at: .init(file: target.string))
  }

  /// Removes a file or a directory with all it holds; links are removed, not followed.
  package static func remove(_ path: FilePath) {
    var status = stat()
    guard path.withPlatformString({ lstat($0, &status) }) == 0 else { return }
    guard status.st_mode & S_IFMT == S_IFDIR else {
      _ = path.withPlatformString { unlink($0) }
      return
    }
    for name in (try? DirectoryListing.names(in: path)) ?? [] { remove(path.appending(name)) }
    _ = path.withPlatformString { rmdir($0) }
  }

  package static func freeBytes(at path: FilePath) -> Int? {
    var status = statvfs()
    guard path.withPlatformString({ statvfs($0, &status) }) == 0 else { return nil }
    return Int(status.f_bavail) * Int(status.f_frsize)
  }
}
