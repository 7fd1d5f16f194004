package import TinctureTensors
package import TinctureTorch

/// Chooses an expert for each task by the derivative of its loss: the one of the least sum over the tensors of
/// cos(∂loss/∂θ_p, s_p) that no task before has chosen.
///
/// It never moves; it is there to be fitted for one round with a turn of every task.
package final class FrankWolfeChoice: LearnableMerge {
  /// The experts in the order in which they were chosen.
  package private(set) var chosen: [Int] = []
  private let vectors: TaskVectorSet
  private let table: CoefficientTable
  private let device: TorchDevice
  private let geometry: CandidateGeometry
  private let limit: Int

  /// Prepares a choice.
  ///
  /// - Parameters:
  ///   - vectors: The base and the task vectors.
  ///   - point: The coefficients of the model at which derivatives are taken, tensor by tensor.
  ///   - limit: How many experts are chosen at most.
  ///   - device: Where merged tensors shall lie.
  /// - Throws: What reading throws.
  package init(
    _ vectors: TaskVectorSet, at point: [[Float]], limit: Int, on device: TorchDevice
  ) throws(TinctureError) {
    self.vectors = vectors
    let none = Array(repeating: Float(0), count: vectors.taskCount)
    table = CoefficientTable(vectors.tensors, coefficients: point, others: none)
    geometry = try CandidateGeometry(vectors, start: none)
    self.device = device
    self.limit = limit
  }

  package var coefficientRange: ClosedRange<Double>? { table.range }

  package func assemble() throws(TinctureError) -> MergedTensors {
    try vectors.assemble(table, on: device)
  }

  package func accumulate(_ gradients: [TorchTensor]) throws(TinctureError) -> Bool {
    var parts: [FloatMemory] = []
    for gradient in gradients {
      let values = try gradient.array(as: Float.self)
      guard values.allSatisfy(\.isFinite) else { return false }
      parts.append(FloatMemory(count: values.count) { Kernels.copy(values.span, to: &$0) })
    }
    guard chosen.count < limit else { return true }
    let scores = try geometry.scores(parts, vectors)
    let free = (0..<vectors.taskCount).filter { !chosen.contains($0) }
    let sums = free.map { candidate in scores.reduce(0) { $0 + $1[candidate] } }
    if !free.isEmpty { chosen.append(free[FrankWolfeMerge.least(sums)]) }
    return true
  }

  package func step(_ step: Int, of count: Int) throws(TinctureError) {}
  package func keep() {}
  package func takeKept() {}

  package func save(into snapshot: inout FitSnapshot) throws(TinctureError) {
    snapshot.set("chosen", chosen.map(Double.init))
  }

  package func restore(from snapshot: FitSnapshot) throws(TinctureError) {
    chosen = try snapshot.doubles("chosen").map { Int($0) }
  }
}
