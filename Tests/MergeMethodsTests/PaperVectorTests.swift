import Testing
import TinctureMergeMethods
import TinctureMergeTesting
import TinctureMerging
import TinctureTensors

/// A result worked out in double precision from a method's formula.
struct PaperVector: Sendable, CustomStringConvertible {
  let description: String
  let method: String
  /// Positions in `inputs`; the base comes first where there is one.
  let base: Int?
  let models: [Int]
  var values: [String: ParameterValue] = [:]
  var perModel: [String: [Double]] = [:]
  let expected: [Float]
  /// Whether `expected` is what is added to the base.
  var isDelta = false

  static let base: [Float] = [0.5, -0.2, 0.1, 0, 0.3, -0.4]
  static let deltas: [[Float]] = [
    [0.10, -0.05, 0.02, 0, 0.08, -0.01], [-0.04, -0.06, 0.03, 0.07, -0.02, 0.09],
    [0.06, 0.01, -0.09, -0.03, 0.05, 0.04],
  ]
  /// The base, three models, and their three task vectors as if they were models.
  static let inputs: [[Float]] =
    [base] + deltas.map { zip(base, $0).map { $0 + $1 } } + deltas

  static func preset(_ name: String, of method: String, _ changes: [String: ParameterValue])
    -> [String: ParameterValue]
  {
    let presets = MethodRegistry.method(named: method)?.info.presets ?? []
    var values: [String: ParameterValue] = ["no such preset": .number(0)]
    if let preset = presets.first(where: { $0.name == name }) {
      values = Dictionary(uniqueKeysWithValues: preset.values.map { ($0.name, $0.value) })
    }
    return values.merging(changes) { $1 }
  }

  static let all: [PaperVector] = averages + arcs + families + statistics + competitions

  static let averages: [PaperVector] = [
    .init(
      description: "mean", method: "linear", base: nil, models: [1, 2, 3],
      values: preset("uniform", of: "linear", [:]),
      expected: [0.54, -0.233333333, 0.086666667, 0.013333333, 0.336666667, -0.36]),
    .init(
      description: "task arithmetic", method: "task_arithmetic", base: 0, models: [1, 2, 3],
      values: preset("fusion_bench", of: "task_arithmetic", [:]),
      expected: [0.536, -0.23, 0.088, 0.012, 0.333, -0.364]),
    .init(
      description: "NearSwap", method: "nearswap", base: 0, models: [1],
      values: ["t": .number(0.02)], expected: [0.52, -0.22, 0.12, 0, 0.32, -0.41]),
    .init(
      description: "Arcee Fusion", method: "arcee_fusion", base: 0, models: [1],
      expected: [0.6, -0.2, 0.1, 0, 0.3, -0.4]),
    .init(
      description: "RAM", method: "ram", base: 0, models: [1, 2, 3],
      values: ["epsilon": .number(0.025)], expected: [0.04, -0.055, -0.03, 0.02, 0.065, 0.065],
      isDelta: true),
  ]

  static let arcs: [PaperVector] = [
    .init(
      description: "SLERP of task vectors", method: "slerp", base: 4, models: [5],
      values: ["t": .number(0.3)],
      expected: [0.07445079, -0.077153604, 0.033856057, 0.034937183, 0.065549864, 0.035477746]),
    .init(
      description: "SLERP of models", method: "slerp", base: 1, models: [2],
      values: ["t": .number(0.3)],
      expected: [0.559303618, -0.253614768, 0.123300537, 0.02107334, 0.350813751, -0.380886266]),
    .init(
      description: "NuSLERP of tensors", method: "nuslerp", base: 0, models: [1, 2],
      perModel: ["weight": [0.7, 0.3]],
      expected: [0.57445079, -0.277153604, 0.133856057, 0.034937183, 0.365549864, -0.364522254]),
    .init(
      description: "NuSLERP along the last axis", method: "nuslerp", base: 0, models: [1, 2],
      values: ["nuslerp_flatten": .bool(false)], perModel: ["weight": [0.7, 0.3]],
      expected: [0.571922407, -0.273279631, 0.132110734, 0.038136568, 0.368872278, -0.360938325]),
    .init(
      description: "NuSLERP along the first axis", method: "nuslerp", base: 0, models: [1, 2],
      values: ["nuslerp_flatten": .bool(false), "nuslerp_row_wise": .bool(true)],
      perModel: ["weight": [0.7, 0.3]],
      expected: [0.587476608, -0.265394148, 0.133716474, 0.047301592, 0.358140521, -0.364727094]),
    .init(
      description: "Multi-SLERP", method: "multislerp", base: 0, models: [1, 2, 3],
      values: ["weight": .number(1)],
      expected: [0.571086118, -0.256547689, 0.073300533, 0.021444949, 0.364925024, -0.329955667]),
    .init(
      description: "Karcher mean of models", method: "karcher", base: nil, models: [1, 2, 3],
      expected: [0.542769873, -0.237454645, 0.088650539, 0.016413569, 0.3378953, -0.361632761]),
    .init(
      description: "Karcher mean of task vectors", method: "karcher", base: nil, models: [4, 5, 6],
      expected: [0.066306509, -0.05873905, -0.024999009, 0.025424533, 0.061742216, 0.074931998]),
  ]

