#if canImport(Glibc)
  internal import Glibc
#else
  internal import Darwin
#endif
public import TinctureMerging
public import TinctureTensors

/// Interpolates along the arc between the base and one other model, tensor by tensor.
///
/// The coefficients multiply the tensors as they are, not their directions. Tensors whose cosine exceeds
/// 0.9995 in magnitude, opposite ones included, are interpolated along the line. Source: Shoemake 1985.
public struct Slerp: MergeMethod {
  static let t = Parameter<Double>("t", "Where on the arc: 0 is the base, 1 the other model.")

  /// The description of the method.
  public let info = MethodInfo(
    name: "slerp", title: "SLERP",
    summary: "Interpolates along the arc between the base and one other model.",
    formula: "Ω = acos(cos(θ₀, θ₁));  θ = [sin((1 − t) Ω) θ₀ + sin(t Ω) θ₁] / sin Ω",
    source: "Shoemake 1985; mergekit", link: "https://en.wikipedia.org/wiki/Slerp",
    base: .required, models: 1...1, streaming: .tensor, parameters: [t],
    presets: [.init("fusion_bench", [("t", .number(0.5))], "FusionBench's default.")])

  /// Creates the method.
  public init() {}

  /// Makes one tensor.
  public func merge(_ inputs: MergeInputs, state: Void) throws(TinctureError) {
    let gram = try GramMatrix(of: inputs, .values)
    let (a, b) = Self.coefficients(
      t: inputs[Self.t], squared: (gram[0, 0], gram[1, 1]), product: gram[0, 1])
    try inputs.produceCombination([b], base: a)
  }

  /// What the two tensors are multiplied by.
  static func coefficients(t: Double, squared: (Double, Double), product: Double) -> (
    Double, Double
  ) {
    let epsilon = 1e-8
    let norms = (squared.0.squareRoot(), squared.1.squareRoot())
    let cosine =
      product / ((norms.0 > epsilon ? norms.0 : 1) * (norms.1 > epsilon ? norms.1 : 1))
    guard cosine.magnitude <= 0.9995 else { return (1 - t, t) }
    let angle = acos(cosine)
    return (sin((1 - t) * angle) / sin(angle), sin(t * angle) / sin(angle))
  }
}
