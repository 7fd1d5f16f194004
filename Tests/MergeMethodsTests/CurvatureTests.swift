import Foundation
import SystemPackage
import Testing
import TinctureCheckpoints
import TinctureLinearAlgebra
import TinctureMergeMethods
import TinctureMergeTesting
import TinctureMerging
import TinctureTensors

@Suite("OTA weighs by curvature and grafts what mattered")
struct CurvatureTests {
  private static let moments: [[Float]] = [
    [1, 2, 3, 4, 5, 6], [6, 5, 4, 3, 2, 1], [1, 1, 1, 1, 1, 1],
  ]

  private func merged(
    _ values: [String: ParameterValue] = [:], moments: [[Float]] = Self.moments,
    models: [[Float]] = Array(PaperVector.inputs[1...3]), withBase: Bool = true,
    perModel: [String: [ParameterValue]] = [:], name: String = "w",
    shape: Shape = Shape(rows: 2, columns: 3), seed: UInt64 = 0
  ) async throws -> [Float] {
    func model(_ values: [Float]) -> TinyModel {
      TinyModel([.init(name, shape: shape, values)])
    }
    let method = try #require(MethodRegistry.method(named: "ota"))
    var trial = MergeTrial(
      method, base: withBase ? model(PaperVector.base) : nil, models: models.map(model),
      parameters: try ResolvedParameters(
        for: method.info, values, perModel: perModel, modelCount: models.count))
    trial.statistics = moments.map(model)
    trial.options.seed = seed
    return try #require(try await trial.run().model[name])
  }

  private func expect(_ got: [Float], _ expected: [Float], within tolerance: Float = 1e-6) {
    #expect(got.count == expected.count)
    for (index, pair) in zip(got, expected).enumerated() {
      #expect((pair.0 - pair.1).magnitude <= tolerance, "[\(index)] \(pair.0) for \(pair.1)")
    }
  }

  @Test("Vectors worked out from the formula, with and without a mask")
  func vectors() async throws {
    let plain: [Float] = [
      0.513938769, -0.241906013, 0.100980762, 0.019282032, 0.343137424, -0.376288269,
    ]
    expect(try await merged(), plain)
    expect(try await merged(withBase: false), plain)
    expect(
      try await merged(["threshold": .number(0.01), "fallback": .text("mean")]),
      [0.6, -0.26, 0.086666667, 0.07, 0.38, -0.36])
    // Where no model keeps an element, the base's is the default.
    expect(
      try await merged(["threshold": .number(0.01)]), [0.6, -0.26, 0.1, 0.07, 0.38, -0.4])
  }

  @Test("Equal moments, and none, average; so does an ε far above the moments")
  func averages() async throws {
    let mean: [Float] = [0.54, -0.233333333, 0.086666667, 0.013333333, 0.336666667, -0.36]
    let equal = [[Float]](repeating: [1, 2, 3, 4, 5, 6], count: 3)
    expect(try await merged(moments: equal), mean)
    expect(try await merged(moments: []), mean)
    expect(try await merged(["power": .number(0)]), mean)
    expect(try await merged(["epsilon": .number(1e9)]), mean)
    let zeros = [[Float]](repeating: [Float](repeating: 0, count: 6), count: 3)
    expect(try await merged(["epsilon": .number(0)], moments: zeros), mean)
    expect(try await merged(["epsilon": .number(0)], moments: zeros, withBase: false), mean)
  }

  @Test("Normalised weights do not depend on the scale of a model's moments")
  func scales() async throws {
    let settings: [String: ParameterValue] = ["normalize": .bool(true), "epsilon": .number(0)]
    let tiny = Self.moments.enumerated().map { model, values in
      values.map { $0 * Float(model + 1) * 1e-18 }
    }
    expect(try await merged(settings, moments: tiny), try await merged(settings))
    let loose = try await merged(["epsilon": .number(0)], moments: tiny)
    #expect(loose != (try await merged(["epsilon": .number(0)])))
  }

  @Test("A density leaves the elements with the largest scores of each model")
  func density() async throws {
    // Scores of the first model: 0.01, 0.005, 0.0012, 0, 0.032, 0.0006.
    let alone = Array(PaperVector.inputs[1...1])
    let base = PaperVector.base
    let half = try await merged(
      ["density": .number(0.5)], moments: Array(Self.moments.prefix(1)), models: alone)
    expect(half, [alone[0][0], alone[0][1], base[2], base[3], alone[0][4], base[5]])
    let none = try await merged(
      ["density": .number(0)], moments: Array(Self.moments.prefix(1)), models: alone)
    expect(none, base)
    // One that drops everything leaves the word to the others.
    let others = try await merged(perModel: [
      "density": [.number(0), .number(1), .number(1)]
    ])
    let pair = try await merged(
      moments: Array(Self.moments.suffix(2)), models: Array(PaperVector.inputs[2...3]))
    expect(others, pair)
    let method = try #require(MethodRegistry.method(named: "ota"))
    let both = try ResolvedParameters(
      for: method.info, ["density": .number(0.5), "threshold": .number(1)], modelCount: 2)
    #expect(method.objection(to: both, modelCount: 2) != nil)
  }

