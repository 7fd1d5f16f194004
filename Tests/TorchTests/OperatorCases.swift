import TinctureTensors
import TinctureTorch

/// An operator with operands and results that PyTorch recorded under the same name.
struct OperatorCase: Sendable, CustomStringConvertible {
  typealias Inputs = [TorchTensor]

  let name: String
  /// The operands with respect to which the results are differentiable.
  let variables: [Int]
  let body: @Sendable (Inputs) throws -> [TorchTensor]

  var description: String { name }

  init(
    _ name: String, by variables: [Int] = [],
    _ body: @escaping @Sendable (Inputs) throws -> TorchTensor
  ) {
    self.init(several: name, by: variables) { [try body($0)] }
  }

  init(
    several name: String, by variables: [Int] = [],
    _ body: @escaping @Sendable (Inputs) throws -> [TorchTensor]
  ) {
    self.name = name
    self.variables = variables
    self.body = body
  }

  static let all =
    arithmetic + functions + comparisons + reductions + shapes + indexing + matrices
    + normalization + images + losses + creation

  static let arithmetic = [
    OperatorCase("add", by: [0, 1]) { try $0[0] + $0[1] },
    OperatorCase("add number", by: [0]) { try 1.5 + $0[0] },
    OperatorCase("add integers") { try $0[0] + $0[1] },
    OperatorCase("subtract", by: [0, 1]) { try $0[0] - $0[1] },
    OperatorCase("subtract integers") { try $0[0] - $0[1] },
    OperatorCase("subtract from number", by: [0]) { try 2 - $0[0] },
    OperatorCase("sum with multiple", by: [0, 1]) { try $0[0].sum(with: $0[1], times: -0.3) },
    OperatorCase("negate", by: [0]) { try -$0[0] },
    OperatorCase("multiply", by: [0, 1]) { try $0[0] * $0[1] },
    OperatorCase("multiply by number", by: [0]) { try $0[0] * -1.25 },
    OperatorCase("divide", by: [0, 1]) { try $0[0] / $0[1] },
    OperatorCase("divide by number", by: [0]) { try $0[0] / 3 },
    OperatorCase("divide number", by: [0]) { try 2 / $0[0] },
    OperatorCase("multiply single precision") { try 0.1 * $0[0] },
    OperatorCase("multiply half precision") { try 0.1 * $0[0] },
    OperatorCase("multiply integers by number") { try $0[0] * 0.5 },
  ]

  static let functions = [
    OperatorCase("exp", by: [0]) { try $0[0].exp() },
    OperatorCase("expm1", by: [0]) { try $0[0].expm1() },
    OperatorCase("square", by: [0]) { try $0[0].square() },
    OperatorCase("abs", by: [0]) { try $0[0].abs() },
    OperatorCase("sin", by: [0]) { try $0[0].sin() },
    OperatorCase("cos", by: [0]) { try $0[0].cos() },
    OperatorCase("tanh", by: [0]) { try $0[0].tanh() },
    OperatorCase("erf", by: [0]) { try $0[0].erf() },
    OperatorCase("sigmoid", by: [0]) { try $0[0].sigmoid() },
    OperatorCase("relu", by: [0]) { try $0[0].relu() },
    OperatorCase("silu", by: [0]) { try $0[0].silu() },
    OperatorCase("gelu", by: [0]) { try $0[0].gelu() },
    OperatorCase("gelu tanh", by: [0]) { try $0[0].gelu(.tanh) },
    OperatorCase("log", by: [0]) { try $0[0].log() },
    OperatorCase("log1p", by: [0]) { try $0[0].log1p() },
    OperatorCase("sqrt", by: [0]) { try $0[0].sqrt() },
    OperatorCase("rsqrt", by: [0]) { try $0[0].rsqrt() },
    OperatorCase("power", by: [0]) { try $0[0].power(1.7) },
    OperatorCase("power by tensor", by: [0, 1]) { try $0[0].power($0[1]) },
    OperatorCase("sign") { try $0[0].sign() },
    OperatorCase("floor") { try $0[0].floor() },
    OperatorCase("rounded") { try $0[0].rounded() },
    OperatorCase("clamp", by: [0]) { try $0[0].clamped(min: -0.33, max: 0.41) },
    OperatorCase("clamp below", by: [0]) { try $0[0].clamped(min: 0.02) },
  ]

