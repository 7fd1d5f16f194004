import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

extension LibTorch {
  /// Sets up a process that will do little else than run operators.
  ///
  /// For programs, at their start, before other threads use the environment or much memory. What the user has set
  /// in the environment stays. Where a setting does not exist nothing happens.
  public static func prepareProcess() {
    limitSpinning()
    keepsFreedMemory.store(true, ordering: .relaxed)
  }

  private static let keepsFreedMemory = Atomic(false)

  /// Lets the threads of an operator sleep when they have waited for each other for about half a millisecond.
  ///
  /// By default they spin for several milliseconds, longer than the system lets a thread run in turn with others, so
  /// that every operator becomes ten times slower on a machine that has anything else to do. Threads that sleep at
  /// once are no better: to be woken costs more than the small operators between two waits, a quarter of the time of
  /// a step of learning on two processors. The OpenMP library reads its settings from the environment when it is
  /// loaded.
  private static func limitSpinning() {
    let own = ["OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"]
    guard own.allSatisfy({ getenv($0) == nil }) else { return }
    setenv("GOMP_SPINCOUNT", "20000", 1)
    setenv("KMP_BLOCKTIME", "1", 1)
  }

  /// Lets the allocator keep blocks of up to a quarter of a gigabyte for the next operator.
  ///
  /// By default GNU's library gives freed blocks of some megabytes back to the system, and the next operator gets
  /// them back page by page, filled with zeros: up to a tenth of the time of a step. ``releaseFreedMemory()``
  /// gives everything back.
  ///
  /// Called when the library is loaded: processes that never load it keep to the default.
  static func keepFreedMemory() {
    #if canImport(Glibc)
      guard keepsFreedMemory.load(ordering: .relaxed) else { return }
      let own = ["MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES"]
      guard own.allSatisfy({ getenv($0) == nil }),
        let symbol = dlsym(nil, "mallopt")
      else { return }
      let set = unsafeBitCast(symbol, to: (@convention(c) (CInt, CInt) -> CInt).self)
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
  public static func releaseFreedMemory() {
    #if canImport(Glibc)
      guard let symbol = dlsym(nil, "malloc_trim") else { return }
      _ = unsafeBitCast(symbol, to: (@convention(c) (Int) -> CInt).self)(0)
    #endif
  }
}