  @Test(
    "Masked task vectors by their mean, or by an elected sign; worked out from the formula",
    arguments: [
      ("linear", 0, 1, [0.54, -0.233333333, 0.086666667, 0.013333333, 0.336666667, -0.36]),
      ("linear", 0.003, 1, [0.54, -0.236666667, 0.08, 0.023333333, 0.326666667, -0.37]),
      ("ties", 0, 1, [0.553333333, -0.236666667, 0.07, 0.023333333, 0.343333333, -0.356666667]),
      ("ties", 0, 0.5, [0.553333333, -0.236666667, 0.07, 0.023333333, 0.343333333, -0.37]),
      ("ties", 0.003, 1, [0.553333333, -0.236666667, 0.07, 0.023333333, 0.326666667, -0.37]),
    ] as [(String, Double, Double, [Float])])
  func aggregations(kind: String, threshold: Double, density: Double, expected: [Float])
    async throws
  {
    let settings: [String: ParameterValue] = [
      "aggregation": .text(kind), "threshold": .number(threshold), "ties_density": .number(density),
    ]
    expect(try await merged(settings), expected)
    // Weights do not count, unless they are so small that nothing does.
    expect(try await merged(settings.merging(["power": .number(2)]) { $1 }), expected)
    if density < 1 {
      let nothing = settings.merging(["ties_density": .number(0.1)]) { $1 }
      expect(try await merged(nothing), PaperVector.base)
    }
  }

  @Test(
    "Masked task vectors get back the norm that suits the tensor", .needsBLAS,
    arguments: [
      (
        "precond", "w",
        [0.515310226, -0.257241517, 0.087186258, 0.071493484, 0.381369458, -0.308079807]
      ),
      (
        "linear", "w",
        [0.542446435, -0.237378680, 0.076972903, 0.023831161, 0.327123153, -0.369359936]
      ),
      (
        "linear", "model.embed_tokens.weight",
        [0.541886351, -0.236666667, 0.077170474, 0.023333333, 0.326666667, -0.37]
      ),
      (
        "linear", "norm.bias",
        [0.544264934, -0.237094025, 0.074155488, 0.023576395, 0.327017098, -0.369687492]
      ),
      (
        "ties", "w",
        [0.556064242, -0.237378680, 0.066759548, 0.023831161, 0.327123153, -0.369359936]
      ),
    ] as [(String, String, [Float])])
  func rescaled(kind: String, name: String, expected: [Float]) async throws {
    var settings: [String: ParameterValue] = [
      "aggregation": .text(kind), "threshold": .number(0.003), "rescale": .bool(true),
    ]
    let shape = name == "norm.bias" ? Shape(vector: 6) : Shape(rows: 2, columns: 3)
    expect(try await merged(settings, name: name, shape: shape), expected)
    settings["approximate_norm"] = .bool(true)
    let near = try await merged(settings, name: name, shape: shape, seed: 3)
    expect(near, expected, within: 1e-3)
    #expect(near == (try await merged(settings, name: name, shape: shape, seed: 3)))
    // Without a mask nothing is rescaled.
    settings = ["aggregation": .text(kind)]
    let plain = try await merged(settings, name: name, shape: shape)
    settings["rescale"] = .bool(true)
    #expect(plain == (try await merged(settings, name: name, shape: shape)))
  }

  @Test("Vectors that lost too much become zero, and masks that keep nothing fall back", .needsBLAS)
  func rescalingLimits() async throws {
    var settings: [String: ParameterValue] = [
      "aggregation": .text("linear"), "threshold": .number(0.003), "rescale": .bool(true),
      "rescale_relative_threshold": .number(0.95),
    ]
    expect(
      try await merged(settings),
      [0.520286134, -0.237378680, 0.110213355, 0.023831161, 0.327123153, -0.369359936])
    settings["rescale_relative_threshold"] = .number(1e-6)
    settings["threshold"] = .number(0.009)
    expect(
      try await merged(settings),
      [0.523276879, -0.226281396, 0.1, 0.030661629, 0.332638248, -0.4])
    settings["fallback"] = .text("mean")
    expect(
      try await merged(settings),
      [0.523276879, -0.226281396, 0.086666667, 0.030661629, 0.332638248, -0.36])
  }

  @Test("Factors of single models weigh them, and what has no effect is refused")
  func settings() async throws {
    let equal = [[Float]](repeating: [1, 1, 1, 1, 1, 1], count: 3)
    let base = PaperVector.base
    let expected = base.indices.map { index in
      (0..<3).reduce(base[index]) {
        $0 + PaperVector.deltas[$1][index] * [0.5, 0.25, 0.25][$1]
      }
    }
    expect(
      try await merged(
        moments: equal, perModel: ["scaling_factor": [.number(2), .number(1), .number(1)]]),
      expected)
    let method = try #require(MethodRegistry.method(named: "ota"))
    let refused: [[String: ParameterValue]] = [
      ["ties_density": .number(0.5)], ["approximate_norm": .bool(true)],
      ["ties_density": .number(0.5), "aggregation": .text("linear")],
    ]
    for values in refused {
      let resolved = try ResolvedParameters(for: method.info, values, modelCount: 3)
      #expect(method.objection(to: resolved, modelCount: 3)?.contains("no effect") == true)
    }
  }