  static let comparisons = [
    OperatorCase("equal") { try $0[0] .== $0[1] },
    OperatorCase("equal number") { try $0[0] .== 1 },
    OperatorCase("unequal") { try $0[0] .!= $0[1] },
    OperatorCase("unequal number") { try $0[0] .!= 1 },
    OperatorCase("less") { try $0[0] .< $0[1] },
    OperatorCase("less number") { try $0[0] .< 1 },
    OperatorCase("at most") { try $0[0] .<= $0[1] },
    OperatorCase("at most number") { try $0[0] .<= 1 },
    OperatorCase("greater") { try $0[0] .> $0[1] },
    OperatorCase("greater number") { try $0[0] .> 1 },
    OperatorCase("at least") { try $0[0] .>= $0[1] },
    OperatorCase("at least number") { try $0[0] .>= 1 },
    OperatorCase("and") { try $0[0] .& $0[1] },
    OperatorCase("or") { try $0[0] .| $0[1] },
    OperatorCase("not") { try .!$0[0] },
    OperatorCase("is finite") { try $0[0].isFinite() },
    OperatorCase("minimum", by: [0, 1]) { try $0[0].minimum($0[1]) },
    OperatorCase("maximum", by: [0, 1]) { try $0[0].maximum($0[1]) },
    OperatorCase("replace", by: [0, 2]) { try $0[0].replacing(where: $0[1], with: $0[2]) },
    OperatorCase("replace by number", by: [0]) { try $0[0].replacing(where: $0[1], with: -7.5) },
    OperatorCase("all") { try $0[0].all() },
    OperatorCase("any") { try $0[0].any() },
  ]

  static let reductions = [
    OperatorCase("sum", by: [0]) { try $0[0].sum() },
    OperatorCase("sum along", by: [0]) { try $0[0].sum(along: 0, 2, keepingAxes: true) },
    OperatorCase("mean", by: [0]) { try $0[0].mean() },
    OperatorCase("mean along", by: [0]) { try $0[0].mean(along: -1) },
    OperatorCase("variance", by: [0]) { try $0[0].variance(along: 1) },
    OperatorCase("variance biased", by: [0]) { try $0[0].variance(unbiased: false) },
    OperatorCase("norm", by: [0]) { try $0[0].norm() },
    OperatorCase("norm along", by: [0]) { try $0[0].norm(along: 1, keepingAxes: true) },
    OperatorCase("max", by: [0]) { try $0[0].max(along: 0) },
    OperatorCase("min", by: [0]) { try $0[0].min() },
    OperatorCase("log sum exp", by: [0]) { try $0[0].logSumExp(along: 1) },
    OperatorCase("argmax") { try $0[0].argmax(along: 1) },
    OperatorCase("argmax of all") { try $0[0].argmax() },
    OperatorCase("argmin") { try $0[0].argmin(along: 0, keepingAxes: true) },
    OperatorCase(several: "top", by: [0]) {
      let top = try $0[0].top(2)
      return [top.values, top.indices]
    },
    OperatorCase(several: "top smallest", by: [0]) {
      let top = try $0[0].top(2, along: 0, largest: false)
      return [top.values, top.indices]
    },
    OperatorCase(several: "sorted", by: [0]) {
      let sorted = try $0[0].sorted(along: 1)
      return [sorted.values, sorted.indices]
    },
    OperatorCase(several: "sorted descending") {
      let sorted = try $0[0].sorted(descending: true)
      return [sorted.values, sorted.indices]
    },
    OperatorCase("cumulative sum", by: [0]) { try $0[0].cumulativeSum(along: 1) },
  ]

  static let creation = [
    OperatorCase("zeros") { _ in try TorchTensor.zeros([2, 3]) },
    OperatorCase("ones") { _ in try TorchTensor.ones([2], dtype: .f64) },
    OperatorCase("full") { _ in try TorchTensor.full([2, 2], 1.5) },
    OperatorCase("range") { _ in try TorchTensor.range(2..<7) },
  ]
}
