/// What an observer of a merge hears.
public enum MergeEvent: Sendable, Hashable {
  /// A pass over the whole model begins before merging.
  case surveying(pass: Int)
  /// More examples have gone through models to measure them.
  case measured(examples: Int, of: Int)
  /// A round of learning is done.
  case learned(LearningProgress)
  /// Merging begins.
  case started(steps: Int, outputBytes: Int, inputBytes: Int, resumedSteps: Int)
  /// Bytes of output were written, by any worker.
  case wrote(bytes: Int)
  /// A step is done.
  case finished(step: Int)
}

/// How far learning is.
public struct LearningProgress: Sendable, Hashable {
  /// How many rounds are done.
  public var round: Int
  /// How many rounds there are.
  public var rounds: Int
  /// How many of them an earlier run had done.
  public var resumedRounds: Int
  /// The losses of the last round by task, without those that were skipped.
  public var losses: [String: Double]
  /// The least and the greatest coefficient, where coefficients are learned.
  public var coefficients: ClosedRange<Double>?

  /// Describes a round.
  public init(
    round: Int, of rounds: Int, resumed: Int = 0, losses: [String: Double] = [:],
    coefficients: ClosedRange<Double>? = nil
  ) {
    self.round = round
    self.rounds = rounds
    resumedRounds = resumed
    self.losses = losses
    self.coefficients = coefficients
  }
}

/// What a merge did.
public struct MergeReport: Sendable, Hashable {
  /// Steps that were carried out in this run.
  public var steps = 0
  /// Steps that an earlier, interrupted run had done.
  public var resumedSteps = 0
  /// Bytes that one pass over all inputs reads.
  public var inputBytes = 0
  /// Bytes of tensors in the output.
  public var outputBytes = 0
  /// The most memory that steps were admitted with at once, in bytes.
  public var peakBytes = 0
  /// Files that the method made beside the tensors.
  public var sidecars: [MergePlan.Sidecar] = []
  /// How the result is gone on from with further models, where that is possible.
  public var continuation: MergeContinuation?

  /// Creates an empty report.
  public init() {}
}
