package import TinctureMerging
package import TinctureTensors
package import TinctureTorch

/// A merge θ = θ₀ + Σ λ τ whose coefficients are learned.
///
/// The merged tensors are the leaves: their derivatives G are dense, and ∂loss/∂λ = ⟨G, τ⟩ follows by one pass
/// over the task vectors.
package final class CoefficientMerge: CoefficientLearning {
  /// The base and the task vectors.
  package let vectors: TaskVectorSet
  /// The coefficients.
  package private(set) var table: CoefficientTable
  private let settings: CoefficientSettings
  private let device: TorchDevice
  private var optimizer: CoefficientOptimizer
  private var gradient: [Float]
  private let begun: [Float]
  private var kept: [Float]?

  /// Begins with the coefficients of the settings.
  ///
  /// - Parameters:
  ///   - vectors: The base and the task vectors.
  ///   - settings: How coefficients move.
  ///   - chunkCounts: How many chunks or parts each tensor has, in place of the settings' number; 0 learns
  ///     nothing for it.
  ///   - device: Where merged tensors shall lie.
  package init(
    _ vectors: TaskVectorSet, _ settings: CoefficientSettings, chunkCounts: [Int]? = nil,
    on device: TorchDevice
  ) {
    self.vectors = vectors
    self.settings = settings
    self.device = device
    let starts =
      settings.starts.count == vectors.taskCount
      ? settings.starts
      : Array(repeating: settings.starts.first ?? 0, count: vectors.taskCount)
    table = CoefficientTable(
      settings.granularity, tensors: vectors.tensors, starts: starts, link: settings.link,
      chunkCounts: chunkCounts ?? vectors.tensors.map { _ in settings.chunks },
      seed: settings.seed)
    optimizer = CoefficientOptimizer(count: table.raw.count, learningRate: settings.rate)
    optimizer.rule = settings.rule
    optimizer.decay = settings.decay
    gradient = Array(repeating: 0, count: table.raw.count)
    begun = table.raw
  }

  package func assemble() throws(TinctureError) -> MergedTensors {
    try vectors.assemble(table, on: device)
  }

  /// The merged tensors by name, in memory.
  ///
  /// - Throws: What reading throws.
  package func readers() throws(TinctureError) -> [String: any TensorReader] {
    let (vectors, table) = (vectors, table)
    return try MergedModel.readers(vectors) { (index) throws(TinctureError) in
      try vectors.merged(index, table)
    }
  }

  package func accumulate(_ gradients: [TorchTensor]) throws(TinctureError) -> Bool {
    guard let products = try vectors.products(gradients, table) else { return false }
    for (index, value) in table.gradient(products).enumerated() { gradient[index] += value }
    return true
  }

  package func step(_ step: Int, of count: Int) throws(TinctureError) {
    addAnchoring()
    addPenalty()
    if let limit = settings.largestGradient {
      let length = gradient.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
      if length > limit {
        let factor = Float(limit / (length + 1e-6))
        for index in gradient.indices { gradient[index] *= factor }
      }
    }
    optimizer.learningRate = settings.rate * settings.schedule.factor(step, of: count)
    optimizer.step(&table.raw, gradient)
    for index in gradient.indices { gradient[index] = 0 }
  }

  private func addAnchoring() {
    guard settings.anchoring > 0 else { return }
    for index in gradient.indices {
      let difference = table.raw[index] - begun[index]
      let sign: Float = difference > 0 ? 1 : difference < 0 ? -1 : 0
      gradient[index] +=
        sign * table.link.slope(table.raw[index]) * Float(settings.anchoring)
        / Float(gradient.count)
    }
  }

  private func addPenalty() {
    guard let penalty = settings.penalty else { return }
    let slopes = table.normSlopes(exponent: penalty.exponent)
    for index in gradient.indices { gradient[index] += Float(penalty.weight) * slopes[index] }
  }

  package func keep() { kept = table.raw }

  package func takeKept() { if let kept { table.raw = kept } }

  package func save(into snapshot: inout FitSnapshot) throws(TinctureError) {
    snapshot.set("coefficients", table.raw)
    snapshot.set("coefficients.first", optimizer.first)
    snapshot.set("coefficients.second", optimizer.second)
    snapshot.set("coefficients.gradient", gradient)
    snapshot.set("coefficients.kept", kept ?? [])
    snapshot.numbers["coefficients.steps"] = optimizer.steps
    snapshot.numbers["coefficients.kept"] = kept == nil ? 0 : 1
  }

  package func restore(from snapshot: FitSnapshot) throws(TinctureError) {
    table.raw = try snapshot.floats("coefficients", count: table.raw.count)
    gradient = try snapshot.floats("coefficients.gradient", count: gradient.count)
    let hasKept = try snapshot.number("coefficients.kept") == 1
    let values = try snapshot.floats("coefficients.kept", count: hasKept ? gradient.count : 0)
    kept = hasKept ? values : nil
    optimizer.restore(
      first: try snapshot.doubles("coefficients.first", count: table.raw.count),
      second: try snapshot.doubles("coefficients.second", count: table.raw.count),
      steps: try snapshot.number("coefficients.steps"))
  }
}
