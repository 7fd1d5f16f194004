package import TinctureCheckpoints
internal import TinctureData
internal import TinctureEvaluation
package import TinctureMerging
package import TinctureNetworks
package import TinctureTensors
package import TinctureTorch

/// How perceptrons are mixed.
package struct PerceptronSettings: Sendable, Hashable {
  /// λ of all tensors outside of perceptrons.
  package var scale: Float = 0.3
  /// With what every vector of a perceptron is mixed at first.
  package var start: Float = 0.3
  /// The share of each vector's elements that is kept, the largest.
  package var density = 1.0
  /// Whether all blocks have the same router.
  package var sharesRouter = false
  /// The step size of Adam.
  package var rate = 1e-4
  /// The seed of first values.
  package var seed: UInt64 = 0

  /// The settings of weight-ensembling mixtures of experts.
  package init() {}
}

/// A merge θ₀ + λ Σ τ whose perceptrons are θ₀ + Σ wₜ(x) τₜ, with routers w that are learned.
///
/// The routers' parameters are the leaves. In memory are the merged model and the task vectors of all perceptrons.
package final class PerceptronMerge: LearnableMerge {
  /// The perceptrons.
  package let perceptrons: [Perceptron]
  private let vectors: TaskVectorSet
  private let settings: PerceptronSettings
  private let device: TorchDevice
  private let tensors: [TorchTensor]
  /// The task vectors of each tensor of a perceptron, [T, n].
  private let stacks: [String: FloatMemory]
  private let stacked: [String: TorchTensor]
  private let roles: [(role: String, extents: [Int])]
  private var leaves: [TorchTensor]
  private var gradient: [TorchTensor?]
  private let optimizer: TorchOptimizer

  /// Begins with routers that give the start to every vector, nearly.
  ///
  /// Weights are normal numbers with the deviation 0.01, biases zero, those of the last layer the start.
  ///
  /// - Parameters:
  ///   - vectors: The base and the task vectors.
  ///   - network: The network, with perceptrons of one width.
  ///   - settings: How perceptrons are mixed.
  ///   - device: Where tensors shall lie.
  /// - Throws: What reading throws; `checkpoint` when a perceptron is not merged.
  package init(
    _ vectors: TaskVectorSet, of network: any PerceptronNetwork, _ settings: PerceptronSettings,
    on device: TorchDevice
  ) throws(TinctureError) {
    perceptrons = network.perceptrons
    (self.vectors, self.settings, self.device) = (vectors, settings, device)
    let wanted = Set(perceptrons.flatMap { $0.parameters.map(\.name) })
    let known = Set(vectors.tensors.map(\.name))
    if let lost = wanted.subtracting(known).min() {
      throw TinctureError(
        .checkpoint, "The perceptrons' tensors must be merged, but this one is merely copied.",
        at: .init(tensor: lost))
    }
    let table = CoefficientTable(
      .task, tensors: vectors.tensors,
      starts: Array(repeating: settings.scale, count: vectors.taskCount), link: .identity)
    var tensors: [TorchTensor] = []
    var stacks: [String: FloatMemory] = [:]
    var stacked: [String: TorchTensor] = [:]
    for (index, tensor) in vectors.tensors.enumerated() {
      guard wanted.contains(tensor.name) else {
        let values = try vectors.merged(index, table)
        tensors.append(try values.tensor(tensor.extents, on: device))
        continue
      }
      tensors.append(try vectors.base[index].tensor(tensor.extents, on: device))
      let stack = try Self.stack(vectors, index, density: settings.density)
      stacks[tensor.name] = stack
      stacked[tensor.name] = try stack.tensor(
        [vectors.taskCount, tensor.elementCount], on: device)
    }
    (self.tensors, self.stacks, self.stacked) = (tensors, stacks, stacked)
    let width = perceptrons.first?.width ?? 0
    roles = PerceptronRouter.shapes(width: width, tasks: vectors.taskCount)
    var leaves: [TorchTensor] = []
    for router in 0..<(settings.sharesRouter ? 1 : perceptrons.count) {
      for (role, extents) in roles {
        let values: TorchTensor
        if extents.count == 2 {
          let random = CounterRandom(
            seed: settings.seed, tensor: role, model: router, purpose: "router")
          values = try .normal(extents, random, deviation: 0.01, on: device)
        } else {
          values = try .full(
            extents, role == "layers.1.bias" ? Double(settings.start) : 0, on: device)
        }
        leaves.append(try values.requiringGradient())
      }
    }
    self.leaves = leaves
    gradient = Array(repeating: nil, count: leaves.count)
    optimizer = try TorchOptimizer(.adam(), learningRate: settings.rate, for: leaves)
  }

  /// The task vectors of a tensor one after another, each trimmed to its largest elements.
  private static func stack(
    _ vectors: TaskVectorSet, _ index: Int, density: Double
  ) throws(TinctureError) -> FloatMemory {
    let count = vectors.tensors[index].elementCount
    let stack = FloatMemory(zeros: count * vectors.taskCount)
    for task in 0..<vectors.taskCount {
      var values = [Float](repeating: 0, count: count)
      try vectors.forEachBlock(index, tasks: [task]) { (start, _, elements) in
        var span = values.mutableSpan
        var target = span._mutatingExtracting(start..<start + elements.count)
        Kernels.copy(elements, to: &target)
      }
      if density < 1 { ExpertCompression.keepLargest(&values, share: density) }
      stack.fill(task * count..<(task + 1) * count) { Kernels.copy(values.span, to: &$0) }
    }
    return stack
  }

  private var places: [String: Int] {
    let places = perceptrons.enumerated().map { ($1.module, settings.sharesRouter ? 0 : $0) }
    return Dictionary(places, uniquingKeysWith: { first, _ in first })
  }

  private func router(averages: Bool, _ record: WeightRecord? = nil) -> PerceptronRouter {
    let routers = stride(from: 0, to: leaves.count, by: roles.count).map { start in
      let tensors = zip(roles, leaves[start...]).map { ($0.role, $1) }
      return Parameters(Dictionary(tensors, uniquingKeysWith: { $1 }))
    }
    return PerceptronRouter(
      routers, places: places, perceptrons, vectors: stacked, averages: averages, record: record)
  }

  package func assemble() throws(TinctureError) -> MergedTensors {
    MergedTensors(tensors: tensors, leaves: leaves, router: router(averages: true))
  }

  package func accumulate(_ gradients: [TorchTensor]) throws(TinctureError) -> Bool {
    for own in gradients where !(try own.isFiniteEverywhere()) { return false }
    for (index, own) in gradients.enumerated() {
      gradient[index] = if let sum = gradient[index] { try sum + own } else { own }
    }
    return true
  }

  package func step(_ step: Int, of count: Int) throws(TinctureError) {
    let found = gradient.compactMap(\.self)
    guard found.count == leaves.count else { return }
    try optimizer.step(&leaves, found)
    gradient = Array(repeating: nil, count: leaves.count)
  }

  package var coefficientRange: ClosedRange<Double>? { nil }

  package func save(into snapshot: inout FitSnapshot) throws(TinctureError) {
    try snapshot.set("routers", leaves, optimizer)
  }

  package func restore(from snapshot: FitSnapshot) throws(TinctureError) {
    leaves = try snapshot.variables("routers", like: leaves, optimizer)
  }

  /// The mean weights that the inputs of each task get in each perceptron, [tasks, perceptrons, tasks].
  ///
  /// - Parameters:
  ///   - problem: The tasks.
  ///   - limit: How many examples of each task are seen at most, in a seeded order.
  ///   - interruption: Stops when raised.
  /// - Returns: The means, task after task.
  /// - Throws: What the forward passes throw.
  package func meanWeights(
    _ problem: LearningProblem, limit: Int, _ interruption: Interruption
  ) throws(TinctureError) -> [Float] {
    var named = try problem.constantTensors()
    for (tensor, values) in zip(vectors.tensors, tensors) { named[tensor.name] = values }
    var means: [Float] = []
    for task in try problem.tasks(needsLabels: false) {
      let record = WeightRecord()
      let parameters = Parameters(named).routed(through: router(averages: false, record))
      let order = BatchOrder(count: task.count, batchSize: 1, seed: settings.seed).order()
      let chosen = Array(order.prefix(limit))
      for start in stride(from: 0, to: chosen.count, by: 16) {
        try interruption.check()
        let batch = Array(chosen[start..<min(start + 16, chosen.count)])
        try withoutGradients { () throws(TinctureError) in
          try problem.precision.scope { () throws(TinctureError) in
            _ = try task.features(of: batch, parameters)
          }
        }
      }
      for perceptron in perceptrons { means += record.means(perceptron.module) }
    }
    return means
  }

  /// Puts routers and vectors into a mixture.
  ///
  /// - Parameters:
  ///   - writer: The mixture.
  ///   - dtype: The type of what is stored of the vectors.
  /// - Throws: `engine` when LibTorch fails.
  package func add(to writer: inout MixtureWriter, _ dtype: DType) throws(TinctureError) {
    for tensor in vectors.tensors {
      guard let stack = stacks[tensor.name], let shape = Shape(tensor.extents) else { continue }
      let count = tensor.elementCount
      for task in 0..<vectors.taskCount {
        let vector = stack.withSpan(task * count..<(task + 1) * count) {
          settings.density < 1
            ? PackedVector.sparse($0, shape: shape, dtype: dtype)
            : .dense($0, shape: shape, dtype: dtype)
        }
        writer.add(vector, of: task, for: tensor.name)
      }
    }
    let modules = perceptrons.map(\.module)
    for router in 0..<leaves.count / roles.count {
      var tensors: [(role: String, shape: Shape, values: [Float])] = []
      for ((role, extents), leaf) in zip(roles, leaves[(router * roles.count)...]) {
        guard let shape = Shape(extents) else { continue }
        tensors.append((role, shape, try leaf.detached().array(as: Float.self)))
      }
      writer.addRouter(settings.sharesRouter ? modules : [modules[router]], tensors)
    }
  }
}
