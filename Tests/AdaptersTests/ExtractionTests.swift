import Testing
import TinctureSafetensors
import TinctureCheckpoints
import SystemPackage
import TinctureJSON
import TinctureLinearAlgebra
import TinctureMergeTesting
import TinctureMerging
import TinctureTensors

@testable import TinctureAdapters

@Suite("Extracting adapters", .enabled(if: Backend.isAvailable))
struct ExtractionTests {
  let bench: Bench
  let base: TinyModel
  let tuned: TinyModel

  static let layers: [(String, [Int])] = [
    ("model.embed_tokens.weight", [12, 8]), ("model.layers.0.q_proj.weight", [8, 8]),
    ("model.layers.0.q_proj.bias", [8]), ("model.layers.0.norm.weight", [8]),
    ("model.layers.0.conv.weight", [6, 2, 3, 3]), ("model.layers.0.same.weight", [5, 8]),
    ("model.layers.1.down_proj.weight", [8, 14]), ("model.scale", []),
    ("lm_head.weight", [12, 8]),
  ]

  static func model(_ seed: Int, by size: Float = 1) -> TinyModel {
    TinyModel(
      layers.map { name, extents in
        let random = CounterRandom(seed: UInt64(seed), tensor: name, purpose: "model")
        let shape = Shape(extents) ?? Shape(vector: 0)
        return .init(
          name, shape: shape,
          (0..<shape.elementCount).map { size * Float(random.uniform(at: $0) * 2 - 1) })
      })
  }

  init() throws {
    bench = try Bench()
    let base = Self.model(1)
    let change = Self.model(2, by: 0.25)
    self.base = base
    tuned = base.mapValues { name, index, value in
      name.contains("same") ? value : value + (change[name]?[index] ?? 0)
    }
    _ = try bench.write(base, "base")
    _ = try bench.write(tuned, "tuned")
  }

  private func path(_ name: String) -> String { bench.directory.path.appending(name).string }

  private func plan(_ rule: RankRule, model: String = "tuned") throws -> AdapterExtraction {
    func open(_ name: String) throws -> ModelInput {
      try ModelInput(opening: ModelReference(parsing: path(name)), locator: ModelLocator())
    }
    return AdapterExtraction(base: try open("base"), model: try open(model), to: rule)
  }

  /// Where the base with the adapter differs from the model.
  private func differing(_ adapter: String) throws -> [String] {
    let folded = try bench.values("\(path("base"))+\(path(adapter))")
    return tuned.tensors.filter { tensor in
      guard let values = folded[tensor.name] else { return true }
      return zip(values, tensor.values).contains { ($0 - $1).magnitude > 2e-6 }
    }.map(\.name)
  }

