/// What an observer of a merge hears.
public enum MergeEvent: Sendable, Hashable {
  /// A pass over the whole model begins before merging.
  case surveying(pass: Int)
  /// Merging begins.
  case started(steps: Int, outputBytes: Int, inputBytes: Int, resumedSteps: Int)
  /// Bytes of output were written, by any worker.
  case wrote(bytes: Int)
  /// A step is done.
  case finished(step: Int)
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

  /// Creates an empty report.
  public init() {}
}
