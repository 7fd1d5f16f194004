internal import TinctureEvaluation
internal import TinctureNetworks
internal import TinctureTensors
internal import TinctureTorch

/// Sums squared derivatives of log-likelihoods, for each parameter of a network.
struct FisherTally {
  private let names: [String]
  private let leaves: [TorchTensor]
  private let parameters: Parameters
  private let variant: FisherVariant
  private let seed: UInt64
  private var sums: [TorchTensor]
  private var exampleCount = 0

  /// Prepares the parameters of a model.
  init(
    _ model: ModelParameters, _ variant: FisherVariant, seed: UInt64
  ) throws(TinctureError) {
    names = model.network.parameterShapes.map(\.name)
    var leaves: [TorchTensor] = []
    var sums: [TorchTensor] = []
    for name in names {
      let leaf = try model.parameters(name).requiringGradient()
      leaves.append(leaf)
      sums.append(try .zeros(leaf.shape, dtype: .f64))
    }
    self.leaves = leaves
    self.sums = sums
    parameters = Parameters(Dictionary(zip(names, leaves), uniquingKeysWith: { first, _ in first }))
    self.variant = variant
    self.seed = seed
  }

  /// Adds some examples.
  ///
  /// - Parameters:
  ///   - indices: The examples.
  ///   - task: The task.
  ///   - done: Called after each example or batch with how many examples it was.
  /// - Throws: `recipe` when the variant does not fit the task, and what `done` and the passes throw.
  mutating func add(
    _ indices: [Int], of task: MeasuredTask, _ done: (Int) throws(TinctureError) -> Void
  ) throws(TinctureError) {
    if variant == .batch {
      let logs = try task.outputs(of: indices, parameters).logSoftmax()
      let weights = try logs.exp().sqrt().detached()
      try add(squares(of: (weights * logs).sum()))
      try done(indices.count)
    } else {
      for index in indices {
        try addExample(index, of: task)
        try done(1)
      }
    }
    exampleCount += indices.count
  }

  private mutating func addExample(_ index: Int, of task: MeasuredTask) throws(TinctureError) {
    let output = try task.outputs(of: [index], parameters)
    guard task.outputs == .scores else {
      // A number is the mean of a normal distribution of variance one; a text's first column is −log p.
      return try add(squares(of: output.select(0, along: 1).sum()))
    }
    let logs = try output.logSoftmax()
    let shares = try logs.exp().array(as: Double.self)
    let weights = variant == .exact ? shares : draw(shares, index)
    let classes = weights.indices.filter { weights[$0] > 0 }
    var total: [TorchTensor]?
    for label in classes {
      let found = try squares(
        of: logs.select(label, along: 1).sum(), keepingGraph: label != classes.last)
      var sum: [TorchTensor] = []
      for (place, square) in found.enumerated() {
        if let total {
          sum.append(try total[place].sum(with: square, times: weights[label]))
        } else {
          sum.append(try square * weights[label])
        }
      }
      total = sum
    }
    try add(total ?? [])
  }

  /// How often each class is drawn, divided by the number of draws.
  private func draw(_ shares: [Double], _ example: Int) -> [Double] {
    guard case .sampled(let draws) = variant else { return shares }
    let random = CounterRandom(seed: seed, tensor: "", model: example, purpose: "Fisher labels")
    let total = shares.reduce(0, +)
    var counts = [Double](repeating: 0, count: shares.count)
    for number in 0..<draws {
      var rest = random.uniform(at: number) * total
      let label = shares.firstIndex { share in
        rest -= share
        return rest < 0
      }
      counts[label ?? shares.count - 1] += 1 / Double(draws)
    }
    return counts
  }

  /// The squares of the derivative of a number.
  private func squares(
    of loss: TorchTensor, keepingGraph: Bool = false
  ) throws(TinctureError) -> [TorchTensor] {
    var squares: [TorchTensor] = []
    for gradient in try gradients(of: loss, withRespectTo: leaves, keepingGraph: keepingGraph) {
      squares.append(try gradient * gradient)
    }
    return squares
  }

  private mutating func add(_ squares: [TorchTensor]) throws(TinctureError) {
    for (place, square) in squares.enumerated() {
      sums[place] = try sums[place] + square.moved(to: .cpu).converted(to: .f64)
    }
  }

  /// The means over the examples so far, by the names of the parameters.
  func means() throws(TinctureError) -> [(name: String, values: TorchTensor)] {
    var means: [(name: String, values: TorchTensor)] = []
    for (name, sum) in zip(names, sums) {
      means.append((name, try (sum / Double(max(1, exampleCount))).converted(to: .f32)))
    }
    return means.sorted { $0.name < $1.name }
  }
}
