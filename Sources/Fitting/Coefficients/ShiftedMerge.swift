package import TinctureTensors
package import TinctureTorch

/// A merge around a point between the models: θ = c + Σ λ (θₜ − c) over some of the experts θₜ.
///
/// c = θ₀ + Σ γ τ is given, tensor by tensor; so θ = θ₀ + Σ (γₜ (1 − Σ λ) + λₜ) τₜ, and
/// ∂loss/∂λₛ = ⟨G, τₛ⟩ − Σₜ γₜ ⟨G, τₜ⟩. λ is learned by Adam, a number for each tensor and chosen expert.
package final class ShiftedMerge: CoefficientLearning {
  private let vectors: TaskVectorSet
  private let center: [[Float]]
  private let chosen: [Int]
  private let rate: Double
  private let device: TorchDevice
  private var shares: [Float]
  private var adam: CoefficientOptimizer
  private var gradient: [Float]
  private var kept: [Float]?

  /// Begins at the same share of every chosen expert.
  ///
  /// - Parameters:
  ///   - vectors: The base and the task vectors.
  ///   - center: γ, for each tensor a number for every task.
  ///   - chosen: The experts that take part.
  ///   - start: λ at the start.
  ///   - rate: The step size.
  ///   - device: Where merged tensors shall lie.
  package init(
    _ vectors: TaskVectorSet, around center: [[Float]], chosen: [Int], start: Float, rate: Double,
    on device: TorchDevice
  ) {
    self.vectors = vectors
    self.center = center
    self.chosen = chosen
    self.rate = rate
    self.device = device
    shares = Array(repeating: start, count: center.count * chosen.count)
    adam = CoefficientOptimizer(count: shares.count, learningRate: rate)
    gradient = Array(repeating: 0, count: shares.count)
  }

  /// The coefficients of the task vectors, tensor by tensor.
  package var coefficients: [[Float]] {
    center.enumerated().map { tensor, own in
      let shares = shares[tensor * chosen.count..<(tensor + 1) * chosen.count]
      let rest = 1 - shares.reduce(0, +)
      var result = own.map { $0 * rest }
      for (task, share) in zip(chosen, shares) { result[task] += share }
      return result
    }
  }

  package var table: CoefficientTable {
    let coefficients = coefficients
    // Tensors that no network sees get the mean over those that were learned.
    let mean = (0..<vectors.taskCount).map { task in
      coefficients.reduce(0) { $0 + $1[task] } / Float(max(1, coefficients.count))
    }
    return CoefficientTable(vectors.tensors, coefficients: coefficients, others: mean)
  }

  package func assemble() throws(TinctureError) -> MergedTensors {
    try vectors.assemble(table, on: device)
  }

  package func accumulate(_ gradients: [TorchTensor]) throws(TinctureError) -> Bool {
    guard let products = try vectors.products(gradients, table) else { return false }
    for (tensor, own) in products.enumerated() {
      let atCenter = zip(center[tensor], own).reduce(0) { $0 + Double($1.0) * $1.1 }
      for (place, task) in chosen.enumerated() {
        gradient[tensor * chosen.count + place] += Float(own[task] - atCenter)
      }
    }
    return true
  }

  package func step(_ step: Int, of count: Int) throws(TinctureError) {
    adam.step(&shares, gradient)
    for index in gradient.indices { gradient[index] = 0 }
  }

  package func keep() { kept = shares }

  package func takeKept() { if let kept { shares = kept } }

  package func save(into snapshot: inout FitSnapshot) throws(TinctureError) {
    snapshot.set("shares", shares)
    snapshot.set("shares.gradient", gradient)
    snapshot.set("shares.kept", kept ?? [])
    snapshot.set("shares.first", adam.first)
    snapshot.set("shares.second", adam.second)
    snapshot.numbers["shares.steps"] = adam.steps
    snapshot.numbers["shares.kept"] = kept == nil ? 0 : 1
  }

  package func restore(from snapshot: FitSnapshot) throws(TinctureError) {
    let count = shares.count
    shares = try snapshot.floats("shares", count: count)
    gradient = try snapshot.floats("shares.gradient", count: count)
    let hasKept = try snapshot.number("shares.kept") == 1
    let best = try snapshot.floats("shares.kept", count: hasKept ? count : 0)
    kept = hasKept ? best : nil
    adam.restore(
      first: try snapshot.doubles("shares.first", count: count),
      second: try snapshot.doubles("shares.second", count: count),
      steps: try snapshot.number("shares.steps"))
  }
}
