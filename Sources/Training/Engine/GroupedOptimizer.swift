internal import TinctureTensors
internal import TinctureTorch

/// An optimiser of named variables, of which some decay and others do not.
final class GroupedOptimizer {
  private let groups: [(places: [Int], optimizer: TorchOptimizer)]

  /// Creates an optimiser that has done no step.
  ///
  /// - Parameters:
  ///   - settings: The rule.
  ///   - variables: What is moved, in an order that stays.
  /// - Throws: `engine` when memory runs out.
  init(_ settings: TrainingOptimizer, for variables: [TorchTensor]) throws(TinctureError) {
    let decaying = variables.indices.filter {
      !settings.decaysMatricesOnly || variables[$0].rank > 1
    }
    let others = variables.indices.filter {
      settings.decaysMatricesOnly && variables[$0].rank <= 1
    }
    var groups: [(places: [Int], optimizer: TorchOptimizer)] = []
    for (places, rule) in [
      (Array(decaying), settings.rule), (Array(others), settings.rule.withoutDecay),
    ] where !places.isEmpty {
      groups.append(
        (
          places,
          try TorchOptimizer(rule, learningRate: settings.rate, for: places.map { variables[$0] })
        ))
    }
    self.groups = groups
  }

  /// Does one step.
  ///
  /// - Parameters:
  ///   - variables: What is moved.
  ///   - gradients: In the same order.
  ///   - rate: The learning rate of the step.
  /// - Throws: `engine` when something does not fit or memory runs out.
  func step(
    _ variables: inout [TorchTensor], _ gradients: [TorchTensor], rate: Double
  ) throws(TinctureError) {
    for (places, optimizer) in groups {
      optimizer.learningRate = rate
      if places.count == variables.count {
        try optimizer.step(&variables, gradients)
        return
      }
      var own = places.map { variables[$0] }
      try optimizer.step(&own, places.map { gradients[$0] })
      for (place, moved) in zip(places, own) { variables[place] = moved }
    }
  }

  /// What is remembered of all variables, in their order.
  func state() throws(TinctureError) -> OptimizerState {
    var moments: [Int: [TorchTensor]] = [:]
    var step = 0
    for (places, optimizer) in groups {
      let own = try optimizer.state()
      step = own.step
      for (place, pair) in zip(places, own.moments) { moments[place] = pair }
    }
    return OptimizerState(step: step, moments: moments.sorted { $0.key < $1.key }.map(\.value))
  }

  /// Goes on from what was remembered.
  ///
  /// - Parameter state: The state of all variables, in their order.
  /// - Throws: `engine` when it does not fit.
  func restore(_ state: OptimizerState) throws(TinctureError) {
    for (places, optimizer) in groups {
      guard places.allSatisfy({ $0 < state.moments.count }) else {
        throw TinctureError(.engine, "The optimiser's state is of other variables.")
      }
      try optimizer.restore(
        OptimizerState(step: state.step, moments: places.map { state.moments[$0] }))
    }
  }
}

extension OptimizationRule {
  /// The same rule without weight decay.
  fileprivate var withoutDecay: OptimizationRule {
    switch self {
    case .sgd(let momentum, let dampening, let nesterov, _):
      .sgd(momentum: momentum, dampening: dampening, nesterov: nesterov, weightDecay: 0)
    case .adam(let beta1, let beta2, let epsilon, _):
      .adam(beta1: beta1, beta2: beta2, epsilon: epsilon, weightDecay: 0)
    case .adamW(let beta1, let beta2, let epsilon, _):
      .adamW(beta1: beta1, beta2: beta2, epsilon: epsilon, weightDecay: 0)
    }
  }
}
