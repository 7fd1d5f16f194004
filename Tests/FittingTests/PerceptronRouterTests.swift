import Testing
import TinctureEvaluation
import TinctureNetworks
import TinctureTensors
import TinctureTorch

@testable import TinctureFitting

@Suite("Routers of perceptrons", .needsLibTorch)
struct PerceptronRouterTests {
  private static let network: VisionTransformer = {
    var network = VisionTransformer()
    (network.imageSize, network.channels, network.patchSize) = (4, 1, 2)
    (network.width, network.depth, network.heads, network.hiddenWidth) = (6, 2, 2, 8)
    (network.pooling, network.patchModule) = (.mean, "patch_embed")
    return network
  }()

  private static func random(
    _ name: String, _ shape: [Int], _ deviation: Double = 0.5
  ) throws -> TorchTensor {
    try .normal(
      shape, CounterRandom(seed: 8, tensor: name, purpose: "test"), deviation: deviation)
  }

  private static func parameters() throws -> Parameters {
    var tensors: [String: TorchTensor] = [:]
    for shape in network.parameterShapes {
      tensors[shape.name] = try random(shape.name, shape.extents)
    }
    return Parameters(tensors)
  }

  private static func stacks(_ tasks: Int) throws -> [String: TorchTensor] {
    var stacks: [String: TorchTensor] = [:]
    for shape in network.perceptrons.flatMap(\.parameters) {
      stacks[shape.name] = try random("τ" + shape.name, [tasks, shape.extents.reduce(1, *)])
    }
    return stacks
  }

  private static func routers(_ tasks: Int, _ count: Int) throws -> [Parameters] {
    try (0..<count).map { number in
      var tensors: [String: TorchTensor] = [:]
      for (role, extents) in PerceptronRouter.shapes(width: 6, tasks: tasks) {
        tensors[role] = try random("router \(number) \(role)", extents)
      }
      return Parameters(tensors)
    }
  }

  /// The two layers and the mean over tokens in plain Swift.
  private static func weights(_ tokens: [Float], _ router: Parameters, _ tasks: Int) throws
    -> [Float]
  {
    func values(_ role: String) throws -> [Float] { try router(role).array(as: Float.self) }
    let (first, shift) = (try values("layers.0.weight"), try values("layers.0.bias"))
    let (last, start) = (try values("layers.1.weight"), try values("layers.1.bias"))
    let count = tokens.count / 6
    var sum = [Float](repeating: 0, count: tasks)
    for token in 0..<count {
      let hidden = (0..<6).map { row in
        max(0, shift[row] + (0..<6).reduce(0) { $0 + first[row * 6 + $1] * tokens[token * 6 + $1] })
      }
      for task in 0..<tasks {
        sum[task] += start[task] + (0..<6).reduce(0) { $0 + last[task * 6 + $1] * hidden[$1] }
      }
    }
    return sum.map { $0 / Float(count) }
  }

  @Test("Mixed parameters are the base and the weighted vectors, for each input or their mean")
  func formula() throws {
    let (tasks, inputs) = (3, 4)
    let (parameters, stacks) = (try Self.parameters(), try Self.stacks(3))
    let routers = try Self.routers(tasks, 2)
    let tokens = try Self.random("tokens", [inputs, 4, 6])
    let all = try tokens.array(as: Float.self)
    let record = WeightRecord()
    let each = PerceptronRouter(
      routers, places: ["blocks.0": 0, "blocks.1": 1], Self.network.perceptrons, vectors: stacks,
      averages: false, record: record)
    let mean = PerceptronRouter(
      routers, places: ["blocks.0": 0, "blocks.1": 1], Self.network.perceptrons, vectors: stacks,
      averages: true)
    let own = try each.parameters(of: "blocks.1", for: tokens, parameters)
    let shared = try mean.parameters(of: "blocks.1", for: tokens, parameters)
    let weights = try (0..<inputs).map {
      try Self.weights(Array(all[$0 * 24..<($0 + 1) * 24]), routers[1], tasks)
    }
    let average = (0..<tasks).map { task in weights.reduce(0) { $0 + $1[task] } / Float(inputs) }
    for (found, wanted) in zip(record.means("blocks.1"), average) {
      #expect(abs(found - wanted) < 1e-5)
    }
    #expect(own.count == 4 && shared.count == 4)
    for name in own.keys {
      let base = try parameters(name).array(as: Float.self)
      let vectors = try #require(stacks[name]).array(as: Float.self)
      func mixed(_ weights: [Float]) -> [Float] {
        base.indices.map { index in
          base[index]
            + (0..<tasks).reduce(0) { $0 + weights[$1] * vectors[$1 * base.count + index] }
        }
      }
      let wanted = weights.flatMap(mixed)
      for (found, value) in zip(try #require(own[name]).array(as: Float.self), wanted) {
        #expect(abs(found - value) < 1e-4)
      }
      for (found, value) in zip(try #require(shared[name]).array(as: Float.self), mixed(average)) {
        #expect(abs(found - value) < 1e-4)
      }
    }
  }

