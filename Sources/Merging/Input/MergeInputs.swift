internal import TinctureCheckpoints
public import TinctureTensors

/// Everything that one call of a method may look at, and nothing else.
///
/// Not `Sendable`: it belongs to the worker that carries out the step.
public final class MergeInputs {
  /// The step: name, shape, layer, parameters.
  public internal(set) var step: MergeStep
  /// Reusable memory of the worker.
  public let workspace: Workspace
  let options: MergeOptions
  let tuning: EngineTuning
  let writer: RangeWriter?
  let interruption: Interruption
  let advance: (Int) -> Void
  let blockCapacity: Int
  /// Whether the step is carried out for a second time, by the method's slower route.
  public let isFallback: Bool
  /// Whether the method wants its slower route.
  private(set) var asksForFallback = false
  var checked = false
  /// What happens to task vectors before anyone sees them.
  var taskVectorPasses: [any TaskVectorPass] = []
  /// What tells the random numbers of one step before the method from those of another.
  var randomScope = ""
  /// Whether the base is there for the filters alone, and blocks hold models only.
  var hidesBase = false
  /// Where blocks go that are produced.
  var outlet = MergeOutlet()

  init(
    step: MergeStep, workspace: Workspace, options: MergeOptions, tuning: EngineTuning,
    cost: StepCost, isFallback: Bool = false, writer: RangeWriter?, interruption: Interruption,
    advance: @escaping (Int) -> Void
  ) {
    self.step = step
    self.workspace = workspace
    self.options = options
    self.tuning = tuning
    blockCapacity = cost.blockCapacity
    self.isFallback = isFallback
    self.writer = writer
    self.interruption = interruption
    self.advance = advance
    workspace.prepare(
      blockCapacity: cost.blockCapacity,
      outputBytes: tuning.outputBytes(block: cost.blockCapacity, step.dtype))
  }

  /// Whether the step has a base.
  public var hasBase: Bool { step.base != nil && !hidesBase }
  /// The number of models, the base not counted.
  public var modelCount: Int { step.models.count }
  /// The number of elements of the tensor.
  public var elementCount: Int { step.shape.elementCount }

  /// The sizes of the step and its share of memory.
  public var workingScope: WorkingScope {
    WorkingScope(
      modelCount: modelCount, shape: step.shape, elementCount: step.elements.count,
      share: tuning.share, statisticsShape: step.statistics.first?.reader.shape,
      adapterRanks: step.adapterRanks, isFallback: isFallback)
  }

  /// Asks for the step to be carried out again by a slower route, for which the method declares memory of its own.
  ///
  /// The step's memory is given back first, so that no step waits for another with memory in its hands.
  ///
  /// - Returns: What to throw, before anything is produced.
  public func fallBack() -> TinctureError {
    precondition(!isFallback, "The slower route has no slower one.")
    asksForFallback = true
    return TinctureError(.internalError, "The step wants to be carried out again.")
  }

  /// Whether numbers that are not finite are let through.
  public var letsNonFiniteThrough: Bool { options.nonFinite == .propagate }

  /// The value of a parameter for this tensor.
  public subscript<Value>(parameter: Parameter<Value>) -> Value { step.parameters[parameter] }
  /// The values of a parameter for this tensor, in the order of the models.
  public subscript<Value>(parameter: PerModelParameter<Value>) -> [Value] {
    step.parameters[parameter]
  }

  /// Stops a long computation between passes when the merge is interrupted.
  ///
  /// - Throws: `interrupted` once the merge should stop.
  public func checkInterruption() throws(TinctureError) { try interruption.check() }

  /// The seed of random methods.
  public var seed: UInt64 { options.seed }

  /// A vector of a block's length.
  public func scratch() -> ScratchVector { ScratchVector(from: workspace) }

  /// The random numbers of one of the step's models.
  public func random(_ purpose: String, model: Int) -> CounterRandom {
    CounterRandom(
      seed: options.seed, tensor: step.name, model: step.modelIndices[model],
      purpose: randomScope + purpose)
  }
}

/// What applies to a whole merge and is no parameter of the method.
public struct MergeOptions: Sendable, Hashable {
  /// What to do about NaN and infinity in the inputs.
  public enum NonFinite: String, Sendable, CaseIterable {
    /// Stop.
    case error
    /// Use the base's element, or zero without a base.
    case replaceByBase = "base"
    /// Go on; the output will hold them, too.
    case propagate
  }

  /// The seed of random methods.
  public var seed: UInt64
  /// What to do about NaN and infinity.
  public var nonFinite: NonFinite
  /// What a learned method learns from.
  public var data: LearningData?
  /// Where a learned method runs networks.
  public var machine = LearningMachine()

  /// Creates options.
  public init(seed: UInt64 = 0, nonFinite: NonFinite = .error) {
    self.seed = seed
    self.nonFinite = nonFinite
  }
}
