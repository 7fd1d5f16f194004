package import TinctureTensors
package import TinctureTorch

/// A merge in the plane of two vectors u and v, whose angle and length are learned.
///
/// θ = θ₀ + μ (sin((1 − t)Ω) u + sin(tΩ) v) / sin Ω with the angle Ω between u and v; t and μ move by gradient
/// descent from ½ and 1. u and v are sums of task vectors, so only two inner products for each task vector are
/// needed. Where u and v have almost the same direction the formula becomes θ₀ + μ ((1 − t) u + t v).
///
/// Source: Self Positioning, arXiv:2410.15035.
package final class PlaneMerge: CoefficientLearning {
  /// How t and μ move.
  package struct Settings: Sendable, Hashable {
    /// The step size.
    package var rate = 1e-2
    /// What μ² is multiplied by and added to the loss.
    package var lengthPenalty = 0.0

    /// The default settings.
    package init() {}
  }

  /// Where the merge lies between u and v.
  package private(set) var angle = 0.5
  /// The length μ.
  package private(set) var length = 1.0
  /// Ω.
  package let span: Double
  private let vectors: TaskVectorSet
  private let ends: (u: [Double], v: [Double])
  private let settings: Settings
  private let device: TorchDevice
  private var gradient = (angle: 0.0, length: 0.0)
  private var kept: (angle: Double, length: Double)?

  /// Begins half-way between two vectors.
  ///
  /// - Parameters:
  ///   - vectors: The base and the task vectors.
  ///   - u: The coefficients of the first vector.
  ///   - v: The coefficients of the second vector.
  ///   - gram: ⟨τᵢ, τⱼ⟩ over the whole model.
  ///   - settings: How t and μ move.
  ///   - device: Where merged tensors shall lie.
  package init(
    _ vectors: TaskVectorSet, from u: [Double], to v: [Double], gram: [[Double]],
    _ settings: Settings, on device: TorchDevice
  ) {
    self.vectors = vectors
    ends = (u, v)
    self.settings = settings
    self.device = device
    func product(_ a: [Double], _ b: [Double]) -> Double {
      zip(a, gram).reduce(0) { sum, row in
        sum + row.0 * zip(row.1, b).reduce(0) { $0 + $1.0 * $1.1 }
      }
    }
    let lengths = (product(u, u) * product(v, v)).squareRoot()
    span = lengths > 0 ? TinctureFitting.angle(ofCosine: product(u, v) / lengths) : 0
  }

  /// The weights of u and v without the length, and their derivatives with respect to t.
  private var weights: (u: Double, v: Double, slopeOfU: Double, slopeOfV: Double) {
    let sine = sineOf(span)
    guard sine > 1e-6 else { return (1 - angle, angle, -1, 1) }
    return (
      sineOf((1 - angle) * span) / sine, sineOf(angle * span) / sine,
      -span * cosineOf((1 - angle) * span) / sine, span * cosineOf(angle * span) / sine
    )
  }

  /// The coefficients of all task vectors.
  package var coefficients: [Double] {
    let weights = weights
    return zip(ends.u, ends.v).map { length * (weights.u * $0 + weights.v * $1) }
  }

  package var table: CoefficientTable {
    CoefficientTable(
      .task, tensors: vectors.tensors, starts: coefficients.map(Float.init), link: .identity)
  }

  package func assemble() throws(TinctureError) -> MergedTensors {
    try vectors.assemble(table, on: device)
  }

  package func accumulate(_ gradients: [TorchTensor]) throws(TinctureError) -> Bool {
    guard let products = try vectors.products(gradients, table) else { return false }
    let weights = weights
    for task in 0..<vectors.taskCount {
      let product = products.reduce(0) { $0 + $1[task] }
      let (u, v) = (ends.u[task], ends.v[task])
      gradient.length += product * (weights.u * u + weights.v * v)
      gradient.angle += product * length * (weights.slopeOfU * u + weights.slopeOfV * v)
    }
    return true
  }

  package func step(_ step: Int, of count: Int) throws(TinctureError) {
    angle -= settings.rate * gradient.angle
    length -= settings.rate * (gradient.length + 2 * settings.lengthPenalty * length)
    gradient = (0, 0)
  }

  package func keep() { kept = (angle, length) }

  package func takeKept() { if let kept { (angle, length) = kept } }

  package func save(into snapshot: inout FitSnapshot) throws(TinctureError) {
    snapshot.set("plane", [angle, length, gradient.angle, gradient.length])
    snapshot.set("plane.kept", kept.map { [$0.angle, $0.length] } ?? [])
  }

  package func restore(from snapshot: FitSnapshot) throws(TinctureError) {
    let values = try snapshot.doubles("plane", count: 4)
    (angle, length) = (values[0], values[1])
    gradient = (values[2], values[3])
    let best = try snapshot.doubles("plane.kept")
    kept = best.count == 2 ? (best[0], best[1]) : nil
  }
}
