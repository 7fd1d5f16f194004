/// How coefficients, and perhaps heads, are learned.
public struct FitSettings: Sendable, Hashable {
  /// What the merged model is fitted to.
  public var objective: FitObjective
  /// Which tensors share coefficients.
  public var granularity = CoefficientTable.Granularity.layer
  /// The coefficient with which every task vector begins.
  public var start: Float = 0.3
  /// Between what coefficients are used.
  public var bounds: ClosedRange<Float>? = 0...1
  /// How often every task has a turn.
  public var rounds = 500
  /// How many examples of a task are seen in a turn.
  public var batchSize = 32
  /// The step size of the coefficients.
  public var rate = 1e-2
  /// The step size of the heads; nil leaves them as they are.
  public var headRate: Double?
  /// Whether coefficients move after every task's turn, in a random order of the tasks, or once a round by the
  /// sum over all tasks.
  public var stepsByTask = true
  /// The seed of the order of tasks and examples.
  public var seed: UInt64 = 0

  /// Creates settings of an objective.
  public init(_ objective: FitObjective) { self.objective = objective }

  /// Model Tinting as published.
  ///
  /// Layer-wise coefficients from 0.3 and heads, fitted to the experts' answers as labels: 500 rounds of one Adam
  /// step of 0.01 for each task with 32 examples. Source: arXiv:2412.19098.
  ///
  /// - Parameter filtered: Whether examples are left out as Model Tinting++ does.
  /// - Returns: The settings.
  public static func tinting(filtered: Bool = false) -> FitSettings {
    var settings = FitSettings(.expertLabels(filtered: filtered))
    settings.headRate = 1e-2
    return settings
  }

  /// AdaMerging as published, with one batch of 16 examples of each task for a step.
  ///
  /// Coefficients from 0.3, entropy, Adam steps of 0.001 by the sum over the tasks. Source: arXiv:2310.02575.
  ///
  /// - Parameter granularity: Task-wise or layer-wise.
  /// - Returns: The settings.
  public static func adaMerging(
    _ granularity: CoefficientTable.Granularity
  ) -> FitSettings {
    var settings = FitSettings(.entropy)
    settings.granularity = granularity
    (settings.batchSize, settings.rate, settings.stepsByTask) = (16, 1e-3, false)
    return settings
  }
}
