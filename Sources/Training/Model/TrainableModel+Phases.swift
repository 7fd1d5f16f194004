internal import TinctureNetworks
public import TinctureTensors
public import TinctureTorch

extension TrainableModel {
  /// Puts dense tensors into the form of a phase.
  ///
  /// - Parameters:
  ///   - dense: The tensors of the network, and what is trained beside it, under full names.
  ///   - plan: What each of them is in the phase. Tensors that it does not know are trained.
  ///   - seed: The seed of factors that begin at random.
  ///   - phase: The number of the phase, which makes their numbers others than those of earlier phases.
  /// - Throws: `checkpoint` for a missing weight, `engine` when LibTorch fails.
  public init(
    _ dense: [String: TorchTensor], in plan: PhasePlan, seed: UInt64, phase: Int = 0
  ) throws(TinctureError) {
    try self.init(trained: [:], fixed: dense)
    var moments: [String: [TorchTensor]] = [:]
    try change(to: plan, phase: phase, seed: seed, moments: &moments)
    for (name, tensor) in fixed
    where tensor.isFloating && !plan.fixed.contains(name) && layers[name] == nil {
      try train(name, tensor)
    }
  }

  /// Changes the form of layers, so that the network computes what it did.
  ///
  /// Each layer is folded to its dense weight, from which the tensors of its new form are made; the old ones are given
  /// up before the next layer's turn. Layers whose form stays keep their tensors. The function stays the same up to
  /// rounding, but where a plan cuts dense weights to factors (`startsFromWeight`).
  ///
  /// - Parameters:
  ///   - plan: What each tensor is in the next phase. Tensors that it does not know stay what they are.
  ///   - phase: The number of the next phase.
  ///   - seed: The seed of factors that begin at random.
  ///   - momentum: What becomes of the optimiser's moments.
  ///   - statistics: What becomes of what normalisations have counted.
  ///   - moments: The moments of what is trained, by name, as an optimiser has them; after the change those with which
  ///     the next optimiser goes on. What has none begins with zeros.
  /// - Throws: `checkpoint` for a missing weight, `engine` when LibTorch fails, or what a decomposition throws; the
  ///   model is then of no use.
  public mutating func change(
    to plan: PhasePlan, phase: Int, seed: UInt64, momentum: MomentumRule = .reset,
    statistics: StatisticsRule = .copied, moments: inout [String: [TorchTensor]]
  ) throws(TinctureError) {
    if momentum == .reset { moments = [:] }
    for name in Set(layers.keys).union(plan.layers.keys).sorted() {
      let (old, new) = (layers[name], plan.layers[name])
      if let old, let new, AnyHashable(old) == AnyHashable(new) { continue }
      let random = CounterRandom(seed: seed, tensor: name, model: phase, purpose: "factors")
      let (weight, moment) = try withoutGradients { () throws(TinctureError) in
        try takeDense(name, &moments)
      }
      try put(name, weight, moment, plan, random, &moments)
    }
    for name in plan.fixed {
      guard let tensor = removeTrained(name) else { continue }
      keep([name: try tensor.detached()])
      moments[name] = nil
    }
    for name in plan.trained where trained[name] == nil {
      guard let tensor = fixed[name] else { continue }
      try train(name, tensor)
    }
    guard statistics == .restarted else { return }
    for (name, tensor) in fixed {
      for (ending, value) in [("running_mean", 0.0), ("running_var", 1.0)]
      where name.hasSuffix(ending) {
        keep([name: try .full(tensor.shape, value, on: tensor.device)])
      }
    }
  }

  /// Takes a layer out of the model: its dense weight, and the moments of that.
  private mutating func takeDense(
    _ name: String, _ moments: inout [String: [TorchTensor]]
  ) throws(TinctureError) -> (weight: TorchTensor, moments: [TorchTensor]) {
    guard let layer = layers[name] else {
      guard let weight = removeTrained(name) ?? removeFixed(name) else {
        throw TinctureError(
          .checkpoint, "The model has no such weight, which the phase changes.",
          at: .init(tensor: name))
      }
      return (try weight.detached(), moments.removeValue(forKey: name) ?? [])
    }
    let own = Parameters(trained.merging(fixed) { own, _ in own })
    let weight = try layer.folded(own).detached()
    var gathered: [TorchTensor] = []
    if let factored = layer as? any FactoredLayer {
      let found = factored.factorNames.compactMap { moments[$0] }
      if found.count == factored.factorNames.count {
        gathered = try factored.gathered(found, factored.factors(own))
      }
    }
    for shape in layer.trainedShapes + layer.fixedShapes {
      _ = removeTrained(shape.name)
      _ = removeFixed(shape.name)
      moments[shape.name] = nil
    }
    setLayer(name, nil)
    return (weight, gathered)
  }

  /// Puts a layer into the model in its new form.
  private mutating func put(
    _ name: String, _ weight: TorchTensor, _ moment: [TorchTensor], _ plan: PhasePlan,
    _ random: CounterRandom, _ moments: inout [String: [TorchTensor]]
  ) throws(TinctureError) {
    guard let layer = plan.layers[name] else {
      if plan.fixed.contains(name) {
        keep([name: weight])
      } else {
        try train(name, weight)
        if !moment.isEmpty { moments[name] = moment }
      }
      return
    }
    let tensors = try layer.tensors(from: weight, random)
    for shape in layer.trainedShapes {
      guard let tensor = tensors[shape.name] else { continue }
      try train(shape.name, tensor)
    }
    for shape in layer.fixedShapes {
      guard let tensor = tensors[shape.name] else { continue }
      keep([shape.name: tensor])
    }
    setLayer(name, layer)
    guard !moment.isEmpty, let factored = layer as? any FactoredLayer, !(layer is AdaptorLayer)
    else { return }
    let factors = factored.factorNames.compactMap { tensors[$0] }
    for (factor, own) in zip(factored.factorNames, try factored.spread(moment, factors)) {
      moments[factor] = own
    }
  }
}
