#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// Keeps calls with one thread and calls with several apart.
///
/// A library's number of threads belongs to the whole process, and it decides the bits of results.
/// Ordinary calls pass together; a wide section waits until none runs and passes alone.
///
/// `@unchecked Sendable`: the lock is made for use by several threads and stays at one address; the
/// setters are C functions that are called only under the lock.
final class ThreadGate: @unchecked Sendable {
  /// Sets the number of threads of the process.
  typealias SetGlobally = @convention(c) (Int32) -> Void
  /// Sets the number of threads of the calling thread, 0 for no own number; returns the previous one.
  typealias SetLocally = @convention(c) (Int32) -> Int32

  private let lock: UnsafeMutablePointer<pthread_rwlock_t>
  private let setGlobally: SetGlobally?
  private let setLocally: SetLocally?

  init(setGlobally: SetGlobally? = nil, setLocally: SetLocally? = nil) {
    self.setGlobally = setGlobally
    self.setLocally = setLocally
    lock = .allocate(capacity: 1)
    lock.initialize(to: pthread_rwlock_t())
    pthread_rwlock_init(lock, nil)
    setGlobally?(1)
  }

  deinit {
    pthread_rwlock_destroy(lock)
    lock.deallocate()
  }

  /// Whether the number of threads can be chosen at all.
  var controlsThreads: Bool { setGlobally != nil || setLocally != nil }

  /// Runs a call with one thread beside others of its kind.
  func narrow<Result>(_ body: () -> Result) -> Result {
    let status = pthread_rwlock_rdlock(lock)
    precondition(
      status == 0, "Inside a wide section only the wide backend may be used (status \(status)).")
    let previous = setLocally?(1)
    defer {
      if let previous { _ = setLocally?(previous) }
      pthread_rwlock_unlock(lock)
    }
    return body()
  }

  /// Runs a call of a wide section, which holds the lock.
  func inWide<Result>(threads: Int, _ body: () -> Result) -> Result {
    let previous = setLocally?(Int32(clamping: threads))
    defer { if let previous { _ = setLocally?(previous) } }
    return body()
  }

  /// Runs a section alone, with several threads.
  func wide<Result, Failure: Error>(
    threads: Int, _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let status = pthread_rwlock_wrlock(lock)
    precondition(status == 0, "Wide sections cannot be nested (status \(status)).")
    setGlobally?(Int32(clamping: threads))
    defer {
      setGlobally?(1)
      pthread_rwlock_unlock(lock)
    }
    return try body()
  }
}
