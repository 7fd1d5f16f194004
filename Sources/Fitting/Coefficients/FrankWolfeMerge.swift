package import TinctureTensors
package import TinctureTorch

/// A merge that moves towards the model that points most against the derivative of the loss, again and again.
///
/// For every tensor p and every candidate s, the experts and the model of the start, the score is
/// cos(∂loss/∂θ_p, s_p) of the whole weights; the candidate is chosen whose sum over the tensors is least, or
/// one for each tensor. Then θ ← θ + γ (s − θ), γ = scale · rate · 2 / (i + 2) in the step i. As all candidates
/// are sums of the base and task vectors, so is θ, and no expert is in memory. A tensor on which the loss does
/// not depend has no cosine and counts as zero.
///
/// Source: FW-Merging, arXiv:2503.12649.
package final class FrankWolfeMerge: CoefficientLearning {
  /// How θ moves.
  package struct Settings: Sendable, Hashable {
    /// The coefficient of every task vector with which it begins.
    package var start: Float = 0.3
    /// What 2 / (i + 2) is multiplied by.
    package var rate = 0.1
    /// What the distance to the candidate is multiplied by.
    package var scale = 0.3
    /// Whether every tensor chooses a candidate of its own.
    package var choosesByTensor = false

    /// The published settings.
    package init() {}
  }

  /// The candidates that were chosen, step by step; the number of task vectors is the model of the start.
  package private(set) var choices: [[Int]] = []
  private let vectors: TaskVectorSet
  private let settings: Settings
  private let device: TorchDevice
  private let geometry: CandidateGeometry
  private var coefficients: [[Float]]
  private var kept: [[Float]]?
  private var gradient: [FloatMemory]

  /// Begins with the same coefficient for every task vector.
  ///
  /// - Throws: What reading throws.
  /// - Complexity: Two passes over all task vectors, one derivative in memory.
  package init(
    _ vectors: TaskVectorSet, _ settings: Settings, on device: TorchDevice
  ) throws(TinctureError) {
    self.vectors = vectors
    self.settings = settings
    self.device = device
    let start = Array(repeating: settings.start, count: vectors.taskCount)
    geometry = try CandidateGeometry(vectors, start: start)
    coefficients = vectors.tensors.map { _ in start }
    gradient = vectors.tensors.map { FloatMemory(zeros: $0.elementCount) }
  }

  package var table: CoefficientTable {
    CoefficientTable(
      vectors.tensors, coefficients: coefficients,
      others: Array(repeating: settings.start, count: vectors.taskCount))
  }

  package func assemble() throws(TinctureError) -> MergedTensors {
    try vectors.assemble(table, on: device)
  }

  package func accumulate(_ gradients: [TorchTensor]) throws(TinctureError) -> Bool {
    var parts: [[Float]] = []
    for part in gradients { parts.append(try part.array(as: Float.self)) }
    guard parts.allSatisfy({ $0.allSatisfy(\.isFinite) }) else { return false }
    for (index, part) in parts.enumerated() {
      gradient[index].fill(0..<part.count) { Kernels.add(part.span, times: 1, to: &$0) }
    }
    return true
  }

  package func step(_ step: Int, of count: Int) throws(TinctureError) {
    let scores = try geometry.scores(gradient, vectors)
    let choice: [Int]
    if settings.choosesByTensor {
      choice = scores.map(Self.least)
    } else {
      let sums = (0...vectors.taskCount).map { candidate in
        scores.reduce(0) { $0 + $1[candidate] }
      }
      choice = Array(repeating: Self.least(sums), count: scores.count)
    }
    let share = Float(settings.scale * settings.rate * 2 / Double(step + 2))
    for (index, candidate) in choice.enumerated() {
      for task in coefficients[index].indices {
        let goal =
          candidate == vectors.taskCount ? settings.start : (task == candidate ? 1 : 0)
        coefficients[index][task] += share * (goal - coefficients[index][task])
      }
    }
    choices.append(settings.choosesByTensor ? choice : Array(choice.prefix(1)))
    gradient = vectors.tensors.map { FloatMemory(zeros: $0.elementCount) }
  }

  /// The place of the least number, the first of several.
  static func least(_ values: [Double]) -> Int {
    values.indices.min { values[$0] < values[$1] } ?? 0
  }

  package func keep() { kept = coefficients }

  package func takeKept() { if let kept { coefficients = kept } }

  package func save(into snapshot: inout FitSnapshot) throws(TinctureError) {
    snapshot.set("coefficients", coefficients.flatMap(\.self))
    snapshot.set("coefficients.kept", kept?.flatMap(\.self) ?? [])
    snapshot.set("choices", choices.flatMap { $0.map(Double.init) })
    snapshot.numbers["choices"] = choices.count
    // Once a round the derivatives are used up, so that there is nothing else to remember.
    snapshot.numbers["kept"] = kept == nil ? 0 : 1
  }

  package func restore(from snapshot: FitSnapshot) throws(TinctureError) {
    let (tasks, count) = (vectors.taskCount, vectors.tensors.count)
    func rows(_ values: [Float]) -> [[Float]] {
      (0..<count).map { Array(values[$0 * tasks..<($0 + 1) * tasks]) }
    }
    coefficients = rows(try snapshot.floats("coefficients", count: count * tasks))
    let hasKept = try snapshot.number("kept") == 1
    let best = try snapshot.floats("coefficients.kept", count: hasKept ? count * tasks : 0)
    kept = hasKept ? rows(best) : nil
    let length = settings.choosesByTensor ? count : 1
    let steps = try snapshot.number("choices")
    let chosen = try snapshot.doubles("choices", count: steps * length)
    choices = (0..<steps).map { step in
      chosen[step * length..<(step + 1) * length].map { Int($0) }
    }
  }
}
