import Testing
import TinctureLinearAlgebra
import TinctureMergeMethods
import TinctureMergeTesting
import TinctureMerging
import TinctureTensors

/// A method between steps, with settings under which it must keep its promises.
struct Chain: Sendable, CustomStringConvertible {
  typealias Setting = (name: String, values: [String: ParameterValue])

  let method: String
  var values: [String: ParameterValue] = [:]
  var before: [Setting] = []
  var after: [Setting] = []
  var except: Set<MethodConformance.Promise> = []

  var description: String {
    (before.map(\.name) + [method] + after.map(\.name)).joined(separator: " → ")
  }

  var needsAlgebra: Bool {
    (after.map(\.name) + [method]).contains { ["svc", "iso_c"].contains($0) }
  }

  /// The method between its steps, and the settings of the steps.
  func composed() throws -> (any MergeMethod, [(FilterInfo, [String: ParameterValue])]) {
    let own = try #require(MethodRegistry.method(named: method))
    let catalog = FilterRegistry.all
    let before = try before.map { step in
      (try #require(catalog.preprocess.first { $0.info.name == step.name }), step.values)
    }
    let after = try after.map { step in
      (try #require(catalog.postprocess.first { $0.info.name == step.name }), step.values)
    }
    return (
      own.between(before.map(\.0), after.map(\.0)),
      before.map { ($0.0.info, $0.1) } + after.map { ($0.0.info, $0.1) }
    )
  }

  func trial(_ models: [TinyModel], base: TinyModel) throws -> MergeTrial {
    let (method, filters) = try composed()
    var parameters = try ResolvedParameters(
      for: method.info, values, modelCount: models.count)
    for (info, values) in filters {
      parameters.filters.append(
        try ResolvedParameters(for: info, values, modelCount: models.count))
    }
    return MergeTrial(method, base: base, models: models, parameters: parameters)
  }

  static let half: [String: ParameterValue] = ["density": .number(0.5)]
  static let sum: [String: ParameterValue] = ["weight": .number(1)]
  static let ties: [String: ParameterValue] = ["weight": .number(1), "density": .number(0.5)]

  static let all: [Chain] = [
    Chain(method: "task_arithmetic", values: sum, before: [("dare", half)]),
    Chain(
      method: "task_arithmetic", values: sum,
      before: [("dare", ["density": .number(0.5), "rescale_rule": .text("l1")])]),
    Chain(method: "ties", values: half, before: [("dare", [:])], after: [("lines", [:])]),
    Chain(
      method: "task_arithmetic", before: [("trim", half), ("elect", [:])],
      after: [("scale", ["factor": .number(0.3)])]),
    Chain(
      method: "sce", values: ["select_topk": .number(0.4)],
      before: [("trim", ["density": .number(0.5), "trim": .text("global")])]),
    Chain(
      method: "model_stock",
      before: [
        (
          "ties",
          [
            "density": .number(0.4), "trim": .text("global"), "selection": .text("threshold"),
            "zero_sign": .text("majority"),
          ]
        )
      ]),
    // Few elements are left in common, and the ratio of Model Stock makes much of their rounding.
    Chain(
      method: "model_stock", before: [("breadcrumbs", half)], after: [("lines", [:])],
      except: [.symmetry]),
    Chain(method: "ties", values: half, before: [("breadcrumbs", ["band": .text("tensor")])]),
    Chain(method: "sce", before: [("della", [:])]),
    Chain(
      method: "ties", values: half,
      before: [
        ("della", ["rescale_rule": .text("l1")]), ("normalize", [:]),
        ("normalize", ["norm_of": .text("model")]),
      ], after: [("lines", ["alpha": .number(0.2)])]),
    Chain(
      method: "linear", values: ["weight": .number(1)], before: [("trim", half)],
      after: [("lines", [:])]),
    Chain(method: "karcher", before: [("normalize", [:])]),
    Chain(
      method: "ties", values: half,
      before: [("awd", ["alpha": .number(0), "lr": .number(0.1)]), ("trim", half)],
      // Which pairs are alike decides by signs of cosines, which rounding may turn.
      except: [.symmetry]),
    Chain(method: "wise_ft", before: [("lines", ["alpha": .number(0.25)])]),
    Chain(method: "task_arithmetic", values: sum, after: [("svc", [:])]),
    Chain(
      method: "iso_c", before: [("normalize", [:]), ("elect", [:])],
      after: [("lines", [:]), ("svc", ["alpha": .number(1)]), ("lines", [:])]),
  ]
}

@Suite("Steps before and after methods")
struct CompositionTests {
  private let base = ConformanceModelsSource.base
  private let models = ConformanceModelsSource.models

  @Test(
    "A method between steps keeps the promises of a method",
    arguments: Chain.all.filter { Backend.isAvailable || !$0.needsAlgebra })
  func keepsPromises(chain: Chain) async throws {
    let (method, filters) = try chain.composed()
    let conformance = try MethodConformance(
      method, values: chain.values, except: chain.except, filters: filters)
    let violations = try await conformance.violations()
    #expect(violations.isEmpty)
  }

  private func output(_ chain: Chain) async throws -> TinyModel {
    try await chain.trial(models, base: base).run().model
  }

  @Test("A chain of nothing is the method itself")
  func nothing() async throws {
    let method = try #require(MethodRegistry.method(named: "ties"))
    #expect(method.between([], []) is SparsifiedArithmetic)
  }

  @Test("Steps that change nothing change nothing")
  func identities() async throws {
    let plain = try await output(Chain(method: "ties", values: Chain.ties))
    let whole: [String: ParameterValue] = ["density": .number(1)]
    for chain in [
      Chain(method: "ties", values: Chain.ties, before: [("dare", whole)]),
      Chain(method: "ties", values: Chain.ties, before: [("trim", whole)]),
      Chain(
        method: "ties", values: Chain.ties,
        before: [("lines", ["alpha": .number(1)])], after: [("scale", ["factor": .number(1)])]),
      Chain(
        method: "ties", values: Chain.ties,
        after: [("lines", ["alpha": .number(1), "beta": .number(0)])]),
    ] {
      let same = try await output(chain)
      #expect(same == plain, "\(chain)")
    }
  }

  @Test("Steps before task arithmetic make the methods that are made of them")
  func equalities() async throws {
    let pairs: [(Chain, Chain)] = [
      (
        Chain(
          method: "task_arithmetic", values: Chain.sum,
          before: [("breadcrumbs", ["density": .number(0.5), "gamma": .number(0.1)])]),
        Chain(
          method: "breadcrumbs",
          values: [
            "weight": .number(1), "density": .number(0.5), "gamma": .number(0.1),
            "band": .text("row"),
          ])
      ),
      (
        Chain(method: "task_arithmetic", values: Chain.sum, before: [("ties", Chain.half)]),
        Chain(
          method: "ties",
          values: [
            "weight": .number(1), "density": .number(0.5), "normalize": .bool(false),
          ])
      ),
      (
        Chain(
          method: "task_arithmetic", values: Chain.sum,
          before: [("trim", Chain.half), ("elect", [:])]),
        Chain(method: "task_arithmetic", values: Chain.sum, before: [("ties", Chain.half)])
      ),
      (
        Chain(
          method: "task_arithmetic",
          values: ["weight": .number(1), "lambda": .number(0.25)]),
        Chain(
          method: "task_arithmetic", values: Chain.sum,
          after: [("scale", ["factor": .number(0.25)])])
      ),
      (
        Chain(
          method: "task_arithmetic", values: ["weight": .number(1), "lambda": .number(0.3)],
          before: [("awd", ["alpha": .number(0.01), "lr": .number(0.05)])]),
        Chain(method: "awd", values: ["alpha": .number(0.01), "lr": .number(0.05)])
      ),
      (
        Chain(method: "lines", values: ["alpha": .number(0.25)]),
        Chain(
          method: "task_arithmetic", values: Chain.sum,
          after: [("lines", ["alpha": .number(0.25)])])
      ),
    ]
    for (chain, other) in pairs {
      let (got, want) = (try await output(chain), try await output(other))
      let distance = got.distance(to: want)
      #expect(distance < 1e-6, "\(chain): \(distance)")
    }
    // The redundant vector is not nothing.
    let plain = try await output(
      Chain(
        method: "task_arithmetic", values: ["weight": .number(1), "lambda": .number(0.3)]))
    let without = try await output(
      Chain(method: "awd", values: ["alpha": .number(0.01), "lr": .number(0.05)]))
    #expect(plain.distance(to: without) > 1e-4)
  }

  @Test("Alpha of LiNeS makes the merged task vector as long as the mean of the models' own")
  func automaticAlpha() async throws {
    let merged = try await output(
      Chain(
        method: "ties", values: Chain.ties,
        after: [("lines", ["beta": .number(0)])]))
    func norm(_ vector: (String, Int) -> Double) -> Double {
      var square = 0.0
      for tensor in base.tensors {
        for index in tensor.values.indices {
          let value = vector(tensor.name, index)
          square += value * value
        }
      }
      return square.squareRoot()
    }
    func value(_ model: TinyModel, _ name: String, _ index: Int) -> Double {
      Double(model[name]?[index] ?? .nan)
    }
    let own = norm { name, index in
      models.reduce(0) { $0 + value($1, name, index) - value(base, name, index) }
    }
    let length = norm { value(merged, $0, $1) - value(base, $0, $1) }
    #expect((length - own / Double(models.count)).magnitude < 1e-5 * own)
  }

  @Test("Equal norms are equal")
  func normalized() async throws {
    for kind in ["tensor", "model"] {
      var lengths: [Double] = []
      for model in models.indices {
        var weights = [ParameterValue](repeating: .number(0), count: models.count)
        weights[model] = .number(1)
        let chain = Chain(
          method: "task_arithmetic", values: Chain.sum,
          before: [("normalize", ["norm_of": .text(kind)])])
        var trial = try chain.trial(models, base: base)
        trial.parameters.models["weight"] = weights
        let output = try await trial.run().model
        lengths.append(
          base.tensors.reduce(0.0) { sum, tensor in
            zip(output[tensor.name] ?? [], tensor.values).reduce(sum) {
              $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1)
            }
          }.squareRoot())
      }
      for length in lengths { #expect((length - lengths[0]).magnitude < 1e-5 * lengths[0]) }
    }
  }

  @Test("Two steps that draw do not draw the same numbers")
  func independentDraws() async throws {
    let name = "w"
    let shape = Shape(rows: 64, columns: 64)
    let zero = TinyModel([.init(name, shape: shape, [Float](repeating: 0, count: 4096))])
    let one = TinyModel([.init(name, shape: shape, [Float](repeating: 1, count: 4096))])
    let dare: Chain.Setting = ("dare", ["density": .number(0.5), "rescale": .bool(false)])
    for chain in [
      Chain(method: "task_arithmetic", values: Chain.sum, before: [dare, dare]),
      Chain(
        method: "dare_linear",
        values: ["weight": .number(1), "density": .number(0.5), "rescale": .bool(false)],
        before: [dare]),
    ] {
      let output = try await chain.trial([one], base: zero).run().model
      let kept = (output[name] ?? []).filter { $0 != 0 }.count
      #expect((900...1150).contains(kept), "\(chain): \(kept) of 4096")
    }
  }

  @Test("Names and parameters of steps are sound")
  func registry() {
    let catalog = FilterRegistry.all
    for infos in [catalog.preprocess.map(\.info), catalog.postprocess.map(\.info)] {
      let names = infos.flatMap { [$0.name] + $0.aliases }
      #expect(Set(names).count == names.count)
      for info in infos {
        #expect(Set(info.parameters.map(\.name)).count == info.parameters.count)
        for parameter in info.parameters {
          if let value = parameter.defaultValue { #expect(parameter.objection(to: value) == nil) }
        }
      }
    }
  }
}

/// Three models of one base, with tensors of several shapes.
enum ConformanceModelsSource {
  private static let shapes: [(String, Shape)] = [
    ("embed.weight", Shape(rows: 7, columns: 12)), ("layers.0.w", Shape(rows: 12, columns: 12)),
    ("layers.0.b", Shape(vector: 12)),
    ("layers.1.w", Shape(rows: 12, columns: 12)), ("layers.1.b", Shape(vector: 12)),
    ("head.weight", Shape(rows: 5, columns: 12)),
  ]

  static let base = model { _, index in Float(index % 7) / 4 - 0.5 }

  static let models: [TinyModel] = (1...3).map { seed in
    model { tensor, index in
      // Sums of small binary fractions, so that task vectors are exact.
      let noise = (index * 37 + seed * 101 + tensor * 59 + index * index * seed) % 127
      return Float(index % 7) / 4 - 0.5 + Float(noise - 63) / 256 * Float(seed)
    }
  }

  private static func model(_ value: (Int, Int) -> Float) -> TinyModel {
    TinyModel(
      shapes.enumerated().map { tensor, entry in
        .init(
          entry.0, shape: entry.1, (0..<entry.1.elementCount).map { value(tensor, $0) })
      })
  }
}

extension TinyModel {
  /// The largest difference of two elements.
  fileprivate func distance(to other: TinyModel) -> Float {
    var largest: Float = 0
    for tensor in tensors {
      let others = other[tensor.name] ?? []
      guard others.count == tensor.values.count else { return .infinity }
      for (a, b) in zip(tensor.values, others) {
        let difference = (a - b).magnitude
        guard difference.isFinite else { return .infinity }
        largest = max(largest, difference)
      }
    }
    return largest
  }
}
