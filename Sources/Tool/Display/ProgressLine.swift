import Synchronization
import SystemPackage
import Tincture

/// Shows how far a merge is: one redrawn line on a terminal, one line for each ten per cent elsewhere.
final class ProgressLine: Sendable {
  private struct State {
    var total = 0
    var done = 0
    var start = ContinuousClock.now
    var lastDrawn: ContinuousClock.Instant?
    var lastTenth = 0
    var resumed = 0
    var isOpen = false
  }

  private let state = Mutex(State())
  private let isQuiet: Bool
  private let redraws: Bool

  init(isQuiet: Bool) {
    self.isQuiet = isQuiet
    redraws = Console.isTerminal(.standardError)
  }

  func hear(_ event: MergeEvent) {
    guard !isQuiet else { return }
    state.withLock { state in
      switch event {
      case .surveying(let pass):
        show(redraws ? "\r\u{1b}[Kpass \(pass) over the whole model" : "", &state)
      case .started(_, let bytes, _, let resumed):
        state = State()
        state.total = bytes
        state.resumed = resumed
      case .wrote(let bytes):
        state.done += bytes
        if state.resumed > 0 {
          // The first report is what an earlier run had written.
          state.resumed = 0
          state.start = .now
        }
        draw(&state)
      case .finished: break
      }
    }
  }

  func close() {
    state.withLock { state in
      if state.isOpen { Console.write("\n", to: .standardError) }
      state.isOpen = false
    }
  }

  private func draw(_ state: inout State) {
    let now = ContinuousClock.now
    let tenth = state.total == 0 ? 10 : state.done * 10 / state.total
    if redraws {
      if let last = state.lastDrawn, now - last < .milliseconds(100), state.done < state.total {
        return
      }
      state.lastDrawn = now
      show("\r\u{1b}[K" + description(state, now), &state)
    } else if tenth > state.lastTenth {
      state.lastTenth = tenth
      Console.remark(description(state, now))
    }
  }

  private func show(_ text: String, _ state: inout State) {
    guard !text.isEmpty else { return }
    Console.write(text, to: .standardError)
    state.isOpen = true
  }

  private func description(_ state: State, _ now: ContinuousClock.Instant) -> String {
    let elapsed = (now - state.start) / .seconds(1)
    let rate = elapsed > 0 ? Double(state.done) / elapsed : 0
    let left = rate > 0 ? Double(state.total - state.done) / rate : 0
    let share = state.total == 0 ? 100 : state.done * 100 / state.total
    return "\(share) %  \(ByteSize.text(state.done)) of \(ByteSize.text(state.total))  "
      + "\(ByteSize.text(Int(rate)))/s  \(Self.time(left)) left"
  }

  static func time(_ seconds: Double) -> String {
    let whole = Int(seconds.rounded())
    if whole < 60 { return "\(whole) s" }
    if whole < 3600 { return "\(whole / 60) min \(whole % 60) s" }
    return "\(whole / 3600) h \(whole / 60 % 60) min"
  }
}
