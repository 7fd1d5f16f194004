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
    perModel: [String: [ParameterValue]] = [:]
  ) async throws -> [Float] {
    func model(_ values: [Float]) -> TinyModel {
      TinyModel([.init("w", shape: Shape(rows: 2, columns: 3), values)])
    }
    let method = try #require(MethodRegistry.method(named: "ota"))
    var trial = MergeTrial(
      method, base: withBase ? model(PaperVector.base) : nil, models: models.map(model),
      parameters: try ResolvedParameters(
        for: method.info, values, perModel: perModel, modelCount: models.count))
    trial.statistics = moments.map(model)
    return try #require(try await trial.run().model["w"])
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
  private func plan(_ statistics: FilePath, in scratch: ScratchDirectory) throws -> MergePlan {
    let place = SourcePosition(line: 1, column: 1)
    let model = TinyModel([
      .init("weight", shape: Shape(rows: 2, columns: 3), [1, 2, 3, 4, 5, 6]),
      .init("bias", shape: Shape(vector: 2), [7, 8]),
    ])
    let path = try scratch.write("model.safetensors", model.safetensors)
    let entry = ModelEntry(
      reference: ModelReference(path: path.string),
      statistics: Located(statistics.string, at: place), position: place)
    let recipe = Recipe(
      method: Located("ota", at: place), inputs: .models([entry]),
      source: RecipeSource(name: "recipe.yaml", text: ""))
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