  @Test("What is done to task vectors needs a base")
  func needsBase() throws {
    let scratch = try ScratchDirectory()
    let moments = TinyModel([
      .init("weight", shape: Shape(rows: 2, columns: 3), [1, 2, 3, 4, 5, 6]),
      .init("bias", shape: Shape(vector: 2), [1, 2]),
    ])
    let file = try scratch.write("moments.safetensors", moments.safetensors)
    let place = SourcePosition(line: 1, column: 1)
    for (name, value) in [("aggregation", ParameterValue.text("ties")), ("rescale", .bool(true))] {
      let entry = ParameterTable.Entry(
        name: name, setting: .value(value), position: place, settingPosition: place)
      let error = #expect(throws: TinctureError.self) {
        try plan(file, in: scratch, parameters: ParameterTable([entry]))
      }
      let text = "\(error?.message ?? "") \(String(describing: error?.causes))"
      #expect(text.contains("base_model"))
    }
  }

  @Test("Approximations of moments that have their rank change nothing", .needsBLAS)
  func approximations() async throws {
    let products: [[Float]] = [[1, 2, 3, 2, 4, 6], [5, 1, 1, 10, 2, 2], [1, 1, 1, 1, 1, 1]]
    let exact = try await merged(moments: products)
    for kind in ["rank1", "svd"] {
      expect(try await merged(["approximation": .text(kind)], moments: products), exact)
      let coarse = try await merged(["approximation": .text(kind)])
      #expect(coarse != (try await merged()))
    }
    expect(
      try await merged(["approximation": .text("svd"), "rank": .number(2)]), try await merged())
  }

  @Test("Moments below zero are refused with their place")
  func negative() async throws {
    var moments = Self.moments
    moments[1][4] = -1e-9
    let error = await #expect(throws: TinctureError.self) { try await merged(moments: moments) }
    #expect(error?.message.contains("Element 4") == true)
    #expect(error?.place.model == "model1")
  }

  // MARK: Files

  private static let folder = FilePath((Bundle.module.resourcePath ?? "") + "/Fixtures/optimizer")

  /// The plan of merging one model by the moments of a file.
  private func plan(
    _ statistics: FilePath, in scratch: ScratchDirectory,
    parameters: ParameterTable = ParameterTable()
  ) throws -> MergePlan {
    let place = SourcePosition(line: 1, column: 1)
    let model = TinyModel([
      .init("weight", shape: Shape(rows: 2, columns: 3), [1, 2, 3, 4, 5, 6]),
      .init("bias", shape: Shape(vector: 2), [7, 8]),
    ])
    let path = try scratch.write("model.safetensors", model.safetensors)
    let entry = ModelEntry(
      reference: ModelReference(path: path.string),
      statistics: Located(statistics.string, at: place), position: place)
    var recipe = Recipe(
      method: Located("ota", at: place), inputs: .models([entry]),
      source: RecipeSource(name: "recipe.yaml", text: ""))
    recipe.parameters = parameters
    var planner = try Planner(recipe, methods: MethodRegistry.all)
    return try planner.plan()
  }

  @Test("The state of an optimiser that names its parameters is read as it was saved")
  func named() throws {
    let scratch = try ScratchDirectory()
    let plan = try plan(Self.folder.appending("named.pt"), in: scratch)
    var found: [String: [Float]] = [:]
    for step in plan.steps {
      let reader = try #require(step.statistics.first).reader
      var values = [Float](repeating: 0, count: reader.shape.elementCount)
      var span = values.mutableSpan
      _ = try reader.read(0..<span.count, into: &span, window: ReadWindow(byteCount: 1 << 12))
      found[step.name] = values
    }
    #expect(found == ["weight": [1, 2, 3, 4, 5, 6], "bias": [10, 20]])
  }

  @Test("Numbered parameters are refused with what to do")
  func numbered() throws {
    let scratch = try ScratchDirectory()
    let error = #expect(throws: TinctureError.self) {
      try plan(Self.folder.appending("numbered.pt"), in: scratch)
    }
    let causes = String(describing: error?.causes)
    #expect(causes.contains("named_parameters"))
  }

  @Test(
    "Moments may have the names of tensors, or those of an optimiser's state",
    arguments: [
      "", "state.", "exp_avg_sq.",
    ])
  func names(prefix: String) throws {
    let scratch = try ScratchDirectory()
    let end = prefix == "state." ? ".exp_avg_sq" : ""
    let moments = TinyModel([
      .init(prefix + "weight" + end, shape: Shape(rows: 2, columns: 3), [1, 2, 3, 4, 5, 6]),
      .init(prefix + "bias" + end, shape: Shape(vector: 2), [1, 2]),
    ])
    let plan = try plan(scratch.write("moments.safetensors", moments.safetensors), in: scratch)
    #expect(plan.steps.allSatisfy { $0.statistics.count == 1 })
  }
}
