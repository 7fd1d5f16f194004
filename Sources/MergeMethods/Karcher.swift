#if canImport(Glibc)
  internal import Glibc
#else
  internal import Darwin
#endif
public import TinctureMerging
public import TinctureTensors

/// Finds the Karcher mean of the models' directions on the sphere, stretched to their mean norm.
///
/// Every iterate is a linear combination of the models, so the iteration runs on coefficients and the
/// Gram matrix; the tensors are read twice whatever the number of iterations. All models count alike.
/// Source: arXiv:2603.04972; mergekit.
public struct Karcher: MergeMethod {
  static let iterations = Parameter<Int>(
    "max_iter", default: 10, in: .atLeast(0), "The most iterations.")
  static let tolerance = Parameter<Double>(
    "tol", default: 1e-5, in: .above(0), "Angles and steps below this end the iteration.")

  /// The description of the method.
  public let info = MethodInfo(
    name: "karcher", title: "Karcher mean",
    summary: "Finds the mean of the models' directions on the sphere and of their norms.",
    formula: "u = argmin Σ angle(u, θᵢ)²;  θ = u · mean ‖θᵢ‖",
    source: "Karcher mean of model weights, 2026", link: "https://arxiv.org/abs/2603.04972",
    base: .member, models: 1...Int.max, streaming: .tensor, parameters: [iterations, tolerance])

  /// Creates the method.
  public init() {}

  /// Makes one tensor.
  public func merge(_ inputs: MergeInputs, state: Void) throws(TinctureError) {
    guard inputs.modelCount > 1 else { return try inputs.passThrough(model: 0) }
    let gram = try GramMatrix(of: inputs, .values)
    let mean = Self.coefficients(
      gram, iterations: inputs[Self.iterations], tolerance: inputs[Self.tolerance])
    try inputs.produceCombination(mean)
  }

  /// The coefficients of the mean in terms of the models.
  static func coefficients(_ gram: GramMatrix, iterations: Int, tolerance: Double) -> [Double] {
    let count = gram.count
    let norms = (0..<count).map { gram.norm($0) }
    let valid = (0..<count).filter { norms[$0] > tolerance }
    guard let first = valid.first else { return [Double](repeating: 0, count: count) }
    func unit(_ index: Int) -> [Double] {
      var unit = [Double](repeating: 0, count: count)
      unit[index] = 1 / norms[index]
      return unit
    }
    func scaled(_ vector: [Double], by factor: Double) -> [Double] { vector.map { $0 * factor } }
    let share = 1 / Double(valid.count)
    var mean = [Double](repeating: 0, count: count)
    for index in valid { mean[index] += share / norms[index] }
    let length = gram.norm(of: mean)
    mean = length < tolerance ? unit(first) : scaled(mean, by: 1 / length)
    for _ in 0..<iterations {
      var tangent = [Double](repeating: 0, count: count)
      for index in valid {
        let unit = unit(index)
        let cosine = max(-1, min(1, gram.product(mean, unit)))
        let angle = acos(cosine)
        // An opposite vector has no direction in the tangent space.
        guard angle >= tolerance, angle < .pi - 1e-6 else { continue }
        let factor = share * angle / sin(angle)
        for k in 0..<count { tangent[k] += factor * (unit[k] - cosine * mean[k]) }
      }
      let step = gram.norm(of: tangent)
      guard step >= tolerance else { break }
      for k in 0..<count { mean[k] = cos(step) * mean[k] + sin(step) / step * tangent[k] }
      let length = gram.norm(of: mean)
      if length > tolerance { mean = scaled(mean, by: 1 / length) }
    }
    return scaled(mean, by: norms.reduce(0, +) / Double(count))
  }
}
