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

@Suite("Combining adapters", .enabled(if: Backend.isAvailable))
struct CombinationTests {
  let bench: Bench
  let adapters: [Adapter]
  static let weights = [0.75, -0.5, 1.25]

  init() throws {
    let bench = try Bench()
    self.bench = bench
    adapters = try (0..<3).map { index in
      var adapter = TestAdapter(twoLayers, seed: index)
      adapter.settings["lora_alpha"] = .integer(3 + index)
      return try adapter.open("a\(index)", in: bench.directory)
    }
  }

  /// The weighted sum of the changes, plainly computed.
  private func sum(_ adapters: [Adapter]? = nil, _ weights: [Double] = Self.weights) throws
    -> Changes
  {
    var sum = Changes()
    for (adapter, weight) in zip(adapters ?? self.adapters, weights) {
      sum.add(try Changes(adapter), times: weight)
    }
    return sum
  }

  @Test(
    "Modes that lose nothing give the sum of the changes",
    arguments: [
      (CombinationMode.cat, CombinationOptions()),
      (.svd, CombinationOptions(rank: 8)),
      (.deltaMagnitudePrune, CombinationOptions(density: 1, rank: 8)),
      (.deltaDareLinear, CombinationOptions(density: 1, rank: 8)),
      (.knots, CombinationOptions(inner: .sum)),
      (.core, CombinationOptions(inner: .sum)),
      (.knots, CombinationOptions(inner: .magnitudePrune)),
      (.core, CombinationOptions(rank: 8, inner: .dareLinear)),
    ])
  func exact(mode: CombinationMode, options: CombinationOptions) async throws {
    let got = try await bench.combined(adapters, Self.weights, mode, options)
    #expect(try got.distance(to: sum()) < 1e-5)
  }

  @Test(
    "Adapters in another order, with their weights, give the same",
    arguments: [
      CombinationMode.cat, .svd, .linear, .ties, .magnitudePrune, .deltaTies,
      .deltaMagnitudePrune, .lego, .knots, .core,
    ])
  func order(mode: CombinationMode) async throws {
    let prunes = mode == .knots || mode == .core || mode.elementRule?.prunes ?? false
    let options = CombinationOptions(density: prunes ? 0.5 : 1)
    let weights = [0.5, 0.5, 0.25]
    let one = try await bench.combined(adapters, weights, mode, options, as: "one")
    let two = try await bench.combined(
      [2, 0, 1].map { adapters[$0] }, [0.25, 0.5, 0.5], mode, options, as: "two")
    #expect(one.distance(to: two) < 1e-5)
  }

  @Test(
    "Another seed gives another result, the same seed the same for any number of workers",
    arguments: [CombinationMode.dareLinear, .dareTies, .deltaDareLinear, .deltaDareTies])
  func seeds(mode: CombinationMode) async throws {
    let options = CombinationOptions(density: 0.5, seed: 3)
    let one = try await bench.combined(adapters, [1], mode, options, as: "one", workers: 1)
    let two = try await bench.combined(adapters, [1], mode, options, as: "two", workers: 3)
    let other = try await bench.combined(
      adapters, [1], mode, CombinationOptions(density: 0.5, seed: 4), as: "three")
    #expect(one.distance(to: two) == 0)
    #expect(one.distance(to: other) > 0.01)
  }

  @Test("Random pruning keeps the expectation")
  func expectation() async throws {
    var mean = Changes()
    let rounds = 100
    for seed in 0..<rounds {
      mean.add(
        try await bench.combined(
          adapters, Self.weights, .deltaDareLinear,
          CombinationOptions(density: 0.7, rank: 8, seed: UInt64(seed))),
        times: 1 / Double(rounds))
    }
    #expect(try mean.distance(to: sum()) < 0.6)
  }

