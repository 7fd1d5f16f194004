import Testing
import TinctureMergeTesting
import TinctureMerging
import TinctureTensors

@testable import TinctureMergeMethods

extension ConformanceCase {
  /// Settings of methods in which models compete for elements.
  static let competing: [ConformanceCase] = [
    // Of equal magnitudes the later model's counts.
    .of("magmax", except: [.symmetry]),
    .of("pcb"),
    .of("pcb", ["ratio": .number(0.4), "clip_low": .number(0.1), "inter": .text("normalized")]),
    .of("consensus"),
    .of("consensus", ["vector": .text("ties"), "tall_mask_lambda": .number(0.6)]),
    .of("tall_masks"),
    .of("tall_masks", ["vector": .text("ties"), "density": .number(0.4)]),
    .of("emr"),
    .of("emr", ["rescale": .text("sums")]),
    .of("widen"),
    .of("widen", ["above_average_value_ratio": .number(0.5)]),
    .of("delta_guided"),
    .of("delta_guided", ["granularity": .text("row"), "power": .number(2)]),
    .of("delta_guided", ["granularity": .text("element")]),
    .of("mwa", ["by": .text("step")]),
    .of("half_reset", ["granularity": .text("tensor")]),
    .of("flexmerge", ["inner": .text("average")]),
    // Which of several equal clusters is the output's depends on the order.
    .of("flexmerge", ["size": .number(2.5), "linkage": .text("complete")], except: [.symmetry]),
    .of(
      "flexmerge",
      ["size": .number(1.5), "inner": .text("ties"), "similarity": .text("euclidean")],
      except: [.symmetry]),
    .of("flexmerge", ["inner": .text("pcb"), "order": .text("cluster")]),
    .of(
      "flexmerge",
      ["size": .number(2.5), "inner": .text("pcb"), "ratio": .number(0.4)], except: [.symmetry]),
    .of(
      "flexmerge",
      [
        "size": .number(2), "similarity": .text("sign"), "linkage": .text("average"),
        "order": .text("left_to_right"),
      ], except: [.symmetry]),
    .of("flexmerge", ["size": .number(2.2), "inner": .text("emr")], except: [.symmetry]),
    .of("flexmerge", ["size": .number(2.2), "inner": .text("consensus_ta")], except: [.symmetry]),
    .of(
      "flexmerge",
      ["size": .number(3.5), "inner": .text("consensus_ties"), "order": .text("right_to_left")],
      except: [.symmetry]),
  ]
}

@Suite("Methods in which models compete for elements")
struct CompetitionTests {
  @Test("They keep the promises of the library", arguments: ConformanceCase.competing)
  func keepsPromises(setting: ConformanceCase) async throws {
    let method = try #require(MethodRegistry.method(named: setting.name))
    let conformance = try MethodConformance(method, values: setting.values, except: setting.except)
    let violations = try await conformance.violations()
    #expect(violations.isEmpty)
  }

  private func model(_ tensors: [(String, [Int])], seed: UInt64, scale: Float) throws -> TinyModel {
    TinyModel(
      try tensors.map { name, extents in
        let shape = try #require(Shape(extents))
        let random = CounterRandom(seed: seed, tensor: name, purpose: "competition")
        let values = (0..<shape.elementCount).map { index in
          // Nearly normal: a sum of a few uniform numbers.
          scale * (0..<4).reduce(Float(-2)) { $0 + Float(random.uniform(at: 4 * index + $1)) }
        }
        return .init(name, shape: shape, values)
      })
  }

  private func models(_ count: Int, _ tensors: [(String, [Int])] = [("a", [31, 20]), ("b", [57])])
    throws -> (base: TinyModel, tuned: [TinyModel])
  {
    let base = try model(tensors, seed: 1, scale: 1)
    let tuned = try (0..<count).map { number in
      let change = try model(tensors, seed: UInt64(10 + number), scale: 0.1)
      return base.mapValues { name, index, value in value + (change[name]?[index] ?? 0) }
    }
    return (base, tuned)
  }

  private func merge(
    _ method: any MergeMethod, _ base: TinyModel?, _ models: [TinyModel],
    _ values: [String: ParameterValue] = [:], perModel: [String: [ParameterValue]] = [:],
    seed: UInt64 = 0
  ) async throws -> TinyModel {
    var trial = MergeTrial(
      method, base: base, models: models,
      parameters: try ResolvedParameters(
        for: method.info, values, perModel: perModel, modelCount: models.count))
    trial.options.seed = seed
    return try await trial.run().model
  }

