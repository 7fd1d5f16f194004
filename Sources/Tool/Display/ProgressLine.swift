import Synchronization
import SystemPackage
import Tincture
import TinctureReports

/// Shows how far work is: one redrawn line on a terminal, one line for each ten per cent elsewhere.
final class ProgressLine: Sendable {
  private struct State {
    var meter = ProgressMeter(total: 0)
    var lastDrawn: ContinuousClock.Instant?
    var resumed = 0
    var remark = ""
    var isOpen = false
  }

  private let state = Mutex(State())
  private let isQuiet: Bool
  private let redraws: Bool
  private let patience: Duration

  /// Prepares to show.
  ///
  /// - Parameters:
  ///   - isQuiet: Whether nothing is shown.
  ///   - patience: How long nothing is shown at the start, except on a terminal.
  init(isQuiet: Bool, patience: Duration = .zero) {
    self.isQuiet = isQuiet
    self.patience = patience
    redraws = Console.isTerminal(.standardError)
  }

  func hear(_ event: MergeEvent) {
    guard !isQuiet else { return }
    switch event {
    case .surveying(let pass):
      state.withLock { show(redraws ? "\r\u{1b}[Kpass \(pass) over the whole model" : "", &$0) }
    case .measured(let count, let total):
      if state.withLock({ $0.meter.noun != "examples" || $0.meter.total != total }) {
        begin(total: total, of: "examples")
      }
      advance(by: count)
    case .learned(let progress): hear(progress)
    case .started(_, let bytes, _, let resumed): begin(total: bytes, resumed: resumed)
    case .wrote(let bytes): advance(by: bytes)
    case .finished: break
    }
  }

  private func hear(_ progress: LearningProgress) {
    let isFirst = state.withLock { $0.meter.noun != "rounds" || $0.meter.total != progress.rounds }
    if isFirst {
      begin(total: progress.rounds, of: "rounds", resumed: progress.resumedRounds)
      if progress.resumedRounds > 0 { advance(by: progress.resumedRounds) }
    }
    var remark = ""
    let losses = progress.losses.sorted { ($0.value, $0.key) < ($1.value, $1.key) }
    if let least = losses.first, let most = losses.last {
      let mean = losses.reduce(0) { $0 + $1.value } / Double(losses.count)
      remark = ", loss \(NumberText.significant(mean))"
      if losses.count > 1 {
        remark +=
          " (\(least.key) \(NumberText.significant(least.value)) to \(most.key)"
          + " \(NumberText.significant(most.value)))"
      }
    }
    if let range = progress.coefficients {
      remark +=
        ", λ \(ByteSize.decimal(range.lowerBound, 2)) to \(ByteSize.decimal(range.upperBound, 2))"
    }
    state.withLock { $0.remark = remark }
    advance(by: 1)
  }

  /// A step of a training run is done.
  func hear(_ progress: TrainingProgress) {
    guard !isQuiet else { return }
    let isFirst = state.withLock {
      $0.meter.noun != "steps" || $0.meter.total != progress.stepCount
    }
    if isFirst {
      begin(total: progress.stepCount, of: "steps", resumed: progress.steps - 1)
    }
    var remark = ", epoch \(progress.epoch + 1)"
    if let loss = progress.loss { remark += ", loss \(NumberText.significant(loss))" }
    if let accuracy = progress.testAccuracy {
      remark += ", \(NumberText.percent(accuracy)) right"
    }
    state.withLock { $0.remark = remark }
    let done = state.withLock { $0.meter.done }
    if progress.steps > done { advance(by: progress.steps - done) }
  }

  /// Work on a number of bytes, or of other things, begins.
  func begin(total: Int, of noun: String? = nil, resumed: Int = 0) {
    state.withLock { state in
      state = State()
      state.meter = ProgressMeter(total: total, of: noun)
      state.resumed = resumed
    }
  }

  /// More bytes are behind.
  func advance(by bytes: Int) {
    guard !isQuiet else { return }
    state.withLock { state in
      state.meter.advance(by: bytes)
      if state.resumed > 0 {
        // The first report is what an earlier run had written.
        state.resumed = 0
        state.meter.restart()
      }
      draw(&state)
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
    if redraws {
      if let last = state.lastDrawn, now - last < .milliseconds(100), !state.meter.isComplete {
        return
      }
      state.lastDrawn = now
      show("\r\u{1b}[K" + state.meter.text(at: now) + state.remark, &state)
    } else if let text = state.meter.milestone(at: now, patience: patience) {
      Console.remark(text + state.remark)
    }
  }

  private func show(_ text: String, _ state: inout State) {
    guard !text.isEmpty else { return }
    Console.write(text, to: .standardError)
    state.isOpen = true
  }
}
