#if canImport(Glibc)
  internal import Glibc
#endif
internal import SystemPackage

#if canImport(Glibc)
  private typealias Allocate = @convention(c) (CInt, CInt, Int, Int) -> CInt

  // The module of the C library leaves it out, and `posix_fallocate` writes to every block of a file
  // where the file system cannot reserve any.
  private let allocate = dlsym(nil, "fallocate").map { unsafeBitCast($0, to: Allocate.self) }
#endif

extension FileDescriptor {
  /// Reserves the space of a file at once, which costs a system less than to find some for every page
  /// that is written.
  ///
  /// Where that is not possible, writing takes longer and says what is wrong, if anything is.
  func setSpaceAside(_ byteCount: Int) {
    #if canImport(Glibc)
      if byteCount > 0 { _ = allocate?(rawValue, 0, 0, byteCount) }
    #endif
  }
}
