public import TinctureTensors
public import TinctureTorch

extension TrainableModel {
  /// An optimiser's moments by the names of what they belong to.
  ///
  /// - Parameter state: What an optimiser of ``variables`` remembers.
  /// - Returns: The moments of each variable: none, one or two.
  public func moments(of state: OptimizerState) -> [String: [TorchTensor]] {
    Dictionary(zip(trainedNames, state.moments)) { $1 }
  }

  /// An optimiser for ``variables``.
  ///
  /// - Parameters:
  ///   - rule: The rule.
  ///   - learningRate: The learning rate of the first step.
  ///   - step: The number of steps that count as done.
  ///   - moments: Moments that were carried over a change; variables without any begin with zeros. With Adam such a
  ///     variable's first steps are up to (1 − β₁) / √(1 − β₂) times as long as later ones, unless `step` is 0.
  /// - Returns: The optimiser.
  /// - Throws: `engine` when moments do not fit the variables, or memory runs out.
  public func optimizer(
    _ rule: OptimizationRule, learningRate: Double, step: Int = 0,
    carrying moments: [String: [TorchTensor]] = [:]
  ) throws(TinctureError) -> TorchOptimizer {
    let optimizer = try TorchOptimizer(rule, learningRate: learningRate, for: variables)
    guard step > 0 || !moments.isEmpty else { return optimizer }
    var state = try optimizer.state()
    state.step = step
    for (index, name) in trainedNames.enumerated() {
      if let carried = moments[name], carried.count == state.moments[index].count {
        state.moments[index] = carried
      }
    }
    try optimizer.restore(state)
    return optimizer
  }
}