  @Test("Inputs in a batch get what they get alone, whatever else is in it")
  func batches() throws {
    let router = PerceptronRouter(
      try Self.routers(2, 1), places: ["blocks.0": 0, "blocks.1": 0], Self.network.perceptrons,
      vectors: try Self.stacks(2), averages: false)
    let parameters = try Self.parameters().routed(through: router)
    let images = try Self.random("images", [5, 1, 4, 4])
    let together = try Self.network.features(of: images, parameters)
    for index in 0..<5 {
      let alone = try Self.network.features(
        of: images.slice(index..<index + 1, along: 0), parameters)
      let difference = try (alone - together.slice(index..<index + 1, along: 0)).abs()
      #expect(try difference.max(along: 1).item(as: Float.self) < 1e-4)
    }
    // Without a router nothing changes, with one it does.
    let plain = try Self.network.features(of: images, Self.parameters())
    #expect(try plain.array(as: Float.self) != together.array(as: Float.self))
    let none = try Self.network.features(of: images, Self.parameters().routed(through: nil))
    #expect(try plain.array(as: Float.self) == none.array(as: Float.self))
  }

  @Test("CLIP's blocks ask routers, too, in both layouts", arguments: ClipLayout.allCases)
  func clip(layout: ClipLayout) throws {
    var network = ClipVision()
    (network.imageSize, network.patchSize, network.width, network.depth) = (4, 2, 6, 1)
    (network.heads, network.hiddenWidth, network.projectionWidth) = (2, 8, nil)
    (network.layout, network.tower) = (layout, layout == .openClip ? "visual" : "vision_model")
    var tensors: [String: TorchTensor] = [:]
    for shape in network.parameterShapes {
      tensors[shape.name] = try Self.random(shape.name, shape.extents)
    }
    let perceptron = try #require(network.perceptrons.first)
    #expect(perceptron.parameters.allSatisfy { tensors[$0.name]?.shape == $0.extents })
    var vectors: [String: TorchTensor] = [:]
    var moved = tensors
    for shape in perceptron.parameters {
      let vector = try Self.random("τ" + shape.name, [1, shape.extents.reduce(1, *)])
      vectors[shape.name] = vector
      moved[shape.name] = try #require(tensors[shape.name]) + vector.reshaped(shape.extents) * 0.5
    }
    var router: [String: TorchTensor] = [:]
    for (role, extents) in PerceptronRouter.shapes(width: 6, tasks: 1) {
      router[role] = try .full(extents, role == "layers.1.bias" ? 0.5 : 0)
    }
    let mixing = PerceptronRouter(
      [Parameters(router)], places: [perceptron.module: 0], [perceptron], vectors: vectors,
      averages: false)
    let images = try Self.random("images", [3, 3, 4, 4])
    let found = try network.features(of: images, Parameters(tensors).routed(through: mixing))
    let wanted = try network.features(of: images, Parameters(moved))
    let pairs = zip(try found.array(as: Float.self), try wanted.array(as: Float.self))
    #expect(pairs.allSatisfy { abs($0 - $1) < 1e-4 })
  }
}
