import Synchronization

#if canImport(Glibc)
  import Glibc
#endif

/// What becomes of memory that is freed: given back to the system at once, or kept for the next that asks.
///
/// By default GNU's library gives freed blocks of some megabytes back, and whoever needs one next gets it page by
/// page, filled with zeros. Where steps free and take whole matrices again and again, that is a tenth of their time.
public enum FreedMemory {
  private static let mayBeKept = Atomic(false)

  /// Allows this process to keep freed blocks of up to a quarter of a gigabyte.
  ///
  /// For programs, at their start. They are kept from the moment on in which LibTorch or a library for linear algebra
  /// is loaded; merges that need neither go on giving them back. What the user has set in the environment stays.
  /// Where there is no such setting nothing happens.
  public static func allowKeeping() { mayBeKept.store(true, ordering: .relaxed) }

  /// Keeps freed blocks from now on, if the program allows it.
  package static func keep() {
    #if canImport(Glibc)
      guard mayBeKept.load(ordering: .relaxed) else { return }
      let own = ["MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES"]
      guard own.allSatisfy({ getenv($0) == nil }), let symbol = dlsym(nil, "mallopt") else {
        return
      }
      let set = unsafeBitCast(symbol, to: (@convention(c) (CInt, CInt) -> CInt).self)
      // The numbers are those of malloc.h, which Swift does not import.
      let (trimThreshold, topPad, mapThreshold): (CInt, CInt, CInt) = (-1, -2, -3)
      guard set(mapThreshold, 256 << 20) == 1 else { return }
      _ = set(trimThreshold, CInt.max)
      _ = set(topPad, 64 << 20)
    #endif
  }

  /// Gives memory that is not in use back to the system.
  ///
  /// Worth its while where much has been freed for good, for instance between two phases of training.
  ///
  /// - Complexity: A pass over the free blocks of the process.
  package static func release() {
    #if canImport(Glibc)
      guard let symbol = dlsym(nil, "malloc_trim") else { return }
      _ = unsafeBitCast(symbol, to: (@convention(c) (Int) -> CInt).self)(0)
    #endif
  }
}