  static let families: [PaperVector] = [
    .init(
      description: "TIES of the authors, mean", method: "ties", base: 0, models: [1, 2, 3],
      values: preset("paper", of: "ties", ["density": .number(0.5)]),
      expected: [0.08, -0.055, -0.09, 0.07, 0.065, 0.065], isDelta: true),
    .init(
      description: "TIES of the authors, sum", method: "ties", base: 0, models: [1, 2, 3],
      values: preset(
        "fusion_bench", of: "ties", ["density": .number(0.5), "lambda": .number(1)]),
      expected: [0.16, -0.11, -0.09, 0.07, 0.13, 0.13], isDelta: true),
    .init(
      description: "TIES of mergekit", method: "ties", base: 0, models: [1, 2, 3],
      values: ["weight": .number(1), "density": .number(0.5)],
      expected: [0.08, -0.055, -0.09, 0.07, 0.065, 0.09], isDelta: true),
    .init(
      description: "TIES of mergekit, weighted", method: "ties", base: 0, models: [1, 2, 3],
      values: ["density": .number(0.5)], perModel: ["weight": [1, 0.5, 1.5]],
      expected: [0.076, -0.053333333, -0.09, 0.07, 0.062, 0.09], isDelta: true),
  ]

  static let competitions: [PaperVector] = [
    .init(
      description: "MagMax", method: "magmax", base: 0, models: [1, 2, 3],
      values: ["lambda": .number(1)], expected: [0.1, -0.06, -0.09, 0.07, 0.08, 0.09],
      isDelta: true),
    .init(
      description: "PCB", method: "pcb", base: 0, models: [1, 2, 3],
      values: ["ratio": .number(0.5), "lambda": .number(1)],
      expected: [0.07, 0, -0.06, 0.07, 0.08, 0.07], isDelta: true),
    .init(
      description: "EMR", method: "emr", base: 0, models: [1, 2, 3],
      expected: [0.1, -0.06, -0.09, 0.07, 0.08, 0.09], isDelta: true),
    .init(
      description: "Consensus of two", method: "consensus", base: 0, models: [1, 2, 3],
      values: ["tall_mask_lambda": .number(0.6), "lambda": .number(1)],
      expected: [0.12, -0.1, 0, 0, 0.11, 0], isDelta: true),
    .init(
      description: "Consensus of one", method: "consensus", base: 0, models: [1, 2, 3],
      values: [
        "tall_mask_lambda": .number(0.6), "consensus_k": .number(1), "lambda": .number(0.5),
      ], expected: [0.06, -0.05, -0.02, 0.02, 0.055, 0.06], isDelta: true),
    .init(
      description: "WIDEN", method: "widen", base: 0, models: [1, 2],
      expected: [0.556651404, -0.267522894, 0.134653883, 0.032110043, 0.325825702, -0.342911877]),
    .init(
      description: "Delta-guided fusion of elements", method: "delta_guided", base: 0,
      models: [1, 2, 3], values: ["granularity": .text("element"), "power": .number(0)],
      expected: [0.04, -0.1 / 3, -0.04 / 3, 0.04 / 3, 0.11 / 3, 0.04], isDelta: true),
  ]