  private func flat(_ model: TinyModel) -> [Float] {
    model.tensors.sorted { $0.name < $1.name }.flatMap(\.values)
  }

  private func largestDifference(_ left: TinyModel, _ right: TinyModel) -> Float {
    zip(flat(left), flat(right)).reduce(0) { max($0, ($1.0 - $1.1).magnitude) }
  }

  @Test(
    "One model alone is given back",
    arguments: [
      ("magmax", ["lambda": ParameterValue.number(1)]), ("emr", [:]), ("tall_masks", [:]),
      ("widen", [:]), ("consensus", ["consensus_k": .number(1), "lambda": .number(1)]),
      ("delta_guided", [:]), ("delta_guided", ["granularity": .text("row")]), ("flexmerge", [:]),
      ("half_reset", ["ratio": .number(0)]),
    ])
  func alone(name: String, values: [String: ParameterValue]) async throws {
    let (base, tuned) = try models(1)
    let method = try #require(MethodRegistry.method(named: name))
    let merged = try await merge(method, base, tuned, values)
    #expect(largestDifference(merged, tuned[0]) < 1e-6)
  }

  /// The steps of the publication, written plainly over whole vectors in double precision.
  private func pcb(
    _ vectors: [[Double]], ratio: Double, low: Double, high: Double, isNormalized: Bool
  ) -> [Double] {
    let count = vectors[0].count
    func fraction(_ x: [Double]) -> [Double] {
      let (least, most) = (x.min() ?? 0, x.max() ?? 0)
      return x.map { most > least ? ($0 - least) / (most - least) : 0 }
    }
    func sign(_ x: Double) -> Double { x > 0 ? 1 : x < 0 ? -1 : 0 }
    let sizes = vectors.map { vector in
      let sorted = vector.map(\.magnitude).sorted()
      let least = sorted[Int(Double(count) * low)]
      let most = sorted[Int(Double(count) * (1 - high) - 1)]
      return vector.map { min(max($0.magnitude, least), most) }
    }
    let shares = sizes.map(fraction)
    let sums = (0..<count).map { index in
      vectors.indices.reduce(0.0) {
        $0
          + (isNormalized
            ? sign(vectors[$1][index]) * shares[$1][index] : vectors[$1][index])
      }
    }
    let weights = vectors.indices.map { model in
      let balance = (0..<count).map { index in
        let s = shares[model][index]
        let z = vectors[model][index] * sums[index]
        let (up, down) = (Powers.exponential(z), Powers.exponential(-z))
        return Powers.exponential(Double(vectors.count) * s * s) * (up - down) / (up + down)
      }
      let from = balance.sorted()[Int(Double(count) * (1 - ratio))]
      return fraction(balance.map { max($0, from) })
    }
    return (0..<count).map { index in
      let total = weights.reduce(0) { $0 + $1[index] }
      let sum = vectors.indices.reduce(0.0) {
        $0 + sign(vectors[$1][index]) * sizes[$1][index] * weights[$1][index]
      }
      return sum / max(total, 1e-12)
    }
  }

  @Test("PCB agrees with its steps over whole vectors", arguments: ["root", "vision", "flexmerge"])
  func competition(preset: String) async throws {
    let (base, tuned) = try models(3)
    let info = Pcb().info
    let preset = try #require(info.presets.first { $0.name == preset })
    var values = Dictionary(uniqueKeysWithValues: preset.values.map { ($0.name, $0.value) })
    values["ratio"] = .number(0.3)
    let merged = flat(try await merge(Pcb(), base, tuned, values))
    let parameters = try ResolvedParameters(for: info, values, modelCount: 3)
    let origin = flat(base)
    let expected = pcb(
      tuned.map { zip(flat($0), origin).map { Double($0 - $1) } }, ratio: 0.3,
      low: parameters[Pcb.clipLow], high: parameters[Pcb.clipHigh],
      isNormalized: parameters[Pcb.inter] == "normalized")
    let scale = parameters[Pcb.scale]
    for (index, value) in merged.enumerated() {
      let got = Double(value - origin[index])
      #expect((got - scale * expected[index]).magnitude < 2e-5, "[\(index)]")
    }
    #expect(expected.contains { $0 != 0 })
  }

