import Foundation
import SystemPackage
import Testing
import TinctureMerging
import TinctureNetworks
import TinctureTensors
import TinctureTorch

@testable import TinctureEvaluation

@Suite("Networks in linear form", .needsLibTorch)
struct TangentTests {
  private static let network: VisionTransformer = {
    var network = VisionTransformer()
    (network.imageSize, network.channels, network.patchSize) = (4, 1, 2)
    (network.width, network.depth, network.heads, network.hiddenWidth) = (6, 2, 2, 8)
    return network
  }()

  private func tensors(_ name: String, _ deviation: Double) throws -> [String: TorchTensor] {
    var tensors: [String: TorchTensor] = [:]
    for shape in Self.network.parameterShapes {
      let random = CounterRandom(seed: 4, tensor: name + shape.name, purpose: "test")
      tensors[shape.name] = try .normal(shape.extents, random, deviation: deviation)
    }
    return tensors
  }

  private func sum(
    _ base: [String: TorchTensor], _ vectors: [(Double, [String: TorchTensor])]
  ) throws -> Parameters {
    var result = base
    for (factor, vector) in vectors {
      for (name, own) in vector { result[name] = try result[name].map { try $0 + own * factor } }
    }
    return Parameters(result)
  }

  @Test("Task vectors add up exactly, and small ones give what the network gives")
  func linearity() throws {
    let base = try tensors("base", 0.5)
    let vectors = [try tensors("a", 0.3), try tensors("b", 0.3)]
    let tangent = Tangent(base: Parameters(base), digest: "")
    let linear = try #require(
      try tangent.network(Self.network, "suite.yaml") as? any ImageEncoder)
    let images = try TorchTensor.normal(
      [3, 1, 4, 4], CounterRandom(seed: 1, tensor: "images", purpose: "test"))
    func features(_ parameters: Parameters, _ network: any ImageEncoder) throws -> [Float] {
      try network.features(of: images, parameters).array(as: Float.self)
    }
    let origin = try features(Parameters(base), Self.network)
    let still = try features(Parameters(base), linear)
    for (a, b) in zip(origin, still) { #expect(abs(a - b) < 1e-4) }
    let each = try vectors.map { try features(sum(base, [(1, $0)]), linear) }
    let both = try features(sum(base, vectors.map { (1, $0) }), linear)
    let half = try features(sum(base, [(0.5, vectors[0])]), linear)
    let bent = try features(sum(base, vectors.map { (1, $0) }), Self.network)
    for index in origin.indices {
      let wanted = each[0][index] + each[1][index] - origin[index]
      #expect(abs(both[index] - wanted) < 1e-3)
      #expect(abs(half[index] - (origin[index] + each[0][index]) / 2) < 1e-3)
    }
    #expect(zip(both, bent).contains { abs($0 - $1) > 0.05 })
    let near = try features(sum(base, [(1e-3, vectors[0])]), Self.network)
    for index in origin.indices {
      let quotient = (near[index] - origin[index]) / 1e-3
      let slope = each[0][index] - origin[index]
      #expect(abs(quotient - slope) < 0.05 * max(1, abs(slope)))
    }
  }

  @Test("Without a base, and for language models, there is no linear form")
  func refusals() throws {
    let tangent = Tangent(base: Parameters([:]), digest: "")
    #expect(throws: TinctureError.self) { try tangent.network(Llama(), "suite.yaml") }
    var suite = try EvaluationSuite(
      parsing: """
        network: {kind: vision_transformer, image_size: 4, num_channels: 1, patch_size: 2, hidden_size: 6,
          num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 8}
        tasks: [{name: a, data: {file: x.safetensors}, head: {file: x, weight: w}}]
        """, file: "suite.yaml")
    #expect(suite.base == nil)
    suite.base = "nowhere.safetensors"
    var evaluator = Evaluator(suite)
    evaluator.isLinearized = true
    let error = #expect(throws: TinctureError.self) {
      try evaluator.evaluate(EvaluatedModel("m", ModelReference(path: "nowhere.safetensors")))
    }
    #expect(error?.code == .missingInput)
  }
}