  static let statistics: [PaperVector] = [
    .init(
      description: "SCE of a selection", method: "sce", base: 0, models: [1, 2, 3],
      values: ["select_topk": .number(0.7)],
      expected: [0.581065831, -0.2, 0.01, 0.07, 0.365799373, -0.4]),
    .init(
      description: "SCE of everything", method: "sce", base: 0, models: [1, 2, 3],
      expected: [0.581436464, -0.255012853, 0.01, 0.07, 0.366077348, -0.333140496]),
    .init(
      description: "Model Stock", method: "model_stock", base: 0, models: [1, 2, 3],
      expected: [0.498690481, -0.198908734, 0.100436506, -0.000436506, 0.298799607, -0.401309519]),
    .init(
      description: "Model Stock of FusionBench", method: "model_stock", base: 0, models: [1, 2, 3],
      values: preset("fusion_bench", of: "model_stock", [:]),
      expected: (0..<6).map { index in
        -0.025200666 * deltas.reduce(0) { $0 + $1[index] } / 3
      }, isDelta: true),
  ]
}

@Suite("Vectors worked out from the formulas")
struct PaperVectorTests {
  private static func model(_ values: [Float]) throws -> TinyModel {
    let shape = values.count == 6 ? Shape([2, 3]) : Shape([values.count])
    return TinyModel([.init("w", shape: try #require(shape), values)])
  }

  @Test("Results agree to six decimals", arguments: PaperVector.all)
  func agrees(vector: PaperVector) async throws {
    let method = try #require(MethodRegistry.method(named: vector.method))
    let parameters = try ResolvedParameters(
      for: method.info, vector.values,
      perModel: vector.perModel.mapValues { $0.map { .number($0) } },
      modelCount: vector.models.count)
    let trial = MergeTrial(
      method, base: try vector.base.map { try Self.model(PaperVector.inputs[$0]) },
      models: try vector.models.map { try Self.model(PaperVector.inputs[$0]) },
      parameters: parameters)
    let got = try #require(try await trial.run().model["w"])
    for index in got.indices {
      let origin = vector.isDelta ? PaperVector.base[index] : 0
      #expect((got[index] - origin - vector.expected[index]).magnitude < 1e-6, "[\(index)]")
    }
  }

  @Test(
    "Breadcrumbs keep the band below the outliers",
    arguments: [
      (0.1, [0, 0, 0.5, 0, -0.7, 0, 0, 0, 0.6, 0.8] as [Float]),
      (0.05, [0.9, 0, 0, 0, -0.7, 0, 0, 0, 0.6, 0.8]),
    ], ["tensor", "row"])
  func breadcrumbs(setting: (gamma: Double, expected: [Float]), band: String) async throws {
    let method = SparsifiedArithmetic.breadcrumbs
    let values: [Float] = [0.9, -0.1, 0.5, 0.05, -0.7, 0.3, 0.2, -0.4, 0.6, 0.8]
    let parameters = try ResolvedParameters(
      for: method.info,
      [
        "weight": .number(1), "density": .number(0.4), "gamma": .number(setting.gamma),
        "band": .text(band),
      ], modelCount: 1)
    let trial = MergeTrial(
      method, base: try Self.model([Float](repeating: 0, count: 10)),
      models: [try Self.model(values)], parameters: parameters)
    #expect(try await trial.run().model["w"] == setting.expected)
  }

  /// The mask that the vector was worked out for is found by trying seeds.
  @Test(
    "DARE rescales by the chance to stay, or to the sum of magnitudes",
    arguments: [
      ("density", [0.2, 0, 0.04, 0, 0.16, 0] as [Float]), ("l1", [0.13, 0, 0.026, 0, 0.104, 0]),
    ])
  func dare(rule: String, expected: [Float]) async throws {
    let method = SparsifiedArithmetic.dareLinear
    let mask = [true, false, true, true, true, false]
    let seed = try #require(
      (UInt64(0)..<5000).first { seed in
        let random = CounterRandom(seed: seed, tensor: "w", model: 0, purpose: "dare")
        return mask.indices.allSatisfy { (random.uniform(at: $0) < 0.5) == mask[$0] }
      })
    let parameters = try ResolvedParameters(
      for: method.info,
      ["weight": .number(1), "density": .number(0.5), "rescale_rule": .text(rule)], modelCount: 1)
    var trial = MergeTrial(
      method, base: try Self.model([Float](repeating: 0, count: 6)),
      models: [try Self.model(PaperVector.deltas[0])], parameters: parameters)
    trial.options.seed = seed
    let got = try #require(try await trial.run().model["w"])
    #expect(zip(got, expected).allSatisfy { ($0 - $1).magnitude < 1e-6 })
  }
}
