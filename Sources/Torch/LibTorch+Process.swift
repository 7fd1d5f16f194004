#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

extension LibTorch {
  /// Lets the threads of an operator sleep when they have waited for each other for about half a millisecond.
  ///
  /// By default they spin for several milliseconds, longer than the system lets a thread run in turn with others, so
  /// that every operator becomes ten times slower on a machine that has anything else to do. Threads that sleep at
  /// once are no better: to be woken costs more than the small operators between two waits, a quarter of the time of
  /// a step of learning on two processors. The OpenMP library reads its settings from the environment when it is
  /// loaded; what the user has set stays. For programs, at their start, before other threads use the environment.
  public static func limitSpinning() {
    let own = ["OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"]
    guard own.allSatisfy({ getenv($0) == nil }) else { return }
    setenv("GOMP_SPINCOUNT", "20000", 1)
    setenv("KMP_BLOCKTIME", "1", 1)
  }

  /// Tells the OpenMP library, which reads the environment when it is loaded, how many threads to have.
  static func prepareThreads(_ count: Int) {
    setenv("OMP_NUM_THREADS", String(Swift.max(1, count)), 1)
  }
}
