internal import TinctureTensors
internal import TinctureTorch

/// Tensors that are learned by steps of an optimiser, and what it remembers.
final class LearnedTensors {
  /// The tensors, each of which requires gradients.
  private(set) var tensors: [TorchTensor]
  private let optimizer: TorchOptimizer

  /// Begins with values.
  ///
  /// - Parameters:
  ///   - tensors: The values.
  ///   - rule: How they follow their gradients.
  ///   - rate: The step size.
  /// - Throws: `engine` when memory runs out.
  init(
    _ tensors: [TorchTensor], _ rule: OptimizationRule = .adam(), rate: Double
  ) throws(TinctureError) {
    var variables: [TorchTensor] = []
    for tensor in tensors { variables.append(try tensor.requiringGradient()) }
    self.tensors = variables
    optimizer = try TorchOptimizer(rule, learningRate: rate, for: variables)
  }

  /// Does one step.
  ///
  /// - Parameter gradients: A derivative for each tensor.
  /// - Throws: `engine` when one does not fit.
  func step(_ gradients: [TorchTensor]) throws(TinctureError) {
    try optimizer.step(&tensors, gradients)
  }

  /// Writes tensors and moments down under names that begin with a key.
  func save(into snapshot: inout FitSnapshot, _ key: String) throws(TinctureError) {
    let state = try optimizer.state()
    snapshot.numbers[key + ".steps"] = state.step
    for (place, tensor) in tensors.enumerated() {
      try snapshot.set("\(key).\(place)", tensor)
      for (number, moment) in state.moments[place].enumerated() {
        try snapshot.set("\(key).\(place).moment.\(number)", moment)
      }
    }
  }

  /// Goes on from what was written down.
  func restore(from snapshot: FitSnapshot, _ key: String) throws(TinctureError) {
    var state = try optimizer.state()
    state.step = try snapshot.number(key + ".steps")
    for (place, tensor) in tensors.enumerated() {
      tensors[place] = try snapshot.tensor("\(key).\(place)", like: tensor).requiringGradient()
      for number in state.moments[place].indices {
        state.moments[place][number] = try snapshot.tensor(
          "\(key).\(place).moment.\(number)", like: tensor)
      }
    }
    try optimizer.restore(state)
  }
}

extension [TorchTensor] {
  /// Whether the sum of all elements is finite.
  func areFinite() throws(TinctureError) -> Bool {
    guard let first else { return true }
    var total = try first.sum()
    for tensor in dropFirst() { total = try total + tensor.sum() }
    return try total.item(as: Float.self).isFinite
  }

  /// The sums with other tensors, of which there may be none yet.
  func added(to others: [TorchTensor]?) throws(TinctureError) -> [TorchTensor] {
    guard let others else { return self }
    var sums: [TorchTensor] = []
    for (own, other) in zip(self, others) { sums.append(try own + other) }
    return sums
  }
}