  @Test("Linear adds cross terms of the factors, as PEFT does")
  func linear() async throws {
    let weights = [0.5, 2, -1]
    let got = try await bench.combined(adapters, weights, .linear)
    for layer in adapters[0].layers {
      let pairs = try adapters.map { try #require(try $0.factors(of: layer)) }
      var expected = [Double](repeating: 0, count: layer.outputs * layer.inputCount)
      for (i, up) in pairs.enumerated() {
        for (j, down) in pairs.enumerated() {
          let factor =
            (weights[i] * up.scale).magnitude.squareRoot()
            * (weights[j] * down.scale).magnitude.squareRoot() * (weights[j] < 0 ? -1 : 1)
          let product = Changes.product(FactorPair(down: down.down, up: up.up, scale: factor))
          expected = zip(expected, product).map { $0 + $1 }
        }
      }
      let change = try #require(got[layer.name])
      #expect(zip(change, expected).allSatisfy { ($0 - $1).magnitude < 1e-5 })
    }
  }

  @Test("LEGO of one adapter, and with as many clusters as units, changes nothing")
  func legoLimits() async throws {
    let one = try await bench.combined([adapters[0]], [1], .lego)
    #expect(try one.distance(to: Changes(adapters[0])) < 1e-6)
    let wide = try await bench.combined(
      Array(adapters.prefix(2)), [1, 1], .lego, CombinationOptions(rank: 6), as: "wide")
    #expect(try wide.distance(to: sum(Array(adapters.prefix(2)), [1, 1])) < 1e-5)
  }

  @Test("LEGO of the same adapter twice gives it again")
  func legoTwice() async throws {
    let twice = try await bench.combined([adapters[0], adapters[0]], [1], .lego)
    #expect(try twice.distance(to: Changes(adapters[0])) < 1e-5)
  }

  @Test("KnOTS with TIES keeps what agrees, and cuts the same share of every adapter")
  func knotsTies() async throws {
    let whole = try await bench.combined([adapters[1]], [1], .knots)
    #expect(try whole.distance(to: Changes(adapters[1])) < 1e-5)
    let cut = try await bench.combined(
      [adapters[1]], [1], .knots, CombinationOptions(density: 0.3), as: "cut")
    let (all, kept) = try (Self.norm(Changes(adapters[1])), Self.norm(cut))
    #expect(kept < all && kept > 0.5 * all)
  }

  private static func norm(_ changes: Changes) -> Double {
    changes.values.values.reduce(0) { $0 + $1.reduce(0) { $0 + $1 * $1 } }.squareRoot()
  }

  @Test("Adapters of different layers and ranks give a pattern of ranks")
  func unequal() async throws {
    let other = try TestAdapter(
      [("model.layers.0.q_proj", 5, [10], 8), ("model.layers.2.q_proj", 2, [4, 3, 3], 7)], seed: 9
    ).open("other", in: bench.directory)
    let inputs = [adapters[0], other]
    let got = try await bench.combined(inputs, [1, 0.5], .cat)
    #expect(try got.distance(to: sum(inputs, [1, 0.5])) < 1e-5)
    let opened = try bench.opened("combined")
    #expect(opened.layers.map { opened.rank(of: $0) } == [8, 3, 2])
    let error = await #expect(throws: TinctureError.self) {
      try await bench.combined(inputs, [1], .ties)
    }
    #expect(error?.message.contains("3, 5") ?? false)
  }

  @Test("Changed biases are summed, and tensors stored whole are taken over")
  func extras() async throws {
    var first = TestAdapter(twoLayers, seed: 1)
    let bias = "base_model.model.model.layers.0.q_proj.lora_B.bias"
    first.add(bias, [8], seed: 5)
    first.settings["lora_bias"] = .bool(true)
    first.add("base_model.model.score.weight", [3, 4], seed: 6)
    let opened = try first.open("first", in: bench.directory)
    _ = try await bench.combined([opened, adapters[0]], [2, 1], .cat)
    let result = try TinyModel(reading: bench.directory.path.appending("combined"))
    let scale = 2 * 4.0 / 3
    let wanted = try #require(TinyModel(first.tensors)[bias]).map { Float(scale * Double($0)) }
    let got = try #require(result[bias])
    #expect(zip(got, wanted).allSatisfy { ($0 - $1).magnitude < 1e-6 })
    #expect(
      result["base_model.model.score.weight"]
        == TinyModel(first.tensors)["base_model.model.score.weight"])
    let settings = try bench.configuration("combined")
    #expect(settings["modules_to_save"]?.arrayValue == [.string("score")])
    let error = #expect(throws: TinctureError.self) {
      try AdapterCombination([opened, opened], weights: [1], mode: .cat)
    }
    #expect(error?.place.tensor == "score.weight")
  }

  @Test("Adapters for different bases do not go together")
  func foreign() throws {
    var layers = twoLayers
    layers[1].inputs = [7]
    let other = try TestAdapter(layers, seed: 4).open("other", in: bench.directory)
    let error = #expect(throws: TinctureError.self) {
      try AdapterCombination([adapters[0], other], weights: [1], mode: .cat)
    }
    #expect(error?.place.tensor == "model.layers.1.down_proj")
    #expect(error?.message.contains("12 × 7") ?? false)
  }

  @Test("Weights and ranks that do not fit are refused")
  func misuse() throws {
    for (weights, mode, options) in [
      ([1, 2], CombinationMode.cat, CombinationOptions()),
      ([.infinity], .cat, CombinationOptions()),
      ([1], .ties, CombinationOptions(density: 0)),
      ([1], .cat, CombinationOptions(rank: 4)), ([1], .svd, CombinationOptions(rank: 9)),
    ] as [([Double], CombinationMode, CombinationOptions)] {
      let error = #expect(throws: TinctureError.self) {
        try AdapterCombination(adapters, weights: weights, mode: mode, options: options)
      }
      #expect(error?.code == .usage)
    }
  }
}