  @Test("FlexMerge over whole models is what is inside of it")
  func flexible() async throws {
    let (base, tuned) = try models(3)
    let whole: [String: ParameterValue] = ["order": .text("cluster"), "ratio": .number(0.3)]
    let pcb = try await merge(Pcb(), base, tuned, ["ratio": .number(0.3), "lambda": .number(0.7)])
    let competing = try await merge(
      FlexMerge(), base, tuned,
      whole.merging(["inner": .text("pcb"), "lambda": .number(0.7)]) { $1 })
    #expect(competing == pcb)
    let emr = try await merge(Emr(), base, tuned)
    let elected = try await merge(
      FlexMerge(), base, tuned, whole.merging(["inner": .text("emr")]) { $1 })
    #expect(elected == emr)
    let linear = try #require(MethodRegistry.method(named: "task_arithmetic"))
    let sum = try await merge(linear, base, tuned, ["weight": .number(1), "lambda": .number(0.5)])
    for inner in ["task_arithmetic", "consensus_ta"] {
      let mean = try await merge(
        FlexMerge(), base, tuned,
        whole.merging(["inner": .text(inner), "lambda": .number(1.5)]) { $1 })
      #expect(largestDifference(mean, sum) < 1e-6)
    }
  }

  @Test("FlexMerge competes in each cluster, by its members alone")
  func clustered() async throws {
    // Three copies of one change and another one far from it: the copies are merged.
    let (base, tuned) = try models(2, [("a", [31, 20])])
    let merged = try await merge(
      FlexMerge(), base, [tuned[0], tuned[0], tuned[0], tuned[1]],
      ["inner": .text("pcb"), "size": .number(2), "ratio": .number(1), "clip_low": .number(0)])
    let origin = flat(base)
    // Where all agree nothing competes: what is above the least balance is kept, but for the clipped top.
    let changes = zip(flat(merged), origin).map { $0 - $1 }
    let own = zip(flat(tuned[0]), origin).map { $0 - $1 }
    let kept = changes.indices.filter { changes[$0] != 0 }
    #expect(kept.count > changes.count / 2)
    let wrong = kept.filter { (changes[$0] - own[$0]).magnitude > 2e-3 }
    #expect(wrong.count <= 1)
  }

  @Test("FlexMerge draws clusters by the seed")
  func drawn() async throws {
    let (base, tuned) = try models(4, (0..<8).map { ("t\($0)", [5, 9]) })
    let values: [String: ParameterValue] = ["order": .text("random"), "size": .number(2.5)]
    let first = try await merge(FlexMerge(), base, tuned, values, seed: 1)
    #expect(try await merge(FlexMerge(), base, tuned, values, seed: 1) == first)
    #expect(try await merge(FlexMerge(), base, tuned, values, seed: 2) != first)
  }

  @Test("FlexMerge refuses what would have no effect")
  func objections() throws {
    let info = FlexMerge().info
    func objection(_ values: [String: ParameterValue]) throws -> String? {
      FlexMerge().objection(
        to: try ResolvedParameters(for: info, values, modelCount: 4), modelCount: 4)
    }
    #expect(try objection([:]) == nil)
    #expect(try objection(["inner": .text("average"), "lambda": .number(2)]) != nil)
    #expect(try objection(["inner": .text("emr"), "lambda": .number(2)]) != nil)
    #expect(try objection(["similarity": .text("sign")])?.contains("linkage") == true)
    #expect(try objection(["similarity": .text("sign"), "linkage": .text("single")]) == nil)
  }

  @Test("Consensus over the vector of TIES keeps what TIES sums and enough tasks need")
  func consensusOfTies() async throws {
    let (base, tuned) = try models(3)
    let ties = try #require(MethodRegistry.method(named: "ties"))
    let preset = try #require(ties.info.presets.first { $0.name == "fusion_bench" })
    var values = Dictionary(uniqueKeysWithValues: preset.values.map { ($0.name, $0.value) })
    values["lambda"] = .number(1)
    let sum = flat(try await merge(ties, base, tuned, values))
    let got = flat(
      try await merge(
        Consensus(), base, tuned,
        ["vector": .text("ties"), "lambda": .number(1), "tall_mask_lambda": .number(0.4)]))
    let origin = flat(base)
    let vectors = tuned.map(flat)
    var kept = 0
    for index in origin.indices {
      let all = sum[index] - origin[index]
      let needed = vectors.filter { vector in
        let own = vector[index] - origin[index]
        return own.magnitude > 0.4 * (all - own).magnitude
      }
      if needed.count >= 2, all != 0 { kept += 1 }
      let expected = needed.count >= 2 ? sum[index] : origin[index]
      #expect((got[index] - expected).magnitude < 1e-6)
    }
    #expect(kept > 0)
  }

