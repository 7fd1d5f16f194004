internal import TinctureTensors

/// What has happened in a fit so far.
public struct FitHistory: Sendable, Hashable {
  /// The tasks.
  public let tasks: [String]
  /// How many rounds there are to be.
  public let roundCount: Int
  /// The loss of each task's turn, in the order of the tasks, round by round; nil where the turn was skipped.
  public internal(set) var losses: [[Double?]] = []
  /// The share of right answers of each task on what was held out, at the start and after each pass.
  public internal(set) var validations: [[Double]] = []
  /// How good each of them was; the greatest is kept.
  public internal(set) var validationScores: [Double] = []
  /// Whether the fit ended before its last round.
  public internal(set) var hasStopped = false
  /// How many turns were taken in since the merge moved.
  var pendingTurns = 0
  /// How many turns were skipped because no example was kept.
  public internal(set) var emptyTurns = 0
  /// How many turns were skipped because the loss or a derivative was not finite.
  public internal(set) var nonFiniteTurns = 0
  /// How many of them came last, one after another.
  var nonFiniteInARow = 0
  /// How many rounds an interrupted run had done.
  public internal(set) var resumedRounds = 0
  /// The least and the greatest coefficient, where there are coefficients.
  public internal(set) var coefficientRange: ClosedRange<Double>?

  init(tasks: [String], roundCount: Int) {
    self.tasks = tasks
    self.roundCount = roundCount
  }

  /// The mean loss of the last round, unless all its turns were skipped.
  public var lastLoss: Double? {
    let last = losses.last?.compactMap(\.self) ?? []
    return last.isEmpty ? nil : last.reduce(0, +) / Double(last.count)
  }

  /// The losses of the last round by task.
  package var lastLosses: [String: Double] {
    var found: [String: Double] = [:]
    for (task, loss) in zip(tasks, losses.last ?? []) { found[task] = loss }
    return found
  }

  /// Whether there is no further round.
  var isFinished: Bool { hasStopped || losses.count >= roundCount }

  mutating func skipNonFinite(limit: Int, _ task: String) throws(TinctureError) {
    nonFiniteTurns += 1
    nonFiniteInARow += 1
    guard nonFiniteInARow >= limit else { return }
    throw TinctureError(
      .data,
      "The loss was not finite in \(nonFiniteInARow) turns one after another, the last one of the task"
        + " '\(task)'. Choose a smaller 'lr' or 'head_lr', and look for numbers that are not finite in"
        + " the data.")
  }

  func save(into snapshot: inout FitSnapshot) {
    snapshot.set("losses", losses.flatMap { $0.map { $0 ?? .nan } })
    snapshot.numbers["rounds"] = losses.count
    snapshot.set("validations", validations.flatMap(\.self))
    snapshot.set("validation_scores", validationScores)
    snapshot.numbers["validations"] = validations.count
    snapshot.numbers["stopped"] = hasStopped ? 1 : 0
    snapshot.numbers["pending"] = pendingTurns
    snapshot.numbers["empty"] = emptyTurns
    snapshot.numbers["not_finite"] = nonFiniteTurns
    snapshot.numbers["not_finite_in_a_row"] = nonFiniteInARow
  }

  mutating func restore(from snapshot: FitSnapshot) throws(TinctureError) {
    let rounds = try snapshot.number("rounds")
    let values = try snapshot.doubles("losses", count: rounds * tasks.count)
    losses = (0..<rounds).map { round in
      values[round * tasks.count..<(round + 1) * tasks.count].map { $0.isNaN ? nil : $0 }
    }
    let checks = try snapshot.number("validations")
    let shares = try snapshot.doubles("validations", count: checks * tasks.count)
    validations = (0..<checks).map {
      Array(shares[$0 * tasks.count..<($0 + 1) * tasks.count])
    }
    validationScores = try snapshot.doubles("validation_scores", count: checks)
    hasStopped = try snapshot.number("stopped") == 1
    pendingTurns = try snapshot.number("pending")
    emptyTurns = try snapshot.number("empty")
    nonFiniteTurns = try snapshot.number("not_finite")
    nonFiniteInARow = try snapshot.number("not_finite_in_a_row")
    resumedRounds = rounds
  }
}
