internal import CTinctureKernels
internal import Synchronization

#if canImport(Glibc)
  internal import Glibc
#endif

/// What becomes of memory that is freed: given back to the system at once, or kept for the next that asks.
///
/// By default GNU's library gives freed blocks of some megabytes back, and whoever needs one next gets it page by
/// page, filled with zeros. Where steps free and take whole matrices again and again, that is a tenth of their time.
public enum FreedMemory {
  private static let mayBeKept = Atomic(false)
  private static let isKept = Atomic(false)

  /// Allows this process to keep freed blocks of up to a quarter of a gigabyte.
  ///
  /// For programs, at their start. They are kept from the moment on in which LibTorch or a library for linear algebra
  /// is loaded; merges that need neither go on giving them back. What the user has set in the environment stays.
  /// Where there is no such setting nothing happens.
  public static func allowKeeping() {
    guard isUnset else { return }
    tincture_use_one_arena()
    mayBeKept.store(true, ordering: .relaxed)
  }

  /// Whether the user has left the choice to the program.
  private static var isUnset: Bool {
    #if canImport(Glibc)
      let own = [
        "MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_ARENA_MAX", "GLIBC_TUNABLES",
      ]
      return own.allSatisfy { getenv($0) == nil }
    #else
      return false
    #endif
  }

  /// Keeps freed blocks from now on, if the program allows it.
  package static func keep() {
    guard mayBeKept.load(ordering: .relaxed) else { return }
    isKept.store(tincture_keep_freed() == 1, ordering: .relaxed)
  }

  /// Gives memory that is not in use back to the system.
  ///
  /// Worth its while where much has been freed for good, for instance between two phases of training.
  ///
  /// - Complexity: A pass over the free blocks of the process.
  package static func release() {
    LargeBlocks.release()
    tincture_release_freed()
  }

  /// Whether freed blocks of matrices may wait for the next.
  static var keepsBlocks: Bool { isKept.load(ordering: .relaxed) }

  /// Gives memory that is not in use back to the system where the process keeps it and has more than a limit.
  ///
  /// - Parameter limit: The bytes, in use or not, from which on nothing is kept.
  /// - Complexity: A pass over the lists of free blocks, and over these if there are too many.
  package static func release(above limit: Int) {
    guard isKept.load(ordering: .relaxed), tincture_held_memory() + LargeBlocks.held > limit
    else { return }
    release()
  }
}