  @Test("WIDEN takes tables of tokens by rows")
  func tokens() async throws {
    let (base, tuned) = try models(2, [("embed_tokens.weight", [6, 4])])
    func turned(_ model: TinyModel) throws -> TinyModel {
      let values = try #require(model.tensors.first).values
      let shape = try #require(Shape([4, 6]))
      return TinyModel([
        .init("w", shape: shape, (0..<24).map { values[$0 % 6 * 4 + $0 / 6] })
      ])
    }
    let merged = try await merge(Widen(), base, tuned)
    let other = try await merge(Widen(), try turned(base), try tuned.map(turned))
    #expect(largestDifference(try turned(merged), other) < 1e-6)
  }

  @Test("Delta-guided weights are shares of the mean distances")
  func shares() async throws {
    let (base, tuned) = try models(2, [("a", [3, 5])])
    let merged = try await merge(DeltaGuided(), base, tuned, ["power": .number(2)])
    let origin = flat(base)
    let vectors = tuned.map { zip(flat($0), origin).map { $0 - $1 } }
    let sizes = vectors.map { $0.reduce(0) { $0 + $1.magnitude } }
    let squares = sizes.map { $0 * $0 }
    for (index, value) in flat(merged).enumerated() {
      let sum = vectors[0][index] * squares[0] + vectors[1][index] * squares[1]
      #expect((value - origin[index] - sum / (squares[0] + squares[1])).magnitude < 1e-6)
    }
  }

  @Test(
    "Checkpoints count by loss or step",
    arguments: [
      ("loss", "power", 1.0, [0.75, 0.25]), ("step", "power", 2, [0.1, 0.9]),
      ("loss", "power", 0, [0.5, 0.5]), ("step", "softmax", 1, [0.1192029, 0.8807971]),
      ("loss", "power", 1e6, [1, 0]),
    ])
  func metrics(by: String, form: String, power: Double, expected: [Double]) throws {
    let parameters = try ResolvedParameters(
      for: Mwa().info,
      ["by": .text(by), "form": .text(form), "power": .number(power)],
      perModel: ["metric": [.number(1), .number(3)]], modelCount: 2)
    for (weight, expected) in zip(Mwa.weights(parameters), expected) {
      #expect(abs(weight - expected) < 1e-6)
    }
  }

