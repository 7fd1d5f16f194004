/// How far work is that goes through a known number of bytes or other things, in words.
public struct ProgressMeter: Sendable, Hashable {
  /// All bytes, or things.
  public let total: Int
  /// What is counted, in the plural; nil for bytes.
  public let noun: String?
  /// Those that are behind.
  public private(set) var done = 0
  private var start: ContinuousClock.Instant
  private var doneAtStart = 0
  private var lastTenth = 0

  /// Starts to measure.
  public init(total: Int, of noun: String? = nil, at start: ContinuousClock.Instant = .now) {
    self.total = total
    self.noun = noun
    self.start = start
  }

  /// Puts more behind.
  public mutating func advance(by count: Int) { done += count }

  /// Counts time from now on; what is behind already took none of it.
  public mutating func restart(at start: ContinuousClock.Instant = .now) {
    self.start = start
    doneAtStart = done
  }

  /// Whether everything is behind.
  public var isComplete: Bool { done >= total }

  /// The share, the bytes or things, the rate and the time that is left.
  public func text(at now: ContinuousClock.Instant = .now) -> String {
    let elapsed = (now - start) / .seconds(1)
    let rate = elapsed > 0 ? Double(done - doneAtStart) / elapsed : 0
    let left = isComplete ? 0 : Double(total - done) / rate
    let share = total == 0 ? 100 : Int(Double(done) / Double(total) * 100)
    let perSecond = Int(min(rate, 9e15))
    let speed = rate < 9.95 ? NumberText.decimal(rate, 1) : String(perSecond)
    let state =
      noun.map { "\(done) of \(total) \($0)  \(speed)/s" }
      ?? "\(NumberText.bytes(done)) of \(NumberText.bytes(total))  \(NumberText.bytes(perSecond))/s"
    return "\(share) %  \(state)  \(NumberText.duration(left)) left"
  }

  /// The text when another ten per cent are behind since it was last given.
  ///
  /// - Parameters:
  ///   - now: The time.
  ///   - patience: How long nothing is said at the start, so that quick work stays silent.
  /// - Returns: The text, or nil.
  public mutating func milestone(
    at now: ContinuousClock.Instant = .now, patience: Duration = .zero
  ) -> String? {
    let tenth = total == 0 ? 10 : Int(Double(done) / Double(total) * 10)
    guard tenth > lastTenth, now - start >= patience else { return nil }
    lastTenth = tenth
    return text(at: now)
  }
}
