internal import Synchronization

/// Admits steps first come, first served, as long as their memory fits a limit.
///
/// A request larger than the limit is admitted when nothing else is. Each step asks once, so workers
/// cannot wait for one another in a circle.
final class ByteBudget: Sendable {
  private struct State {
    var used = 0
    var peak = 0
    var waiting: [(bytes: Int, continuation: CheckedContinuation<Void, Never>)] = []
  }

  let limit: Int
  private let state = Mutex(State())

  init(limit: Int) { self.limit = limit }

  /// The most bytes that were admitted at once.
  var peak: Int { state.withLock { $0.peak } }

  func acquire(_ bytes: Int) async {
    await withCheckedContinuation { continuation in
      let admitted = state.withLock { state in
        if state.waiting.isEmpty, fits(bytes, state) {
          admit(bytes, &state)
          return true
        }
        state.waiting.append((bytes, continuation))
        return false
      }
      if admitted { continuation.resume() }
    }
  }

  func release(_ bytes: Int) {
    let admitted = state.withLock { state in
      state.used -= bytes
      var admitted: [CheckedContinuation<Void, Never>] = []
      while let first = state.waiting.first, fits(first.bytes, state) {
        admit(first.bytes, &state)
        admitted.append(first.continuation)
        state.waiting.removeFirst()
      }
      return admitted
    }
    for continuation in admitted { continuation.resume() }
  }

  private func fits(_ bytes: Int, _ state: State) -> Bool {
    state.used == 0 || state.used + bytes <= limit
  }

  private func admit(_ bytes: Int, _ state: inout State) {
    state.used += bytes
    state.peak = max(state.peak, state.used)
  }
}
