#if canImport(Glibc)
  internal import Glibc
#else
  internal import Darwin
#endif
public import TinctureMerging
public import TinctureTensors

/// Interpolates along arcs between two models, or between their task vectors: whole tensors, the slices
/// along the last axis, or those along the first.
///
/// With weights w₀ and w₁ the position is t = w₁ / (w₀ + w₁), one half when they cancel. Only exactly
/// parallel vectors are interpolated along the line. Source: mergekit.
public struct NuSlerp: MergeMethod {
  static let weight = PerModelParameter<Double>(
    "weight", "The weights; their ratio sets the position.")
  static let flatten = Parameter<Bool>(
    "nuslerp_flatten", default: true, "Treat each tensor as one vector.")
  static let rowWise = Parameter<Bool>(
    "nuslerp_row_wise", default: false,
    "When not flattened: vectors along the first axis (columns of a matrix) instead of the last.")

  /// The description of the method.
  public let info = MethodInfo(
    name: "nuslerp", title: "NuSLERP",
    summary:
      "Interpolates along arcs between two models or their task vectors, by tensor, row or column.",
    formula:
      "t = w₁ / (w₀ + w₁);  θ = θ₀ + [sin((1 − t) Ω) x₀ + sin(t Ω) x₁] / sin Ω  with x the models or task vectors",
    source: "mergekit", link: "https://github.com/arcee-ai/mergekit", base: .optional,
    models: 2...2, streaming: .tensor, parameters: [weight, flatten, rowWise])

  /// Creates the method.
  public init() {}

  /// Column statistics need five numbers a column; slices along the last axis need whole rows.
  public func workingMemory(_ parameters: ResolvedParameters, _ scope: WorkingScope)
    -> WorkingMemory
  {
    if parameters[Self.flatten] { return WorkingMemory() }
    return parameters[Self.rowWise]
      ? WorkingMemory(bytes: 5 * 8 * scope.columnCount) : WorkingMemory(wholeRows: true)
  }

  /// Makes one tensor.
  public func merge(_ inputs: MergeInputs, state: Void) throws(TinctureError) {
    let weights = inputs[Self.weight]
    let total = weights[0] + weights[1]
    let t = total.magnitude < 1e-6 ? 0.5 : weights[1] / total
    let base: Double = inputs.hasBase ? 1 : 0
    let form: InputForm = inputs.hasBase ? .taskVectors : .values
    if inputs[Self.flatten] {
      let gram = try GramMatrix(of: inputs, form)
      let (a, b) = Self.coefficients(t, gram[0, 0], gram[1, 1], gram[0, 1])
      try inputs.produceCombination([a, b], base: base, form)
    } else if inputs[Self.rowWise] {
      try mergeColumns(inputs, t, form)
    } else {
      try mergeRows(inputs, t, form)
    }
  }

  private func mergeRows(_ inputs: MergeInputs, _ t: Double, _ form: InputForm)
    throws(TinctureError)
  {
    let length = max(1, inputs.step.shape.rowLength)
    try inputs.produce(form) { (block, output) throws(TinctureError) in
      for start in stride(from: 0, to: block.count, by: length) {
        let range = start..<min(start + length, block.count)
        let x = block[model: 0].extracting(range)
        let y = block[model: 1].extracting(range)
        var (xx, yy, xy) = (0.0, 0.0, 0.0)
        Kernels.addDot(x, x, to: &xx)
        Kernels.addDot(y, y, to: &yy)
        Kernels.addDot(x, y, to: &xy)
        let (a, b) = Self.coefficients(t, xx, yy, xy)
        var target = output._mutatingExtracting(range)
        Kernels.combine(Float(a), x, Float(b), y, into: &target)
      }
      if form == .taskVectors { Kernels.add(block.base, to: &output) }
    }
  }

  private func mergeColumns(_ inputs: MergeInputs, _ t: Double, _ form: InputForm)
    throws(TinctureError)
  {
    let rows = max(1, inputs.step.shape.extents.first ?? 1)
    let columns = inputs.elementCount / rows
    var sums = [(xx: Double, yy: Double, xy: Double)](repeating: (0, 0, 0), count: columns)
    try inputs.scan(form) { (block) throws(TinctureError) in
      let (x, y) = (block[model: 0], block[model: 1])
      var column = columns == 0 ? 0 : block.start % columns
      for index in 0..<block.count {
        let (p, q) = (Double(x[index]), Double(y[index]))
        sums[column].xx += p * p
        sums[column].yy += q * q
        sums[column].xy += p * q
        column = column + 1 == columns ? 0 : column + 1
      }
    }
    let factors = sums.map { Self.coefficients(t, $0.xx, $0.yy, $0.xy) }
      .map { (Float($0.0), Float($0.1)) }
    try inputs.produce(form) { (block, output) throws(TinctureError) in
      let (x, y) = (block[model: 0], block[model: 1])
      var column = columns == 0 ? 0 : block.start % columns
      for index in 0..<block.count {
        output[index] = factors[column].0 * x[index] + factors[column].1 * y[index]
        column = column + 1 == columns ? 0 : column + 1
      }
      if form == .taskVectors { Kernels.add(block.base, to: &output) }
    }
  }

  /// What two vectors with these inner products are multiplied by.
  static func coefficients(_ t: Double, _ xx: Double, _ yy: Double, _ xy: Double) -> (
    Double, Double
  ) {
    let floor = 1e-7
    let cosine = max(-1, min(1, xy / (max(xx.squareRoot(), floor) * max(yy.squareRoot(), floor))))
    guard 1 - cosine * cosine > 1e-16 else { return (1 - t, t) }
    let angle = acos(cosine)
    return (sin((1 - t) * angle) / sin(angle), sin(t * angle) / sin(angle))
  }
}
