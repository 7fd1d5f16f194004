import SystemPackage
import Testing
import TinctureMerging
import TinctureCheckpoints
import TinctureJSON
import TinctureLinearAlgebra
import TinctureMergeTesting
import TinctureSafetensors
import TinctureTensors

@testable import TinctureAdapters

@Suite("Packages of adapters", .enabled(if: Backend.isAvailable))
struct ReversiblePackageTests {
  let bench: Bench

  init() throws { bench = try Bench() }

  private func made(_ count: Int) throws -> [(name: String, adapter: Adapter)] {
    try (0..<count).map { index in
      var layers = twoLayers
      layers[1].rank = 2 + index
      if index == 1 { layers.append(("extra", 2, [4], 5)) }
      var adapter = TestAdapter(layers, seed: index)
      adapter.settings["lora_alpha"] = .integer(2 + index)
      return ("t\(index)", try adapter.open("a\(index)", in: bench.directory))
    }
  }

  private func packed(_ adapters: [(name: String, adapter: Adapter)], _ components: Int)
    async throws -> (report: AdapterReport, package: ReversiblePackage)
  {
    let report = try await ReversiblePackage.write(
      adapters, components: components, bench.job("all.safetensors"))
    let path = bench.directory.path.appending("all.safetensors")
    return (report, try ReversiblePackage(opening: path))
  }

  @Test("As many directions as adapters but one give every adapter again", arguments: [1, 2, 4])
  func lossless(count: Int) async throws {
    let adapters = try made(count)
    let (report, package) = try await packed(adapters, count - 1)
    #expect(package.tasks == adapters.map(\.name))
    #expect(report.layers.allSatisfy { $0.relativeError < 1e-6 })
    for (name, adapter) in adapters {
      _ = try await package.extract(name, bench.job("out"))
      #expect(try bench.changes("out").distance(to: Changes(adapter)) < 1e-5)
      let again = try bench.opened("out")
      #expect(
        Dictionary(uniqueKeysWithValues: again.layers.map { ($0, again.rank(of: $0)) })
          == Dictionary(
            uniqueKeysWithValues: adapter.layers.map { ($0, adapter.rank(of: $0)) }))
    }
  }

  @Test("Fewer directions lose what the report says, more lose less")
  func lossy() async throws {
    let adapters = try made(4)
    var last = Double.infinity
    for components in 0..<4 {
      let (report, package) = try await packed(adapters, components)
      var error = 0.0
      for (name, adapter) in adapters {
        _ = try await package.extract(name, bench.job("out"))
        let (got, wanted) = try (bench.changes("out"), Changes(adapter))
        for (layer, change) in wanted.values {
          for (x, y) in zip(change, try #require(got[layer])) { error += (x - y) * (x - y) }
        }
      }
      let stated = report.layers.reduce(0) { $0 + $1.error * $1.error }
      #expect((stated.squareRoot() - error.squareRoot()).magnitude < 1e-4)
      #expect(error < last)
      last = error
    }
  }

  @Test("Small packages are small")
  func sizes() async throws {
    let adapters = try (0..<8).map { index in
      (
        "t\(index)",
        try TestAdapter([("q", 8, [64], 64)], seed: index).open("a\(index)", in: bench.directory)
      )
    }
    let (report, _) = try await packed(adapters, 1)
    #expect(report.byteCount == 128 * (8 + 8 + 8) * 4)
  }

  @Test("What is no package, or names no adapter of it, is refused")
  func misuse() async throws {
    let adapters = try made(2)
    let (_, package) = try await packed(adapters, 1)
    let missing = await #expect(throws: TinctureError.self) {
      try await package.extract("t9", bench.job("out"))
    }
    #expect(missing?.code == .missingInput && missing?.message.contains("t0, t1") ?? false)
    let model = TinyModel([.init("x", shape: Shape(vector: 1), [1])])
    let path = try bench.directory.write("m.safetensors", model.safetensors)
    let stranger = #expect(throws: TinctureError.self) { try ReversiblePackage(opening: path) }
    #expect(stranger?.code == .checkpoint)
    let twice = await #expect(throws: TinctureError.self) {
      try await ReversiblePackage.write(
        [adapters[0], adapters[0]], components: 1, bench.job("two.safetensors"))
    }
    #expect(twice?.code == .usage)
    let folder = await #expect(throws: TinctureError.self) {
      try await ReversiblePackage.write(adapters, components: 1, bench.job("two"))
    }
    #expect(folder?.code == .cannotCreate)
  }
}
