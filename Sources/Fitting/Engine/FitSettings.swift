/// How a merge is learned, whatever it is that is learned about it.
public struct FitSettings: Sendable, Hashable {
  /// What the merged model is fitted to.
  public var objective: FitObjective
  /// How often every task has a turn.
  public var rounds = 500
  /// How often the task with the fewest examples goes through all of them, in place of `rounds`.
  public var passes: Int?
  /// How many examples of a task are seen in a turn.
  public var batchSize = 32
  /// What the loss of a turn is multiplied by.
  public var lossScale = 1.0
  /// The step size of the heads and tinted layers; nil leaves them as they are.
  public var headRate: Double?
  /// Whether the merge moves after every task's turn, in a random order of the tasks, or once a round by the
  /// sum over all tasks.
  public var stepsByTask = true
  /// After how many turns the merge moves, where it moves after turns.
  public var accumulation = 1
  /// What the loss of each task is multiplied by; empty is one for all.
  public var weights: [Double] = []
  /// A further task of the suite, for which no model was made and whose loss is added.
  public var controlTask: String?
  /// What states within the network are compared with the experts', beside the objective.
  public var alignment: StateAlignment?
  /// The share of each task's examples that is held out, to keep what did best on them.
  ///
  /// Labels are needed for it.
  public var validationShare = 0.0
  /// After how many passes without a better result on what is held out the fit ends; nil goes on.
  public var patience: Int?
  /// Tensors of the network that every task has of its own, by the beginning of their names, or parts of them.
  public var tintedTensors: [String] = []
  /// How many turns in a row may be skipped because their loss is not finite.
  public var skipLimit = 100
  /// The seed of the order of tasks and examples.
  public var seed: UInt64 = 0

  /// Whether it must be known what is true.
  package var needsLabels: Bool { objective.needsLabels || validationShare > 0 }

  /// Creates settings of an objective.
  public init(_ objective: FitObjective) { self.objective = objective }
}

/// Which states within a network are compared with those of the experts.
public struct StateAlignment: Sendable, Hashable {
  /// The blocks after which states are compared.
  public var blocks: [Int]
  /// What the mean over the blocks of the mean squared difference is multiplied by.
  public var weight: Double

  /// Describes a comparison.
  public init(blocks: [Int], weight: Double) {
    self.blocks = blocks
    self.weight = weight
  }
}

/// How coefficients move.
public struct CoefficientSettings: Sendable, Hashable {
  /// A rule of optimisation.
  public enum Rule: Sendable, Hashable {
    /// Adam.
    case adam
    /// Gradient descent with momentum.
    case descent(momentum: Double)
  }

  /// Which elements share coefficients.
  public var granularity = CoefficientTable.Granularity.layer
  /// The coefficient of each task with which all rows begin; one number stands for all tasks.
  public var starts: [Float] = [0.3]
  /// How coefficients follow from what is learned.
  public var link = CoefficientTable.Link.clamped(0...1)
  /// Into how many chunks each tensor is cut, where chunks have coefficients.
  public var chunks = 1
  /// The seed of random parts of tensors.
  public var seed: UInt64 = 0
  /// The step size.
  public var rate = 1e-2
  /// How coefficients follow their derivatives.
  public var rule = Rule.adam
  /// The share of the step size by which values decay in each step; with it Adam is AdamW.
  public var decay = 0.0
  /// How the step size changes.
  public var schedule = LearningSchedule.constant
  /// What Σ |λ − λ at the start| / number is multiplied by and added to the loss of each step.
  public var anchoring = 0.0
  /// The greatest length of a step's derivative; longer ones are shortened.
  public var largestGradient: Double?
  /// The weight and the exponent p of a penalty: weight times the mean over the rows of (Σₜ |λₜ|ᵖ)^(1/p).
  public var penalty: (weight: Double, exponent: Double)? {
    get { penaltyWeight > 0 ? (penaltyWeight, penaltyExponent) : nil }
    set { (penaltyWeight, penaltyExponent) = newValue ?? (0, 1) }
  }
  private var penaltyWeight = 0.0
  private var penaltyExponent = 1.0

  /// The settings of Model Tinting.
  public init() {}
}
