internal import TinctureCheckpoints
internal import TinctureEvaluation
internal import TinctureLinearAlgebra
public import SystemPackage
public import TinctureMerging
internal import TinctureNetworks
public import TinctureTensors
internal import TinctureTorch

/// Collects Gram matrices layer by layer behind layers that are merged already: the statistics of RegMean++.
///
/// All tensors begin as the models' average. Then, block after block in the order of the network, each model's
/// own block sees its task's examples as the merged blocks before it leave them; the Gram matrices of its linear
/// layers are collected, and the linear layers of the block are merged by RegMean before the next block's turn.
/// Merging with the written files gives the same model. Source: arXiv:2508.03121.
public struct MergedGramCollector: Sendable {
  /// How networks run, and on what.
  public var collector: StatisticsCollector
  /// What elements beside the diagonal of Gram matrices are multiplied by in merging; that of the recipe.
  public var ratio: Double

  /// Prepares to collect.
  ///
  /// - Parameters:
  ///   - collector: The suite and how its networks run; what it measures does not matter.
  ///   - ratio: What elements beside the diagonal are multiplied by.
  public init(_ collector: StatisticsCollector, ratio: Double = 0.95) {
    self.collector = collector
    self.ratio = ratio
  }

  /// Collects the statistics of all models and writes one file for each.
  ///
  /// - Parameters:
  ///   - models: A model for each task of the suite, in their order; all with the same tensors.
  ///   - folder: Where the files go, named after the tasks; made when it is not there.
  ///   - replaces: Whether files that exist are replaced.
  ///   - planned: Hears how many examples will go through networks.
  ///   - observer: Hears how many examples more are done.
  /// - Returns: What each file holds.
  /// - Throws: What ``StatisticsCollector/run(_:into:replaces:observer:)`` throws; `missingFacility` without
  ///   BLAS and LAPACK.
  /// - Complexity: One forward pass for each example and block; memory for all models and their Gram matrices.
  public func run(
    _ models: [ModelInput], into folder: FilePath, replaces: Bool = false,
    planned: (Int) -> Void = { _ in }, observer: (Int) -> Void = { _ in }
  ) throws(TinctureError) -> [StatisticsCollector.Report] {
    let start = ContinuousClock.now
    let files = try collector.files(models, in: folder, replaces: replaces)
    var state = try MergedBlocks(models, collector)
    planned(state.exampleCount * state.blocks.count)
    for block in state.blocks { try state.merge(block, ratio: ratio, collector, observer) }
    var reports: [StatisticsCollector.Report] = []
    for (index, file) in files.enumerated() {
      var metadata = try state.metadata(index, collector)
      metadata.append(("tincture.reduce_non_diagonal_ratio", "\(ratio)"))
      let found = CollectedStatistics(
        task: collector.suite.tasks[index].name, kind: .mergedGram,
        tensors: state.grams[index].sorted { $0.key < $1.key }.map { ($0.key, $0.value) },
        exampleCount: state.tasks[index].indices.count, rowCount: state.rows[index],
        metadata: metadata)
      reports.append(try collector.write(found, to: file, replaces: replaces, since: start))
    }
    return reports
  }
}

/// A merged model that grows block by block.
private struct MergedBlocks {
  /// The names of the parameters of each block with matrices, in the order of the network.
  let blocks: [Set<String>]
  /// The Gram matrices of each task so far.
  private(set) var grams: [[String: TorchTensor]]
  /// The most rows that a layer of each task saw.
  private(set) var rows: [Int]
  let tasks: [(opened: MeasuredTask, indices: [Int])]
  private let models: [ModelParameters]
  private var merged: [String: TorchTensor]

  init(_ models: [ModelInput], _ collector: StatisticsCollector) throws(TinctureError) {
    let suite = collector.suite
    var read: [ModelParameters] = []
    var tasks: [(opened: MeasuredTask, indices: [Int])] = []
    for (index, model) in models.enumerated() {
      let parameters = try ModelParameters(
        reading: model, for: suite.network, on: collector.device)
      read.append(parameters)
      let opened = try MeasuredTask(
        suite.tasks[index], of: suite, parameters.network, on: collector.device)
      tasks.append((opened, collector.examples(of: opened.count)))
    }
    self.models = read
    self.tasks = tasks
    grams = models.map { _ in [:] }
    rows = models.map { _ in 0 }
    merged = [:]
    let shapes = read.first?.network.parameterShapes ?? []
    for shape in shapes { merged[shape.name] = try Self.mean(shape.name, read) }
    let matrices = Set(shapes.filter { $0.extents.count == 2 }.map(\.name))
    blocks = Self.blocks(shapes.map(\.name)).filter { !$0.isDisjoint(with: matrices) }
  }

