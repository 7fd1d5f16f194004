internal import CTinctureKernels
internal import Dispatch
internal import Synchronization

/// Spare threads that stay awake for many short phases of work, a few microseconds each.
///
/// One thread begins phase after phase and does whatever part of them nobody else has taken, so that helpers
/// who come late, or not at all, only help less. Between phases helpers wait awake.
public final class ThreadTeam: Sendable {
  private let begun = Atomic<Int>(0)
  private let taken = Atomic<Int>(0)
  private let done = Atomic<Int>(0)
  private let isOver = Atomic<Bool>(false)
  /// The body of the phase and the number of its first part.
  ///
  /// Unsafe, because threads order themselves: the caller sets it before `begun` says that there are parts, and again only
  /// when `done` says that all of them have ended.
  nonisolated(unsafe) private var phase: (start: Int, body: (Int) -> Void) = (0, { _ in })
  private let helpers: Int

  private init(helpers: Int) { self.helpers = helpers }

  /// Lends a team.
  ///
  /// - Parameters:
  ///   - most: How many threads can be used at most, with the calling one.
  ///   - spare: Where helpers come from.
  ///   - body: Begins phases, on one thread.
  public static func gather(
    _ most: Int, from spare: SpareThreads = .shared, _ body: (ThreadTeam) -> Void
  ) {
    let helpers = spare.reserve(max(0, most - 1))
    let team = ThreadTeam(helpers: helpers)
    guard helpers > 0 else { return body(team) }
    defer { spare.offer(helpers) }
    withoutActuallyEscaping(body) { body in
      // One thread alone, whichever is first, calls the body, while this call waits.
      nonisolated(unsafe) let body = body
      let isLed = Atomic<Bool>(false)
      DispatchQueue.concurrentPerform(iterations: helpers + 1) { _ in
        if isLed.exchange(true, ordering: .relaxed) {
          team.help()
        } else {
          body(team)
          team.isOver.store(true, ordering: .releasing)
        }
      }
    }
  }

  /// Does the parts of a phase and waits for all of them.
  ///
  /// - Parameters:
  ///   - parts: How many parts.
  ///   - body: Does the part of a number, on any thread; parts touch nothing that another one writes.
  public func run(_ parts: Int, _ body: (Int) -> Void) {
    guard helpers > 0, parts > 1 else {
      for part in 0..<parts { body(part) }
      return
    }
    withoutActuallyEscaping(body) { body in
      let start = begun.load(ordering: .relaxed)
      phase = (start, body)
      begun.store(start + parts, ordering: .releasing)
      while takePart() {}
      wait { done.load(ordering: .acquiring) == start + parts }
      phase = (start, { _ in })
    }
  }

  private func help() {
    while true {
      if takePart() { continue }
      var isOver = false
      wait {
        isOver = self.isOver.load(ordering: .acquiring)
        return isOver || taken.load(ordering: .relaxed) < begun.load(ordering: .acquiring)
      }
      if isOver { return }
    }
  }

  /// Does a part that nobody has taken; false when there is none.
  private func takePart() -> Bool {
    let part = taken.load(ordering: .relaxed)
    guard part < begun.load(ordering: .acquiring),
      taken.compareExchange(expected: part, desired: part + 1, ordering: .relaxed).exchanged
    else { return taken.load(ordering: .relaxed) < begun.load(ordering: .relaxed) }
    phase.body(part - phase.start)
    done.add(1, ordering: .releasing)
    return true
  }

  private func wait(_ isReady: () -> Bool) {
    var rounds = 0
    while !isReady() {
      rounds += 1
      // Whoever is waited for may need this processor.
      if rounds % 4096 == 0 { tincture_yield() } else { tincture_pause() }
    }
  }
}
