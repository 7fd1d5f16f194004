public import TinctureTensors

/// How parameters follow their gradients.
///
/// Each rule is that of `torch.optim`, with g the gradient, θ the parameter and η the learning rate.
public enum OptimizationRule: Sendable, Hashable {
  /// Gradient descent: g ← g + λθ; b ← μb + (1 − δ)g (b = g in the first step); θ ← θ − ηb, or with
  /// Nesterov's momentum θ ← θ − η(g + μb).
  case sgd(
    momentum: Double = 0, dampening: Double = 0, nesterov: Bool = false, weightDecay: Double = 0)
  /// Kingma and Ba 2015: g ← g + λθ; m ← β₁m + (1 − β₁)g; v ← β₂v + (1 − β₂)g²;
  /// θ ← θ − η · m/(1 − β₁ᵗ) / (√(v/(1 − β₂ᵗ)) + ε).
  case adam(
    beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8, weightDecay: Double = 0)
  /// Loshchilov and Hutter 2019: as Adam, but with θ ← (1 − ηλ)θ in place of the addition to g.
  case adamW(
    beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8, weightDecay: Double = 0.01)

  /// How many tensors are kept for each parameter.
  var momentCount: Int {
    switch self {
    case .sgd(let momentum, _, _, _): momentum == 0 ? 0 : 1
    case .adam, .adamW: 2
    }
  }
}

/// What an optimiser remembers between steps.
public struct OptimizerState: Sendable {
  /// The number of steps done.
  public var step: Int
  /// For each parameter: nothing, the momentum, or the first and the second moment.
  public var moments: [[TorchTensor]]

  /// Creates a state, for instance from a checkpoint.
  public init(step: Int, moments: [[TorchTensor]]) {
    self.step = step
    self.moments = moments
  }
}

/// Moves parameters against their gradients, step by step.
///
/// ```swift
/// let optimizer = try TorchOptimizer(.adam(), learningRate: 1e-3, for: parameters)
/// for batch in batches {
///   let loss = try model(parameters, batch)
///   try optimizer.step(&parameters, gradients(of: loss, withRespectTo: parameters))
/// }
/// ```
public final class TorchOptimizer {
  /// The rule.
  public let rule: OptimizationRule
  /// The learning rate of the next step.
  public var learningRate: Double
  // The moments are written in place: no tensor outside of this object shares their memory.
  private var memory: OptimizerState

  /// Creates an optimiser that has done no step.
  ///
  /// - Parameters:
  ///   - rule: The rule.
  ///   - learningRate: The learning rate of the first step.
  ///   - parameters: Tensors with the shapes, dtypes and devices of the parameters.
  /// - Throws: `engine` when memory runs out.
  public init(
    _ rule: OptimizationRule, learningRate: Double, for parameters: [TorchTensor]
  ) throws(TinctureError) {
    self.rule = rule
    self.learningRate = learningRate
    var moments: [[TorchTensor]] = []
    for parameter in parameters {
      var own: [TorchTensor] = []
      for _ in 0..<rule.momentCount {
        own.append(
          try .zeros(
            parameter.shape, dtype: parameter.dtype ?? .f32, on: parameter.device))
      }
      moments.append(own)
    }
    memory = OptimizerState(step: 0, moments: moments)
  }

  /// A copy of what is remembered.
  ///
  /// - Throws: `engine` when memory runs out.
  public func state() throws(TinctureError) -> OptimizerState {
    try Self.copy(memory)
  }

  /// Goes on from a remembered state, which is copied.
  ///
  /// - Throws: `engine` when the state does not fit the parameters or memory runs out.
  public func restore(_ state: OptimizerState) throws(TinctureError) {
    guard state.moments.map({ $0.map(\.summary) }) == memory.moments.map({ $0.map(\.summary) })
    else {
      throw TinctureError(
        .engine, "The optimiser's state has other moments than the parameters need.")
    }
    memory = try Self.copy(state)
  }

  /// Does one step.
  ///
  /// Each parameter is replaced by a new one that requires gradients and depends on nothing; tensors that
  /// share memory with the old one keep their values. Parameters are replaced in groups, so that the new
  /// and the old ones exist twice only in part.
  ///
  /// - Parameters:
  ///   - parameters: The parameters, in the order of the initialiser.
  ///   - gradients: Their gradients, in the same order.
  /// - Throws: `engine` when something does not fit (then nothing has changed) or memory runs out.
  /// - Complexity: O(n), in three to five passes over memory.
  public func step(
    _ parameters: inout [TorchTensor], _ gradients: [TorchTensor]
  ) throws(TinctureError) {
    try check(parameters, gradients)
    memory.step += 1
    var start = 0
    while start < parameters.count {
      var end = start
      var size = 0
      repeat {
        size += parameters[end].elementCount
        end += 1
      } while end < parameters.count && size < Self.groupSize
        && parameters[end].device == parameters[start].device
      let range = start..<end
      let updated = try withoutGradients { () throws(TinctureError) in
        try update(Array(parameters[range]), Array(gradients[range]), range)
      }
      parameters.replaceSubrange(range, with: updated)
      start = end
    }
  }