  var exampleCount: Int { tasks.reduce(0) { $0 + $1.indices.count } }

  private static func mean(
    _ name: String, _ models: [ModelParameters]
  ) throws(TinctureError) -> TorchTensor {
    var sum: TorchTensor?
    for model in models {
      guard let own = model.parameters.optional(name) else {
        throw TinctureError(
          .checkpoint, "Models whose layers are merged one by one need the same names.",
          at: .init(tensor: name))
      }
      sum = if let known = sum { try known + own } else { own }
    }
    guard let sum else { throw TinctureError(.internalError, "There are no models to average.") }
    return try sum / Double(models.count)
  }

  /// What stands before the layers, each layer, and what stands after them.
  private static func blocks(_ names: [String]) -> [Set<String>] {
    let layout = ModelLayout(names: names)
    var blocks: [Set<String>] = []
    var places: [String: Int] = [:]
    func order(_ name: String) -> (Int, Int) {
      switch layout.position(of: name).zone {
      case .before: (0, 0)
      case .layer(let number): (1, number)
      case .after: (2, 0)
      }
    }
    for name in names.sorted(by: { order($0) < order($1) }) {
      let key = "\(order(name)) \(layout.position(of: name).stack ?? "")"
      if let place = places[key] {
        blocks[place].insert(name)
      } else {
        places[key] = blocks.count
        blocks.append([name])
      }
    }
    return blocks
  }

  /// Collects the Gram matrices of a block and merges its linear layers.
  mutating func merge(
    _ block: Set<String>, ratio: Double, _ collector: StatisticsCollector,
    _ observer: (Int) -> Void
  ) throws(TinctureError) {
    var linear: [String: Bool] = [:]
    for (index, task) in tasks.enumerated() {
      var own: [String: TorchTensor] = [:]
      for name in block { own[name] = try models[index].parameters(name) }
      let tally = GramTally { block.contains($0.weight) && $0.layer.isLinear }
      try collector.pass(
        task.indices, of: task.opened, Parameters(merged.merging(own) { $1 }), tally, observer)
      for mean in try tally.means() {
        grams[index][mean.weight] = mean.values
        rows[index] = max(rows[index], mean.rows)
        linear[mean.weight] = mean.isInputMajor
      }
    }
    for (name, isInputMajor) in linear.sorted(by: { $0.key < $1.key }) {
      merged[name] = try solved(name, ratio: ratio, isInputMajor: isInputMajor, collector)
    }
  }

  /// A linear layer merged by RegMean, with what every model counts the same.
  private func solved(
    _ name: String, ratio: Double, isInputMajor: Bool, _ collector: StatisticsCollector
  ) throws(TinctureError) -> TorchTensor {
    let algebra = try Backend.shared
    let mean = try matrix(merged[name], rows: nil)
    let width = isInputMajor ? mean.rows : mean.columns
    var sum = GramSum(extent: width)
    var right = Matrix<Double>(rows: isInputMajor ? mean.columns : mean.rows, columns: width)
    for (index, model) in models.enumerated() {
      var gram = try matrix(grams[index][name], rows: width)
      _ = sum.add(symmetrizing: &gram, times: 1, scalingOffDiagonal: ratio)
      var distance = try matrix(model.parameters(name), rows: mean.rows)
      distance.add(mean, times: -1)
      try algebra.multiply(
        distance, gram, transposing: isInputMajor ? .first : [], into: &right)
    }
    var system = sum.take()
    var result = try algebra.solve(
      gram: &system, rows: right, jitter: 1e-6, tolerance: 1e-6)
    if isInputMajor { result = result.transposed() }
    result.add(mean)
    return try TorchTensor(
      result.array.map { Float($0) }, shape: [result.rows, result.columns], on: collector.device)
  }

  private func matrix(_ tensor: TorchTensor?, rows: Int?) throws(TinctureError) -> Matrix<Double> {
    guard let tensor, tensor.rank == 2, rows == nil || rows == tensor.shape[0] else {
      throw TinctureError(.internalError, "A linear layer has no matrix.")
    }
    return Matrix(
      rows: tensor.shape[0], columns: tensor.shape[1], try tensor.array(as: Double.self))
  }

  func metadata(
    _ index: Int, _ collector: StatisticsCollector
  ) throws(TinctureError) -> [(key: String, value: String)] {
    let task = tasks[index]
    return try collector.metadata(
      models[index], collector.suite.tasks[index], task.opened, task.indices, .mergedGram)
  }
}

extension LayerInput.Layer {
  /// Whether this is a linear layer.
  fileprivate var isLinear: Bool { if case .linear = self { true } else { false } }
}
