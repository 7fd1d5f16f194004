#if canImport(Glibc)
  internal import Glibc
#else
  internal import Darwin
#endif
package import SystemPackage

extension FilePath {
  /// The path from the root, seen from the current directory, without `.` and `..`.
  package var absolute: FilePath {
    guard isRelative, let current = getcwd(nil, 0) else { return lexicallyNormalized() }
    defer { free(current) }
    return FilePath(platformString: current).pushing(self).lexicallyNormalized()
  }
}