  private static let groupSize = 1 << 24

  private func update(
    _ parameters: [TorchTensor], _ gradients: [TorchTensor], _ range: Range<Int>
  ) throws(TinctureError) -> [TorchTensor] {
    // The operators go through memory from front to back, so all must be contiguous.
    var updated: [TorchTensor] = []
    var slopes: [TorchTensor] = []
    for (parameter, gradient) in zip(parameters, gradients) {
      updated.append(try parameter.detached().contiguousCopy())
      slopes.append(try gradient.detached().contiguous())
    }
    let library = try LibTorch.current()
    let moments = (0..<rule.momentCount).map { moment in
      TorchArgument.tensors(range.map { memory.moments[$0][moment] })
    }
    switch rule {
    case .sgd(let momentum, let dampening, let nesterov, let weightDecay):
      try library.callForEffect(
        "aten::_fused_sgd_", "", .tensors(updated), .tensors(slopes),
        moments.first ?? .tensors([]), .double(weightDecay), .double(momentum),
        .double(learningRate), .double(dampening), .bool(nesterov), .bool(false),
        .bool(momentum != 0 && memory.step == 1), .none, .none)
    case .adam(let beta1, let beta2, let epsilon, let weightDecay),
      .adamW(let beta1, let beta2, let epsilon, let weightDecay):
      let step = try TorchTensor.full([], Double(memory.step), on: updated[0].device)
      let isAdamW = if case .adamW = rule { true } else { false }
      try library.callForEffect(
        isAdamW ? "aten::_fused_adamw_" : "aten::_fused_adam_", "", .tensors(updated),
        .tensors(slopes), moments[0], moments[1], .tensors([]),
        .tensors(Array(repeating: step, count: updated.count)), .double(learningRate),
        .double(beta1), .double(beta2), .double(weightDecay), .double(epsilon), .bool(false),
        .bool(false), .none, .none)
    }
    var variables: [TorchTensor] = []
    for tensor in updated { variables.append(try tensor.requiringGradient()) }
    return variables
  }

  private func check(
    _ parameters: [TorchTensor], _ gradients: [TorchTensor]
  ) throws(TinctureError) {
    guard parameters.count == memory.moments.count, gradients.count == parameters.count else {
      throw TinctureError(
        .engine,
        "The optimiser was made for \(memory.moments.count) parameters and got \(parameters.count)"
          + " with \(gradients.count) gradients.")
    }
    for (index, parameter) in parameters.enumerated() {
      let shapes = [gradients[index].summary] + memory.moments[index].map(\.summary)
      guard shapes.allSatisfy({ $0 == parameter.summary }) else {
        throw TinctureError(
          .engine,
          "Parameter \(index) is \(parameter.summary), its gradient \(gradients[index].summary)"
            + (memory.moments[index].first.map { " and its momentum \($0.summary)" } ?? "") + ".")
      }
    }
  }

  private static func copy(_ state: OptimizerState) throws(TinctureError) -> OptimizerState {
    var moments: [[TorchTensor]] = []
    for own in state.moments {
      var copies: [TorchTensor] = []
      for moment in own { copies.append(try moment.detached().contiguousCopy()) }
      moments.append(copies)
    }
    return OptimizerState(step: state.step, moments: moments)
  }
}

extension TorchTensor {
  /// The same elements in a block of their own.
  func contiguousCopy() throws(TinctureError) -> TorchTensor {
    try library.call("aten::clone", "", .tensor(self), .some(.int(0)))
  }
}

extension [TorchTensor] {
  /// Gradients scaled so that their common Euclidean norm is at most a limit.
  ///
  /// Each is multiplied by min(1, limit / (norm + 10⁻⁶)), as `torch.nn.utils.clip_grad_norm_` does.
  public func clipped(toNorm limit: Double) throws(TinctureError) -> [TorchTensor] {
    var squares = 0.0
    for gradient in self {
      let norm = try gradient.norm().item(as: Double.self)
      squares += norm * norm
    }
    let factor = limit / (squares.squareRoot() + 1e-6)
    guard factor < 1 else { return self }
    var result: [TorchTensor] = []
    for gradient in self { result.append(try gradient * factor) }
    return result
  }
}
