import SystemPackage
import Testing
import TinctureCheckpoints
import TinctureLinearAlgebra
import TinctureMergeMethods
import TinctureMergeTesting
import TinctureMerging
import TinctureTensors

@Suite("Merges by statistics")
struct StatisticsTests {
  // MARK: Recorded merges

  /// The output of a recipe that names the recorded side file, as a recipe of the case would.
  private func output(of golden: Golden, preset: String? = nil) async throws -> TinyModel {
    let place = SourcePosition(line: 1, column: 1)
    func table(_ values: [(String, ParameterValue)]) -> ParameterTable {
      ParameterTable(
        values.map {
          .init(name: $0.0, setting: .value($0.1), position: place, settingPosition: place)
        })
    }
    let entries = golden.models.enumerated().map { index, model in
      ModelEntry(
        reference: ModelReference(
          path: Golden.directory.appending("inputs/\(golden.inputs).model\(model).safetensors")
            .string),
        parameters: table(golden.perModel.map { ($0.key, $0.value[index]) }), position: place)
    }
    var recipe = Recipe(
      method: Located(golden.method, at: place), inputs: .models(entries),
      source: RecipeSource(name: "golden", text: ""))
    recipe.parameters = table(golden.values.map { ($0.key, $0.value) })
    recipe.preset = preset.map { Located($0, at: place) }
    recipe.statistics = Located(
      Golden.directory.pushing(FilePath(try #require(golden.side))).string, at: place)
    var planner = try Planner(recipe, methods: MethodRegistry.all)
    let plan = try planner.plan()
    let scratch = try ScratchDirectory()
    let output = scratch.path.appending("out.safetensors")
    let writer = try CheckpointWriter.create(output, layout: plan.layout, fingerprint: "golden")
    _ = try await MergeEngine(workers: 2, memoryLimit: 1 << 28).run(plan, into: writer)
    try writer.finish()
    return try TinyModel(reading: output)
  }

  @Test(
    "Outputs agree with FusionBench's",
    arguments: Golden.measured.filter { Backend.isAvailable || $0.method == "fisher" })
  func agrees(golden: Golden) async throws {
    #expect(try golden.differences(of: try await output(of: golden)).isEmpty)
  }

  @Test("The recorded cases are all there, and small changes are seen")
  func recorded() async throws {
    #expect(Golden.measured.count == 3)
    let raw = try #require(Golden.measured.first { $0.id == "fb_fisher_raw" })
    #expect(!(try raw.differences(of: try await output(of: raw, preset: "official"))).isEmpty)
  }

  // MARK: What the formulas say

  private static let information: [[Float]] = [
    [1, 2, 3, 4, 5, 6], [6, 5, 4, 3, 2, 1], [1, 1, 1, 1, 1, 1],
  ]
  private static let grams: [[Float]] = [
    [2, 0.5, 0, 0.5, 1, 0.2, 0, 0.2, 1.5], [1, -0.3, 0.1, -0.3, 2, 0, 0.1, 0, 1],
    [1.5, 0.1, 0.4, 0.1, 1, -0.2, 0.4, -0.2, 2],
  ]

  private func matrix(_ rows: Int, _ columns: Int, _ values: [Float]) -> TinyModel {
    TinyModel([.init("w", shape: Shape(rows: rows, columns: columns), values)])
  }

  private func merged(
    _ name: String, _ models: [TinyModel], _ statistics: [TinyModel], base: TinyModel? = nil,
    _ values: [String: ParameterValue] = [:], perModel: [String: [ParameterValue]] = [:]
  ) async throws -> [Float] {
    let method = try #require(MethodRegistry.method(named: name))
    var trial = MergeTrial(
      method, base: base, models: models,
      parameters: try ResolvedParameters(
        for: method.info, values, perModel: perModel, modelCount: models.count))
    trial.statistics = statistics
    return try #require(try await trial.run().model["w"])
  }

  private func expect(_ got: [Float], _ expected: [Float], within tolerance: Float = 1e-6) {
    #expect(got.count == expected.count)
    for (index, pair) in zip(got, expected).enumerated() {
      #expect((pair.0 - pair.1).magnitude <= tolerance, "[\(index)] \(pair.0) for \(pair.1)")
    }
  }

  private var models: [TinyModel] { (1...3).map { matrix(2, 3, PaperVector.inputs[$0]) } }

  private let bare: [String: ParameterValue] = [
    "normalize": .bool(false), "minimal_fisher_weight": .number(0),
  ]

  @Test("Fisher merging weighs element by element")
  func fisher() async throws {
    let information = Self.information.map { matrix(2, 3, $0) }
    expect(
      try await merged("fisher", models, information, bare),
      [0.49, -0.24875, 0.11125, 0.0225, 0.35125, -0.39125])
    // A model of which nothing is known takes no part, and where nothing is known all are averaged.
    var none = information
    none[0] = none[0].mapValues { _, _, _ in 0 }
    none[1].replace(0, of: "w", by: 0)
    none[2].replace(0, of: "w", by: 0)
    let got = try await merged("fisher", models, none, bare)
    expect([got[0]], [0.54])
    expect([got[1]], [(-0.26 * 5 - 0.19) / 6])
  }

  @Test("A floor for the first model alone favours it")
  func target() async throws {
    let zeros = models.map { $0.mapValues { _, _, _ in 0 } }
    let first = PaperVector.inputs[1]
    expect(try await merged("fisher", models, zeros, ["favor_target_model": .bool(true)]), first)
    // Without statistics, too.
    expect(try await merged("fisher", models, [], ["favor_target_model": .bool(true)]), first)
    let mean = try await merged("fisher", models, zeros)
    expect(try await merged("fisher", models, []), mean)
    expect(
      [mean[0]], [0.54])
  }

  @Test("Normalised information does not depend on its scale, and a relative floor neither")
  func scales() async throws {
    let information = Self.information.map { matrix(2, 3, $0) }
    let tiny = information.enumerated().map { model, one in
      one.mapValues { _, _, value in value * Float(model + 1) * 1e-9 }
    }
    let settings: [String: ParameterValue] = [
      "norm_epsilon": .number(0), "floor_scale": .text("relative"),
      "minimal_fisher_weight": .number(1e-3),
    ]
    for scope in ["model", "tensor"] {
      let values = settings.merging(["normalize_by": .text(scope)]) { $1 }
      expect(
        try await merged("fisher", models, tiny, values),
        try await merged("fisher", models, information, values))
    }
    // An absolute floor hides what is small.
    let hidden = try await merged("fisher", models, tiny, ["normalize": .bool(false)])
    expect(hidden, try await merged("fisher", models, []), within: 1e-3)
  }

  @Test("Information below zero or without a number is refused")
  func negative() async throws {
    var information = Self.information.map { matrix(2, 3, $0) }
    information[1].replace(4, of: "w", by: -1e-9)
    let error = await #expect(throws: TinctureError.self) {
      try await merged("fisher", models, information)
    }
    #expect(error?.message.contains("Element 4") == true)
    #expect(error?.place.model == "model1")
    information[1].replace(4, of: "w", by: .nan)
    await #expect(throws: TinctureError.self) { try await merged("fisher", models, information) }
  }

  @Test("Coefficients weigh, and must not all be zero")
  func coefficients() async throws {
    let information = Self.information.map { matrix(2, 3, $0) }
    let got = try await merged(
      "fisher", models, information, bare,
      perModel: ["coefficients": [.number(0), .number(2), .number(0)]])
    expect(got, PaperVector.inputs[2])
    let method = try #require(MethodRegistry.method(named: "fisher"))
    let zero = try ResolvedParameters(
      for: method.info, ["coefficients": .number(0)], modelCount: 2)
    #expect(method.objection(to: zero, modelCount: 2) != nil)
  }

  @Test(
    "RegMean solves for the weight", .needsBLAS,
    arguments: [
      (1.0, [0.551718073, -0.221378855, 0.069364659, 0.017970978, 0.312652177, -0.367330109]),
      (0.9, [0.552180356, -0.223272174, 0.069715298, 0.016633816, 0.313727217, -0.367018937]),
      (0, [0.555555556, -0.24, 0.073333333, 0.005555556, 0.3225, -0.365555556]),
    ] as [(Double, [Float])])
  func regmean(ratio: Double, expected: [Float]) async throws {
    let grams = Self.grams.map { matrix(3, 3, $0) }
    let values: [String: ParameterValue] = ["reduce_non_diagonal_ratio": .number(ratio)]
    expect(try await merged("regmean", models, grams, values), expected)
    // The same weights stored [in, out].
    func turned(_ x: [Float]) -> [Float] { [0, 3, 1, 4, 2, 5].map { x[$0] } }
    let others = (1...3).map { matrix(3, 2, turned(PaperVector.inputs[$0])) }
    expect(try await merged("regmean", others, grams, values), turned(expected))
    // Square weights are taken as [out, in], unless the recipe says how they are stored.
    let square = (1...3).map { matrix(3, 3, PaperVector.inputs[$0] + [0, 0, 0]) }
    let tilted = (1...3).map { model in
      let x = PaperVector.inputs[model]
      return matrix(3, 3, [x[0], x[3], 0, x[1], x[4], 0, x[2], x[5], 0])
    }
    let plain = try await merged("regmean", square, grams, values)
    expect(Array(plain.prefix(6)), expected)
    let layout = values.merging(["weight_layout": .text("in_out")]) { $1 }
    let other = try await merged("regmean", tilted, grams, layout)
    expect([0, 3, 6, 1, 4, 7].map { other[$0] }, expected)
    let error = await #expect(throws: TinctureError.self) {
      try await merged("regmean", models, grams, layout)
    }
    #expect(error?.message.contains("weight_layout in_out") == true)
    // LOT is RegMean on task vectors, where the Gram matrices have full rank.
    guard ratio == 1 else { return }
    let base = matrix(2, 3, PaperVector.base)
    expect(try await merged("lot", models, grams, base: base), expected)
    let half = try await merged(
      "lot", models, grams, base: base, ["lambda": .number(0.5)])
    expect(half, zip(PaperVector.base, expected).map { ($0 + $1) / 2 })
  }

  @Test(
    "RegMean is exact to double precision where single precision is not enough", .needsBLAS,
    arguments: [0.5, 1])
  func illConditioned(ratio: Double) async throws {
    // Nearly dependent inputs of very different sizes.
    let (width, outputs) = (10, 6)
    let random = CounterRandom(seed: 3, tensor: "w", model: 0, purpose: "test")
    func values(_ count: Int, from start: Int) -> [Float] {
      (0..<count).map { Float(random.uniform(at: start + $0)) - 0.5 }
    }
    var (grams, models): ([TinyModel], [TinyModel]) = ([], [])
    var system = Matrix<Double>(rows: width, columns: width)
    var right = Matrix<Double>(rows: outputs, columns: width)
    let algebra = try Backend.shared
    for model in 0..<3 {
      var inputs = Matrix<Double>(
        rows: 40, columns: width, values(40 * width, from: 1000 * model).map(Double.init))
      for row in 0..<40 {
        inputs[row, 1] = inputs[row, 0] + 3e-3 * inputs[row, 1]
        inputs[row, 2] *= 3000
      }
      let gram = try algebra.gram(inputs, of: .columns).converted(to: Float.self)
      let weight = values(outputs * width, from: 1000 * model + 500)
      grams.append(matrix(width, width, gram.array))
      models.append(matrix(outputs, width, weight))
      var shrunk = gram.converted(to: Double.self)
      _ = shrunk.symmetrize(scalingOffDiagonal: ratio)
      system.add(shrunk)
      right.add(
        try algebra.multiply(
          Matrix(rows: outputs, columns: width, weight.map(Double.init)), shrunk))
    }
    let wanted = try #require(try algebra.solve(gram: &system, rows: right, jitter: 0))
    let got = try await merged(
      "regmean", models, grams, ["reduce_non_diagonal_ratio": .number(ratio)])
    expect(got, wanted.array.map(Float.init), within: 2e-6 * Float(wanted.largestMagnitude))
  }

  @Test("RegMean goes beyond the range of single precision where it must", .needsBLAS)
  func largeNumbers() async throws {
    let ratio: [String: ParameterValue] = ["reduce_non_diagonal_ratio": .number(0.9)]
    let plain = try await merged(
      "regmean", models, Self.grams.map { matrix(3, 3, $0) }, ratio)
    let large = try await merged(
      "regmean", models.map { $0.mapValues { _, _, value in 1e10 * value } },
      Self.grams.map { matrix(3, 3, $0.map { 1e30 * $0 }) }, ratio)
    expect(large.map { $0 / 1e10 }, plain)
  }

  @Test(
    "Directions that no input has are averaged by RegMean and left to the base by LOT", .needsBLAS)
  func unseen() async throws {
    // Inputs along (1, 1, 0) only; the third is never there.
    let seen: [Float] = [1, 1, 0, 1, 1, 0, 0, 0, 0]
    let grams = [seen, seen.map { 3 * $0 }].map { matrix(3, 3, $0) }
    let pair = [matrix(1, 3, [1, 1, 5]), matrix(1, 3, [3, 3, 7])]
    let ratio: [String: ParameterValue] = ["reduce_non_diagonal_ratio": .number(1)]
    for jitter in [1e-6, 0] {
      let values = ratio.merging(["jitter": .number(jitter)]) { $1 }
      expect(try await merged("regmean", pair, grams, values), [2.5, 2.5, 6], within: 1e-5)
    }
    let base = matrix(1, 3, [0, 1, 2])
    // τ = (1, 0, 3), (3, 2, 5): along (1, 1)/2 the mean of 1 and 5 with weights 1 and 3 is 4.
    expect(try await merged("lot", pair, grams, base: base), [2, 3, 2], within: 1e-5)
  }

  @Test(
    "LOT weighs factors by the squares of what they multiply, and averages the rest", .needsBLAS)
  func factors() async throws {
    func vector(_ values: [Float]) -> TinyModel {
      TinyModel([.init("w", shape: Shape(vector: values.count), values)])
    }
    let base = vector([1, 1, 1])
    let models = [vector([2, 2, 3]), vector([4, 1, 1])]
    let squares = [vector([1, 1, 0]), vector([3, 1, 0])]
    expect(
      try await merged("lot", models, squares, base: base), [1 + (1 + 9) / 4, 1.5, 2])
    expect(
      try await merged("lot", models, [], base: base, ["lambda": .number(2)]), [5, 2, 3])
  }

  @Test("What is no Gram matrix is refused", .needsBLAS)
  func noGram() async throws {
    var grams = Self.grams.map { matrix(3, 3, $0) }
    grams[2].replace(1, of: "w", by: 0.7)
    let error = await #expect(throws: TinctureError.self) {
      try await merged("regmean", models, grams)
    }
    #expect(error?.message.contains("not symmetric") == true)
    #expect(error?.place.model == "model2")
  }
}