  @Test("Everything at full rank and the rest whole give the model again")
  func everything() async throws {
    var extraction = try plan(.energy(1))
    extraction.factorsVocabulary = true
    extraction.savesOthers = true
    let report = try await extraction.run(bench.job("lora"))
    #expect(try differing("lora") == [])
    #expect(report.unsaved.isEmpty)
    #expect(
      report.saved == ["model.embed_tokens.weight", "model.layers.0.norm.weight", "model.scale"])
    #expect(report.notes.contains { $0.contains("model.scale") })
    #expect(report.notes.contains { $0.contains("factored embeddings") })
    let adapter = try bench.opened("lora")
    #expect(!adapter.layers.contains { $0.module.hasSuffix("same") })
    let settings = try bench.configuration("lora")
    #expect(settings["task_type"]?.stringValue == "CAUSAL_LM")
    #expect(
      settings["modules_to_save"]?.arrayValue
        == [.string("model.embed_tokens"), .string("model.layers.0.norm")])
    #expect(settings["lora_bias"] == .bool(true))
  }

  @Test("Embeddings are factored by their transposed change")
  func embeddings() async throws {
    var extraction = try plan(.rank(8))
    extraction.factorsVocabulary = true
    let report = try await extraction.run(bench.job("lora"))
    let layer = try bench.opened("lora").layers.first { $0.isEmbedding }
    #expect(layer?.module == "model.embed_tokens" && layer?.outputs == 8 && layer?.inputs == [12])
    #expect(Set(try differing("lora")) == Set(report.unsaved))
    #expect(!report.unsaved.contains("model.embed_tokens.weight"))
  }

  @Test("Without being asked only layers are factored, and the rest is listed")
  func layersOnly() async throws {
    let report = try await plan(.rank(8)).run(bench.job("lora"))
    let rest = [
      "model.embed_tokens.weight", "model.layers.0.q_proj.bias", "model.layers.0.norm.weight",
      "model.scale", "lm_head.weight",
    ]
    #expect(report.unsaved == rest)
    #expect(Set(try differing("lora")) == Set(rest))
    #expect(report.saved.isEmpty)
    #expect(
      report.layers.map(\.rank) == [8, 6, 0, 8], "\(report.layers.map(\.layer.name))")
  }

  @Test("The report says what a smaller rank loses")
  func losses() async throws {
    let report = try await plan(.rank(2)).run(bench.job("lora"))
    let folded = try bench.values("\(path("base"))+\(path("lora"))")
    for loss in report.layers where loss.rank > 0 {
      let name = loss.layer.name + ".weight"
      let (x, y) = (try #require(folded[name]), try #require(tuned[name]))
      let error = zip(x, y).reduce(0.0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }
      #expect((error.squareRoot() - loss.error).magnitude < 1e-5)
      #expect(loss.error > 0 && loss.error < loss.norm)
    }
  }

  @Test("A budget is kept, and more of it loses less")
  func budget() async throws {
    var last = -1.0
    for bytes in [1_500, 2_000, 3_000] {
      let report = try await plan(.budget(bytes)).run(bench.job("lora"))
      let size = try bench.size(
        of: bench.directory.path.appending("lora/adapter_model.safetensors"))
      #expect(size <= bytes)
      #expect(report.energy > last)
      last = report.energy
    }
  }

  @Test("Layers that store weights as in × out are factored the other way around")
  func transposed() async throws {
    _ = try bench.write(base, "base", type: "gpt2")
    _ = try await plan(.rank(8)).run(bench.job("lora"))
    #expect(try !differing("lora").contains("model.layers.1.down_proj.weight"))
    let layer = try bench.opened("lora").layers.first { $0.module.hasSuffix("down_proj") }
    #expect(layer?.outputs == 14 && layer?.inputs == [8])
    #expect(try bench.configuration("lora")["fan_in_fan_out"] == .bool(true))
  }

  @Test("Patterns choose tensors; any number of workers gives the same bytes")
  func patterns() async throws {
    var chosen = try plan(.rank(3))
    try chosen.limit(to: ["proj"], without: ["layers\\.1"])
    _ = try await chosen.run(bench.job("one", workers: 1))
    _ = try await chosen.run(bench.job("two", workers: 3))
    #expect(try bench.opened("one").layers.map(\.module) == ["model.layers.0.q_proj"])
    let files = try ["one", "two"].map {
      try TinyModel(reading: bench.directory.path.appending($0))
    }
    #expect(files[0] == files[1])
  }

  @Test("Models that do not fit the base are refused, with all tensors that do not")
  func foreign() async throws {
    var other = tuned
    other.tensors.removeAll { $0.name.hasSuffix("q_proj.weight") }
    other.tensors[other.tensors.count - 1] = .init(
      "lm_head.weight", shape: Shape(rows: 11, columns: 8), [Float](repeating: 0, count: 88))
    _ = try bench.write(other, "other")
    let error = await #expect(throws: TinctureError.self) {
      try await plan(.rank(2), model: "other").run(bench.job("lora"))
    }
    #expect(
      error?.causes.map(\.place.tensor) == ["model.layers.0.q_proj.weight", "lm_head.weight"])
    let same = await #expect(throws: TinctureError.self) {
      try await plan(.rank(2), model: "base").run(bench.job("lora"))
    }
    #expect(same?.message.contains("No weight") ?? false)
    let large = await #expect(throws: TinctureError.self) {
      try await plan(.rank(9)).run(bench.job("lora"))
    }
    #expect(large?.code == .usage && large?.place.tensor != nil)
  }

  @Test("Random projections find nearly what the whole decomposition finds")
  func sampled() async throws {
    let layer = AdapterLayer("x", inputs: [1100], outputs: 1030)
    #expect(ExtractionCandidate.isSampled(4, layer))
    #expect(!ExtractionCandidate.isSampled(256, layer))
    let (rows, columns, rank) = (layer.outputs, layer.inputCount, 6)
    let random = CounterRandom(seed: 1, tensor: "x", purpose: "test")
    func noise(_ rows: Int, _ columns: Int, from start: Int) -> Matrix<Float> {
      Matrix(
        rows: rows, columns: columns,
        (0..<rows * columns).map { Float(random.uniform(at: start + $0) * 2 - 1) })
    }
    var change = noise(rows, columns, from: 0)
    change.scale(by: 0.01)
    change.add(
      try Backend.shared.multiply(
        noise(rows, rank, from: 2_000_000), noise(rank, columns, from: 3_000_000)))
    let shape = Shape(rows: rows, columns: columns)
    let zeros = [Float](repeating: 0, count: change.count)
    _ = try bench.write(TinyModel([.init("x.weight", shape: shape, zeros)]), "base")
    _ = try bench.write(TinyModel([.init("x.weight", shape: shape, change.array)]), "tuned")
    let report = try await plan(.rank(rank)).run(bench.job("lora"))
    let loss = try #require(report.layers.first)
    let best = try Backend.shared.svdByGram(change, keepingAbove: 1e-7).singularValues
    let least = Spectrum(best.dropFirst(rank)).frobeniusNorm
    #expect(loss.error < 1.001 * least && loss.error > 0.999 * least)
  }
}
