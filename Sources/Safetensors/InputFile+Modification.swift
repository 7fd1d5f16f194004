#if canImport(Glibc)
  internal import Glibc
#else
  internal import Darwin
#endif
internal import SystemPackage

extension InputFile {
  /// The time of the last change, in seconds and nanoseconds, as text; empty when it cannot be told.
  public var modification: String {
    var status = stat()
    guard path.withPlatformString({ stat($0, &status) }) == 0 else { return "" }
    #if canImport(Glibc)
      return "\(status.st_mtim.tv_sec).\(status.st_mtim.tv_nsec)"
    #else
      return "\(status.st_mtimespec.tv_sec).\(status.st_mtimespec.tv_nsec)"
    #endif
  }
}
