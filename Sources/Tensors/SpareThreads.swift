internal import Dispatch
internal import Synchronization

/// Threads that have nothing to do and help with pieces of others' work.
///
/// Workers that wait for memory, and those for which no work is left, are offered here; what comes in pieces is shared
/// with as many threads as are offered when it begins. Pieces are cut by the extents of the work alone, so that
/// results do not depend on who helps.
public final class SpareThreads: Sendable {
  /// The spare threads of this process.
  public static let shared = SpareThreads()

  private let offered = Atomic<Int>(0)

  /// Creates a counter without spare threads.
  package init() {}

  /// How many threads may help now; below zero while some work again and still help.
  package var count: Int { offered.load(ordering: .relaxed) }

  /// Says that threads have nothing to do.
  public func offer(_ threads: Int = 1) { offered.add(threads, ordering: .relaxed) }

  /// Says that offered threads work again.
  public func takeBack(_ threads: Int = 1) { offered.subtract(threads, ordering: .relaxed) }

  /// Does pieces of work on the calling thread and on spare ones, and waits for all.
  ///
  /// - Parameters:
  ///   - pieces: How many pieces.
  ///   - body: Does the piece of a number, on any thread; pieces are begun in the order of their numbers,
  ///     and touch nothing that another one writes.
  public func run(pieces: Int, _ body: (Int) -> Void) {
    let helpers = pieces > 1 ? reserve(pieces - 1) : 0
    guard helpers > 0 else {
      for piece in 0..<pieces { body(piece) }
      return
    }
    defer { offer(helpers) }
    let next = Atomic<Int>(0)
    withoutActuallyEscaping(body) { body in
      // Whoever cuts work into pieces says that they may be done side by side.
      nonisolated(unsafe) let body = body
      DispatchQueue.concurrentPerform(iterations: helpers + 1) { _ in
        while true {
          let piece = next.wrappingAdd(1, ordering: .relaxed).oldValue
          guard piece < pieces else { return }
          body(piece)
        }
      }
    }
  }

  /// Takes up to so many threads.
  func reserve(_ most: Int) -> Int {
    var seen = offered.load(ordering: .relaxed)
    while seen > 0 {
      let count = min(seen, most)
      let (exchanged, original) = offered.weakCompareExchange(
        expected: seen, desired: seen - count, ordering: .relaxed)
      if exchanged { return count }
      seen = original
    }
    return 0
  }
}
