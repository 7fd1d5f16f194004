internal import SystemPackage
internal import TinctureData
public import TinctureEvaluation
public import TinctureMerging
internal import TinctureNetworks
public import TinctureTensors
public import TinctureTorch

/// Learns the coefficients of task vectors, and heads, from examples without labels.
///
/// In each turn a task's examples go through θ = θ₀ + Σ λ τ; LibTorch gives G = ∂loss/∂θ, tensor by tensor,
/// and ∂loss/∂λ are the inner products ⟨G, τ⟩. What the experts answer is computed once, before. So one
/// merged model, one derivative and the task vectors are in memory, and no expert's network.
public struct CoefficientFit: Sendable {
  /// What one round did.
  public struct Round: Sendable, Hashable {
    /// The mean loss of each task's turn, in the order of the tasks; nil where the turn was skipped.
    public let losses: [Double?]
  }

  /// What was learned.
  public struct Outcome: Sendable {
    /// The coefficients.
    public let coefficients: CoefficientTable
    /// The heads by task: weight [classes, features] and bias.
    public let heads: [String: (weight: TorchTensor, bias: TorchTensor?)]
    /// The rounds in order.
    public let rounds: [Round]
    /// How many turns were skipped because no example was kept or the loss was not finite.
    public let skippedTurns: Int
  }

  /// The network and the tasks.
  public let suite: EvaluationSuite
  /// The models; a task vector for each task of the suite, in their order.
  public let vectors: TaskVectorSet
  /// How it is learned.
  public let settings: FitSettings
  /// Where networks run.
  public var device = TorchDevice.cpu
  /// Stops the fit when raised.
  public var interruption = Interruption()

  /// Prepares a fit.
  ///
  /// - Throws: `recipe` when there is not one task vector for each task.
  public init(
    _ suite: EvaluationSuite, _ vectors: TaskVectorSet, _ settings: FitSettings
  ) throws(TinctureError) {
    guard suite.tasks.count == vectors.taskCount else {
      throw TinctureError(
        .recipe,
        "The suite has \(suite.tasks.count) tasks for \(vectors.taskCount) models; each task needs its"
          + " expert, in the same order.", at: .init(file: suite.file.string))
    }
    self.suite = suite
    self.vectors = vectors
    self.settings = settings
  }

  /// Learns.
  ///
  /// - Parameter observer: Hears of each round.
  /// - Returns: What was learned; on the processor the same bits in every run with the same threads.
  /// - Throws: `data`, `checkpoint` or `recipe` for what does not fit, `interrupted`.
  /// - Complexity: A forward and backward pass and two passes over all task vectors for each turn.
  public func run(
    observer: (Int, Round) -> Void = { _, _ in }
  ) throws(TinctureError) -> Outcome {
    var learners: [TaskLearner] = []
    for (index, task) in suite.tasks.enumerated() {
      learners.append(
        try TaskLearner(
          ImageTask(task, of: suite, on: device), index: index, fit: self))
    }
    var state = FitState(self)
    var rounds: [Round] = []
    for round in 0..<settings.rounds {
      var losses = [Double?](repeating: nil, count: learners.count)
      var sum = [Double](repeating: 0, count: vectors.tensors.count * vectors.taskCount)
      for task in order(round, learners.count) {
        try interruption.check()
        guard let turn = try learners[task].turn(state.table) else {
          state.skippedTurns += 1
          continue
        }
        losses[task] = turn.loss
        if settings.stepsByTask {
          state.step(turn.products)
        } else {
          for index in sum.indices { sum[index] += turn.products[index] }
        }
      }
      if !settings.stepsByTask { state.step(sum) }
      rounds.append(Round(losses: losses))
      observer(round, Round(losses: losses))
    }
    var heads: [String: (weight: TorchTensor, bias: TorchTensor?)] = [:]
    for learner in learners {
      heads[learner.task.name] = (
        try learner.head.weight.detached(), try learner.head.bias?.detached()
      )
    }
    return Outcome(
      coefficients: state.table, heads: heads, rounds: rounds, skippedTurns: state.skippedTurns)
  }

  /// The order in which tasks have their turns.
  private func order(_ round: Int, _ count: Int) -> [Int] {
    guard settings.stepsByTask else { return Array(0..<count) }
    return BatchOrder(count: count, batchSize: 1, seed: settings.seed ^ 0x7a5c).order(epoch: round)
  }

  /// The parameters of the merged model, requiring gradients or not.
  func parameters(
    _ table: CoefficientTable, learnable: Bool
  ) throws(TinctureError) -> [TorchTensor] {
    var tensors: [TorchTensor] = []
    for index in vectors.tensors.indices {
      let values = vectors.merged(index, table.coefficients(index))
      let made = values.withUnsafeBytes { bytes in
        Result { () throws(TinctureError) in
          try TorchTensor(
            copying: bytes, shape: vectors.tensors[index].extents, dtype: .f32, on: device)
        }
      }
      let tensor = try made.get()
      tensors.append(learnable ? try tensor.requiringGradient() : tensor)
    }
    return tensors
  }

  /// Tensors under the names of the model.
  func named(_ tensors: [TorchTensor]) -> Parameters {
    Parameters(
      Dictionary(
        zip(vectors.tensors.map(\.name), tensors), uniquingKeysWith: { first, _ in first }))
  }
}

/// What changes while coefficients are learned.
private struct FitState {
  var table: CoefficientTable
  var skippedTurns = 0
  private var adam: AdamState

  init(_ fit: CoefficientFit) {
    let settings = fit.settings
    table = CoefficientTable(
      settings.granularity, tensorCount: fit.vectors.tensors.count,
      taskCount: fit.vectors.taskCount, start: settings.start, bounds: settings.bounds)
    adam = AdamState(count: table.raw.count, learningRate: settings.rate)
  }

  mutating func step(_ products: [Double]) {
    adam.step(&table.raw, table.gradient(products))
  }
}
