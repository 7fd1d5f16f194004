internal import Synchronization
package import TinctureTensors
package import TinctureTorch

/// A merge θ = θ₀ + Σ λ τ whose coefficients are learned.
///
/// The merged tensors are the leaves: their derivatives G are dense, and ∂loss/∂λ = ⟨G, τ⟩ follows by one pass
/// over the task vectors.
package final class CoefficientMerge: LearnableMerge {
  /// The base and the task vectors.
  package let vectors: TaskVectorSet
  /// The coefficients.
  package private(set) var table: CoefficientTable
  private let settings: CoefficientSettings
  private let device: TorchDevice
  private var optimizer: CoefficientOptimizer
  private var gradient: [Float]
  private let begun: [Float]

  /// Begins with the coefficients of the settings.
  ///
  /// - Parameters:
  ///   - vectors: The base and the task vectors.
  ///   - settings: How coefficients move.
  ///   - chunkCounts: How many chunks each tensor has, in place of the settings' number.
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
      chunkCounts: chunkCounts ?? vectors.tensors.map { _ in settings.chunks })
    optimizer = CoefficientOptimizer(count: table.raw.count, learningRate: settings.rate)
    optimizer.rule = settings.rule
    optimizer.decay = settings.decay
    gradient = Array(repeating: 0, count: table.raw.count)
    begun = table.raw
  }

  package func assemble() throws(TinctureError) -> MergedTensors {
    let (vectors, table) = (vectors, table)
    let merged = Mutex<[FloatMemory?]>(Array(repeating: nil, count: vectors.tensors.count))
    try inParallel(vectors.tensors.count, workers: vectors.workers) {
      (index) throws(TinctureError) in
      let values = try vectors.merged(index, table)
      merged.withLock { $0[index] = values }
    }
    var tensors: [TorchTensor] = []
    for (index, values) in merged.withLock({ $0 }).enumerated() {
      guard let values else { continue }
      tensors.append(
        try values.tensor(vectors.tensors[index].extents, on: device).requiringGradient())
    }
    return MergedTensors(tensors: tensors, leaves: tensors)
  }

  package func accumulate(_ gradients: [TorchTensor]) throws(TinctureError) -> Bool {
    let (vectors, table) = (vectors, table)
    let products = Mutex<[[Double]]>(Array(repeating: [], count: gradients.count))
    try inParallel(gradients.count, workers: vectors.workers) { (index) throws(TinctureError) in
      var own: Result<[Double], TinctureError> = .success([])
      try gradients[index].withBytes(as: .f32) { bytes in
        own = Result { () throws(TinctureError) in
          try vectors.products(index, bytes.bindMemory(to: Float.self).span, table)
        }
      }
      let found = try own.get()
      products.withLock { $0[index] = found }
    }
    let found = products.withLock { $0 }
    guard found.allSatisfy({ $0.allSatisfy(\.isFinite) }) else { return false }
    for (index, value) in table.gradient(found).enumerated() { gradient[index] += value }
    return true
  }

  package func step(_ step: Int, of count: Int) throws(TinctureError) {
    if settings.anchoring > 0 {
      for index in gradient.indices {
        let difference = table.raw[index] - begun[index]
        let sign: Float = difference > 0 ? 1 : difference < 0 ? -1 : 0
        gradient[index] +=
          sign * table.link.slope(table.raw[index]) * Float(settings.anchoring)
          / Float(gradient.count)
      }
    }
    optimizer.learningRate = settings.rate * settings.schedule.factor(step, of: count)
    optimizer.step(&table.raw, gradient)
    for index in gradient.indices { gradient[index] = 0 }
  }

  package var coefficientRange: ClosedRange<Double>? {
    let values = table.raw.map { Double(table.link.coefficient($0)) }
    guard let least = values.min(), let greatest = values.max() else { return nil }
    return least...greatest
  }

  package func save(into snapshot: inout FitSnapshot) throws(TinctureError) {
    snapshot.set("coefficients", table.raw)
    snapshot.set("coefficients.first", optimizer.first)
    snapshot.set("coefficients.second", optimizer.second)
    snapshot.numbers["coefficients.steps"] = optimizer.steps
  }

  package func restore(from snapshot: FitSnapshot) throws(TinctureError) {
    table.raw = try snapshot.floats("coefficients", count: table.raw.count)
    optimizer.restore(
      first: try snapshot.doubles("coefficients.first", count: table.raw.count),
      second: try snapshot.doubles("coefficients.second", count: table.raw.count),
      steps: try snapshot.number("coefficients.steps"))
  }
}