  @Test("Losses must be positive")
  func loss() {
    #expect(throws: TinctureError.self) {
      try ResolvedParameters(for: Mwa().info, ["metric": .number(0)], modelCount: 2)
    }
  }

  @Test("A half of the modules is set back, the rest stays", arguments: [UInt64(0), 1])
  func half(seed: UInt64) async throws {
    let names = (0..<10).map { ("m\($0).weight", [3, 4]) }
    let (base, tuned) = try models(1, names)
    let merged = try await merge(
      HalfReset(), base, tuned, ["granularity": .text("tensor")], seed: seed)
    var reset = 0
    for tensor in merged.tensors {
      if tensor.values == base[tensor.name] {
        reset += 1
      } else {
        #expect(tensor.values == tuned[0][tensor.name])
      }
    }
    #expect(reset == 5)
  }

  @Test("Modules are told apart by layer and purpose")
  func modules() {
    let query = ModuleName("model.layers.3.self_attn.q_proj.weight", layer: 3)
    #expect(query == ModuleName("model.layers.3.self_attn.q_proj.bias", layer: 3))
    #expect(query.kind == .attention)
    #expect(ModuleName("model.layers.3.mlp.up_proj.weight", layer: 3).kind == .perceptron)
    #expect(ModuleName("encoder.layer.0.attention.output.LayerNorm.bias", layer: 0).kind == .norm)
    #expect(ModuleName("blocks.0.attn.in_proj_weight", layer: 0).text == "blocks.0.attn.in_proj")
  }

  @Test("Clusters of tasks are compared as the words say")
  func clusters() {
    // Three vectors in the plane: 0°, 60° and 90°.
    let vectors = [[1.0, 0], [0.5, 0.75.squareRoot()], [0, 1]]
    let gram = vectors.flatMap { a in vectors.map { a[0] * $0[0] + a[1] * $0[1] } }
    var clusters = TaskClusters(gram: gram, count: 3)
    let first = clusters.closest(.cosine, .merged)
    #expect(first?.first == 1 && first?.second == 2)
    #expect(clusters.closest(.euclidean, .merged)?.first == 1)
    clusters.merge(1, 2)
    #expect(clusters.members == [[0], [1, 2]] && clusters.main == 1)
    func value(_ linkage: TaskClusters.Linkage) -> Double {
      clusters.closest(.cosine, linkage)?.value ?? .nan
    }
    #expect(abs(value(.single) - 0.5) < 1e-7)
    #expect(abs(value(.complete)) < 1e-7)
    #expect(abs(value(.average) - 0.25) < 1e-7)
    // The mean of the two points at 75°.
    #expect(abs(value(.merged) - 0.258819045) < 1e-7)
    #expect(abs((clusters.closest(.euclidean, .single)?.value ?? 0) + 1) < 1e-7)
  }

  @Test("Vectors are clustered by their directions, whatever their lengths", arguments: 0..<8)
  func directions(seed: UInt64) {
    // Two near the first axis, two near the second, and one against the first.
    let vectors: [[Double]] = [[1, 0.1], [0.1, 2], [5, -0.2], [0, 0.3], [-2, 0.1]]
    let gram = vectors.flatMap { a in vectors.map { a[0] * $0[0] + a[1] * $0[1] } }
    let clusters = DirectionClusters(gram: gram, count: 5)
    let random = CounterRandom(seed: seed, tensor: "w", purpose: "test")
    var tasks = TaskClusters(gram: gram, count: 5)
    tasks.join(clusters.labels(3, random))
    // From some starts two centres share a direction, and the rest falls to the third.
    let isBest = tasks.members == [[0, 2], [1, 3], [4]]
    #expect(isBest || (2...3).contains(tasks.members.count))
    #expect(tasks.members.flatMap { $0 }.sorted() == [0, 1, 2, 3, 4])
    #expect(clusters.labels(3, random) == clusters.labels(3, random))
    #expect(clusters.labels(5, random) == [0, 1, 2, 3, 4])
    #expect(Set(clusters.labels(1, random)).count == 1)
    let zeros = DirectionClusters(gram: [Double](repeating: 0, count: 9), count: 3)
    #expect(Set(zeros.labels(2, random)).count == 1)
  }

  @Test("Signs are compared by pairs of tasks, and distances by element")
  func comparisons() {
    let agreement: [Double] = [8, 2, 6, 2, 8, 7, 6, 7, 8]
    let gram: [Double] = [4, 0, 0, 0, 4, 0, 0, 0, 4]
    var clusters = TaskClusters(gram: gram, agreement: agreement, elements: 8, count: 3)
    #expect(clusters.closest(.sign, .single)?.value == 0.875)
    #expect(clusters.closest(.euclidean, .merged)?.value == -1)
    clusters.merge(1, 2)
    #expect(clusters.closest(.sign, .single)?.value == 0.75)
    #expect(clusters.closest(.sign, .complete)?.value == 0.25)
    #expect(clusters.closest(.sign, .average)?.value == 0.5)
  }

  @Test("With masks a block takes a copy, what leads back, and a bit for each task")
  func room() {
    var clusters = TaskClusters(gram: [Double](repeating: 1, count: 16), count: 4)
    func room(_ hasMasks: Bool) -> Int {
      clusters.room(size: 320, elements: 80, hasMasks: hasMasks)
    }
    #expect(room(false) == 1280 && room(true) == 1280)
    clusters.merge(0, 1)
    #expect(room(false) == 960 && room(true) == 1280 && clusters.masked.isEmpty)
    clusters.merge(0, 1)
    // One for the model, one for the task without a mask, 80 floats, and three bits for each element.
    #expect(room(false) == 640 && room(true) == 320 + 320 + 320 + 30)
    #expect(clusters.masked == [0, 1, 2])
    clusters.merge(0, 1)
    #expect(room(true) == 320 + 320 + 40)
  }
}
