internal import TinctureEvaluation
internal import TinctureNetworks
internal import TinctureTensors
internal import TinctureTorch

/// A router of features in the middle of being learned.
///
/// Weights and biases of layers begin uniform in ±1/√inputs, normalisations with 1 and 0.
struct RouterState {
  private let learnedRoles: [(role: String, extents: [Int])]
  private let countedRoles: [(role: String, extents: [Int])]
  private var learned: [TorchTensor]
  private var counted: [TorchTensor]
  private let optimizer: TorchOptimizer
  private let function: TaskRouter.Function
  /// How many steps were tried, which keys what is dropped.
  private var steps = 0

  /// Begins.
  init(
    width: Int, tasks: Int, _ settings: TaskRouterSettings, on device: TorchDevice
  ) throws(TinctureError) {
    let shapes = TaskRouter.shapes(
      width: width, hidden: settings.hidden ?? 2 * width, tasks: tasks)
    (learnedRoles, countedRoles) = (shapes.learned, shapes.counted)
    function = settings.function
    var learned: [TorchTensor] = []
    var bound = 0.0
    for (role, extents) in shapes.learned {
      if role.hasPrefix("norms") {
        learned.append(
          try .full(extents, role.hasSuffix("weight") ? 1 : 0, on: device).requiringGradient())
        continue
      }
      if extents.count == 2 { bound = 1 / Double(extents[1]).squareRoot() }
      let random = CounterRandom(seed: settings.seed, tensor: role, purpose: "router")
      let values = try TorchTensor.uniform(extents, random, low: -bound, high: bound, on: device)
      learned.append(try values.requiringGradient())
    }
    self.learned = learned
    var counted: [TorchTensor] = []
    for (role, extents) in shapes.counted {
      counted.append(try .full(extents, role.hasSuffix("running_var") ? 1 : 0, on: device))
    }
    self.counted = counted
    optimizer = try TorchOptimizer(.adam(), learningRate: settings.rate, for: learned)
  }

  /// The router as it is.
  var router: TaskRouter {
    let names = learnedRoles.map(\.role) + countedRoles.map(\.role)
    let tensors = Dictionary(zip(names, learned + counted), uniquingKeysWith: { $1 })
    return TaskRouter(Parameters(tensors), function)
  }

  /// Does a step.
  ///
  /// - Parameters:
  ///   - features: The features of a batch.
  ///   - labels: The number of each one's task.
  ///   - settings: How the router is learned.
  /// - Returns: The loss of each example; nil when the loss or a derivative is not finite and nothing has changed.
  /// - Throws: `engine` when LibTorch fails.
  mutating func step(
    _ features: TorchTensor, _ labels: [Int], _ settings: TaskRouterSettings
  ) throws(TinctureError) -> [Float]? {
    let number = steps
    steps += 1
    let (scores, means) = try router.train(features) { (x, layer) throws(TinctureError) in
      guard settings.dropout > 0 else { return x }
      let random = CounterRandom(
        seed: settings.seed, tensor: "\(layer)", model: number, purpose: "dropout")
      return try x.dropout(settings.dropout, random, from: 0)
    }
    let places = try TorchTensor(labels, on: scores.device).unsqueezed(at: 1)
    let own = try scores.logSoftmax().gathered(at: places, along: 1) * -1
    let losses = try own.detached().array(as: Float.self)
    guard losses.allSatisfy(\.isFinite) else { return nil }
    let found = try gradients(of: own.mean(), withRespectTo: learned)
    for gradient in found where !(try gradient.isFiniteEverywhere()) { return nil }
    try optimizer.step(&learned, found)
    counted = countedRoles.indices.map { means[countedRoles[$0].role] ?? counted[$0] }
    return losses
  }

  /// All tensors by role.
  func stored() throws(TinctureError) -> [(role: String, shape: Shape, values: [Float])] {
    var result: [(role: String, shape: Shape, values: [Float])] = []
    for ((role, extents), tensor) in zip(learnedRoles + countedRoles, learned + counted) {
      guard let shape = Shape(extents) else { continue }
      result.append((role, shape, try tensor.detached().array(as: Float.self)))
    }
    return result
  }

  /// Writes down what later steps depend on.
  func save(into snapshot: inout FitSnapshot) throws(TinctureError) {
    snapshot.numbers["router.steps"] = steps
    try snapshot.set("router", learned, optimizer)
    for ((role, _), tensor) in zip(countedRoles, counted) { try snapshot.set(role, tensor) }
  }

  /// Goes on from what was written down.
  mutating func restore(from snapshot: FitSnapshot) throws(TinctureError) {
    steps = try snapshot.number("router.steps")
    learned = try snapshot.variables("router", like: learned, optimizer)
    var found: [TorchTensor] = []
    for ((role, _), tensor) in zip(countedRoles, counted) {
      found.append(try snapshot.tensor(role, like: tensor))
    }
    counted = found
  }
}

extension TorchTensor {
  /// Whether every element is finite.
  func isFiniteEverywhere() throws(TinctureError) -> Bool {
    try detached().isFinite().all().item(as: Bool.self)
  }
}

extension FitSnapshot {
  /// Puts variables and what their optimiser remembers in.
  mutating func set(
    _ name: String, _ variables: [TorchTensor], _ optimizer: TorchOptimizer
  ) throws(TinctureError) {
    for (place, tensor) in variables.enumerated() { try set("\(name).\(place)", tensor) }
    let state = try optimizer.state()
    numbers[name + ".optimizer"] = state.step
    for (place, moments) in state.moments.enumerated() {
      for (number, moment) in moments.enumerated() {
        try set("\(name).moment.\(place).\(number)", moment)
      }
    }
  }

  /// Takes variables out, and restores their optimiser, which is Adam.
  func variables(
    _ name: String, like others: [TorchTensor], _ optimizer: TorchOptimizer
  ) throws(TinctureError) -> [TorchTensor] {
    var variables: [TorchTensor] = []
    var moments: [[TorchTensor]] = []
    for (place, other) in others.enumerated() {
      variables.append(try tensor("\(name).\(place)", like: other).requiringGradient())
      var own: [TorchTensor] = []
      for number in 0..<2 {
        own.append(try tensor("\(name).moment.\(place).\(number)", like: other))
      }
      moments.append(own)
    }
    try optimizer.restore(OptimizerState(step: number(name + ".optimizer"), moments: moments))
    return variables
  }
}
