import Testing
import TinctureSafetensors
import TinctureMerging
import TinctureCheckpoints
import SystemPackage
import TinctureJSON
import TinctureLinearAlgebra
import TinctureMergeTesting
import TinctureTensors

@testable import TinctureAdapters

@Suite("Resizing adapters", .enabled(if: Backend.isAvailable))
struct ResizingTests {
  let bench: Bench

  init() throws { bench = try Bench() }

  private func resized(_ adapter: Adapter, _ rule: RankRule, as name: String = "out") async throws
    -> AdapterReport
  {
    try await AdapterResizing(adapter, to: rule).run(bench.job(name))
  }

  @Test(
    "The same rank, a larger one and all of the energy lose nothing",
    arguments: [RankRule.rank(3), .rank(8), .energy(1), .budget(100_000)])
  func lossless(rule: RankRule) async throws {
    let adapter = try TestAdapter(
      twoLayers + [("conv", 2, [3, 2, 2], 5)], seed: 1
    ).open("a", in: bench.directory)
    let report = try await resized(adapter, rule)
    #expect(try bench.changes("out").distance(to: Changes(adapter)) < 1e-5)
    #expect(report.layers.allSatisfy { $0.relativeError < 1e-6 })
    let convolution = try TinyModel(reading: bench.directory.path.appending("out")).tensors
      .first { $0.name == "base_model.model.conv.lora_B.weight" }
    #expect(convolution?.shape.extents.suffix(2) == [1, 1])
  }

  @Test("A smaller rank loses what the report says, and no rank more is lost")
  func smaller() async throws {
    let adapter = try TestAdapter(twoLayers, seed: 2).open("a", in: bench.directory)
    let whole = try Changes(adapter)
    for rank in 1...3 {
      let report = try await resized(adapter, .rank(rank))
      let cut = try bench.changes("out")
      for loss in report.layers {
        let (x, y) = (try #require(whole[loss.layer.name]), try #require(cut[loss.layer.name]))
        let error = zip(x, y).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }.squareRoot()
        #expect((error - loss.error).magnitude < 1e-5)
        let matrix = Matrix(rows: loss.layer.outputs, columns: loss.layer.inputCount, x)
        let best = try Backend.shared.truncatedSVD(matrix, rank: rank).frobeniusError
        #expect((error - best).magnitude < 1e-5)
        #expect(loss.rank == rank)
      }
    }
  }

  @Test("A share of energy takes the least rank that holds it")
  func energy() async throws {
    let adapter = try TestAdapter(twoLayers, seed: 3).open("a", in: bench.directory)
    for share in [0.3, 0.6, 0.9] {
      let report = try await resized(adapter, .energy(share))
      for loss in report.layers {
        #expect(loss.energy >= share)
        guard loss.rank > 1 else { continue }
        let less = try await resized(adapter, .rank(loss.rank - 1), as: "less")
        let same = try #require(less.layers.first { $0.layer == loss.layer })
        #expect(same.energy < share)
      }
    }
  }

  @Test("A budget is kept and well spent")
  func budget() async throws {
    let adapter = try TestAdapter(twoLayers, seed: 4).open("a", in: bench.directory)
    var last = -1.0
    for bytes in [700, 800, 900, 1_000, 1_200] {
      let report = try await resized(adapter, .budget(bytes))
      let path = bench.directory.path.appending("out/adapter_model.safetensors")
      #expect(try bench.size(of: path) <= bytes)
      #expect(report.energy >= last)
      last = report.energy
    }
    let error = await #expect(throws: TinctureError.self) {
      try await resized(adapter, .budget(100))
    }
    #expect(error?.code == .usage)
  }

  @Test("Ranks follow the largest squares for each element")
  func greedy() {
    let budget = RankBudget(spectra: [[3, 2, 1], [5, 1]], costs: [2, 10])
    #expect(budget.ranks(elements: 4) == [2, 0])
    #expect(budget.ranks(elements: 12) == [1, 1])
    #expect(budget.ranks(elements: 16) == [3, 1])
    #expect(budget.ranks(elements: 100) == [3, 2])
  }

  @Test("A DoRA keeps its lengths, kohya's style stays kohya's")
  func styles() async throws {
    var dora = TestAdapter(twoLayers, seed: 5)
    dora.settings["use_dora"] = .bool(true)
    for layer in twoLayers {
      dora.add(
        "base_model.model.\(layer.module).lora_magnitude_vector", [layer.outputs], seed: 6)
    }
    _ = try await resized(dora.open("dora", in: bench.directory), .rank(2))
    let kept = try TinyModel(reading: bench.directory.path.appending("out"))
    for tensor in dora.tensors where tensor.name.hasSuffix("vector") {
      #expect(kept[tensor.name] == tensor.values)
    }
    #expect(try bench.configuration("out")["use_dora"] == .bool(true))

    var kohya = TestAdapter()
    kohya.add("lora_unet_down_0_to_q.lora_down.weight", [4, 6], seed: 1)
    kohya.add("lora_unet_down_0_to_q.lora_up.weight", [5, 4], seed: 2)
    let alpha = TinyModel.Tensor(
      "lora_unet_down_0_to_q.alpha", shape: try #require(Shape([])), [2])
    let path = try bench.directory.write(
      "k.safetensors", TinyModel(kohya.tensors + [alpha]).safetensors)
    let adapter = try Adapter(opening: path.string)
    #expect(adapter.source.style == .kohya)
    _ = try await resized(adapter, .rank(4), as: "k-out.safetensors")
    let again = try bench.opened("k-out.safetensors")
    #expect(try Changes(again).distance(to: Changes(adapter)) < 1e-6)
    #expect(again.source.changes[0].change.scale == 1)
  }

  @Test("A rank that no layer can have, and a name of a file for PEFT, are refused")
  func misuse() async throws {
    let adapter = try TestAdapter(twoLayers, seed: 5).open("a", in: bench.directory)
    for rule in [RankRule.rank(9), .rank(0), .energy(0), .energy(1.5)] {
      let error = await #expect(throws: TinctureError.self) { try await resized(adapter, rule) }
      #expect(error?.code == .usage)
    }
    let error = await #expect(throws: TinctureError.self) {
      try await resized(adapter, .rank(1), as: "x.safetensors")
    }
    #expect(error?.code == .cannotCreate)
  }

  @Test("Factors that are not finite are refused by name")
  func notFinite() async throws {
    var adapter = TestAdapter(twoLayers, seed: 5)
    adapter.tensors[1].values[3] = .nan
    let error = await #expect(throws: TinctureError.self) {
      try await resized(adapter.open("a", in: bench.directory), .rank(1))
    }
    #expect(error?.code == .checkpoint)
    #expect(error?.place.tensor == adapter.tensors[1].name)
  }
}
