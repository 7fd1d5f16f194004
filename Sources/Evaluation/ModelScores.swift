public import TinctureMetrics

/// How good one model is at the tasks of a suite.
public struct ModelScores: Sendable {
  /// The model's name.
  public let name: String
  /// The figures, in the order of the tasks.
  public let scores: [TaskScore]
  /// Published figures by task, for comparison.
  public let reference: [String: Double]
  /// How many tasks were answered from the cache.
  public let cachedTasks: Int
  /// The seconds that the evaluation took.
  public let seconds: Double
  /// Whether a model mixes experts for every input, so that the routing has an effect.
  public var mixes = false

  /// The figure of a task.
  public subscript(task: String) -> TaskScore? { scores.first { $0.task == task } }

  /// The mean of the shown figures of all tasks whose metric is a share or a coefficient.
  public var average: Double? { Self.mean(scores.filter(\.isAveraged).map(\.shown)) }

  /// The mean of the published figures; nil when one is missing.
  public var referenceAverage: Double? {
    Self.mean(scores.filter(\.isAveraged).map { reference[$0.task] })
  }

  /// How much of the experts' quality the model has, in per cent.
  ///
  /// The mean over tasks of model ÷ expert, or of expert ÷ model where less is better.
  ///
  /// - Parameter experts: The scores of each task's own expert.
  /// - Returns: 100 for models as good as the experts; nil when a figure is missing or zero.
  public func normalized(by experts: ModelScores) -> Double? {
    Self.mean(
      scores.map { score in
        guard let own = score.value, let expert = experts[score.task]?.value else { return nil }
        let (part, whole) = score.metric.direction == .higher ? (own, expert) : (expert, own)
        return whole > 0 ? 100 * part / whole : nil
      })
  }

  /// How much of the base's quality is lost: the mean over tasks of what the figure is worse by, zero where
  /// it is better, in the units of tables.
  ///
  /// - Parameter base: The scores of the model before fine-tuning.
  /// - Returns: The loss; nil when a figure is missing.
  public func forgetting(against base: ModelScores) -> Double? {
    Self.mean(
      scores.filter(\.isAveraged).map { score in
        guard let own = score.shown, let before = base[score.task]?.shown else { return nil }
        return max(0, score.metric.direction == .higher ? before - own : own - before)
      })
  }

  private static func mean(_ values: [Double?]) -> Double? {
    let known = values.compactMap(\.self)
    guard !known.isEmpty, known.count == values.count else { return nil }
    return known.reduce(0, +) / Double(known.count)
  }
}

/// The figure of one model at one task.
public struct TaskScore: Sendable {
  /// The task.
  public let task: String
  /// What was measured.
  public let metric: MetricInfo
  /// The figure; nil where it is undefined.
  public let value: Double?
  /// Figures that belong to it, by name.
  public let details: [(name: String, value: Double?)]
  /// The number of examples.
  public let exampleCount: Int

  /// The figure as tables show it: shares and coefficients times 100.
  public var shown: Double? { value.map { $0 * metric.unit.displayScale } }

  /// Whether it takes part in averages: angles and depths do not.
  var isAveraged: Bool { metric.unit == .share || metric.unit == .coefficient }
}
