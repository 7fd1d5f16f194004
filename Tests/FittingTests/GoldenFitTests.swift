import Foundation
import SystemPackage
import Testing
import TinctureSafetensors
import TinctureTensors
import TinctureTorch

@testable import TinctureFitting

/// A network of three linear layers, its base, three experts and their inputs, as FusionBench saw them.
@Suite("Coefficients against a published implementation", .needsLibTorch)
struct GoldenFitTests {
  private static let names = [
    "0.weight", "0.bias", "2.weight", "2.bias", "4.weight", "4.bias",
  ]

  private func read(_ file: String) throws -> [String: (shape: [Int], values: [Float])] {
    let folder = try #require(Bundle.module.resourceURL).appending(path: "Fixtures").path
    let stored = try SafetensorsFile(opening: FilePath("\(folder)/\(file).safetensors"))
    var found: [String: (shape: [Int], values: [Float])] = [:]
    for tensor in stored.header.tensors {
      let bytes = try stored.file.bytes(at: tensor.byteOffset, count: tensor.byteCount)
      var values = [Float](repeating: 0, count: tensor.shape.elementCount)
      values.withUnsafeMutableBytes { $0.copyBytes(from: bytes) }
      found[tensor.name] = (tensor.shape.extents, values)
    }
    return found
  }

  private func vectors() throws -> TaskVectorSet {
    let base = try read("mlp.base")
    let experts = try (0..<3).map { try read("mlp.model\($0)") }
    return try TaskVectorSet(
      Self.names.map { name in
        let own = try #require(base[name])
        let differences = try experts.map { expert in
          zip(try #require(expert[name]).values, own.values).map { $0 - $1 }
        }
        return (name: name, extents: own.shape, base: own.values, vectors: differences)
      })
  }

  private func inputs() throws -> [TorchTensor] {
    let side = try read("fb_adamerging_layerwise.side")
    return try (0..<3).map { task in
      let x = try #require(side["x\(task)"])
      return try TorchTensor(x.values, shape: x.shape)
    }
  }

  private func entropy(
    _ parameters: [TorchTensor], _ x: TorchTensor
  ) throws -> TorchTensor {
    var x = try x.linear(weight: parameters[0], bias: parameters[1]).gelu()
    x = try x.linear(weight: parameters[2], bias: parameters[3]).gelu()
    let scores = try x.linear(weight: parameters[4], bias: parameters[5])
    return try #require(try FitObjective.entropy.loss(scores, .init())).loss
  }

  @Test("Eight steps of layer-wise AdaMerging move the coefficients as FusionBench does")
  func adaMerging() throws {
    var settings = CoefficientSettings()
    (settings.link, settings.rate) = (.identity, 0.01)
    let merge = CoefficientMerge(try vectors(), settings, on: .cpu)
    let inputs = try inputs()
    var losses: [Double] = []
    for step in 0..<8 {
      let merged = try merge.assemble()
      var sum = 0.0
      for x in inputs {
        let loss = try entropy(merged.tensors, x)
        sum += Double(try loss.item(as: Float.self))
        #expect(try merge.accumulate(gradients(of: loss, withRespectTo: merged.leaves)))
      }
      try merge.step(step, of: 8)
      losses.append(sum)
    }
    let expected = try read("fb_adamerging_layerwise")
    let coefficients = try #require(expected["coefficients"])
    for (tensor, own) in Self.names.indices.map({ ($0, merge.table.meanCoefficients($0)) }) {
      for task in 0..<3 {
        #expect(abs(own[task] - coefficients.values[task * 6 + tensor]) < 1e-4)
      }
    }
    for (found, wanted) in zip(losses, try #require(expected["loss"]).values) {
      #expect(abs(found - Double(wanted)) < 1e-4)
    }
    let merged = try merge.assemble()
    for (name, tensor) in zip(Self.names, merged.tensors) {
      let wanted = try #require(expected["merged." + name]).values
      for (found, value) in zip(try tensor.detached().array(as: Float.self), wanted) {
        #expect(abs(found - value) < 1e-4)
      }
    }
  }

  @Test("∂loss/∂λ is the limit of difference quotients")
  func differences() throws {
    var settings = CoefficientSettings()
    settings.link = .identity
    settings.granularity = .chunk
    settings.chunks = 2
    let vectors = try vectors()
    let x = try inputs()[0]
    let merge = CoefficientMerge(vectors, settings, on: .cpu)
    func loss(_ change: (inout [Float]) -> Void) throws -> Double {
      let snapshotted = CoefficientMerge(vectors, settings, on: .cpu)
      var snapshot = FitSnapshot()
      try snapshotted.save(into: &snapshot)
      var raw = try snapshot.floats("coefficients", count: merge.table.raw.count)
      change(&raw)
      snapshot.set("coefficients", raw)
      try snapshotted.restore(from: snapshot)
      return Double(try entropy(snapshotted.assemble().tensors, x).item(as: Float.self))
    }
    let merged = try merge.assemble()
    let found = try gradients(of: entropy(merged.tensors, x), withRespectTo: merged.leaves)
    var products: [[Double]] = []
    for (index, gradient) in found.enumerated() {
      let values = try gradient.array(as: Float.self)
      products.append(try vectors.products(index, values.span, merge.table))
    }
    let slopes = merge.table.gradient(products)
    let h: Float = 0.02
    let largest = slopes.map(\.magnitude).max() ?? 0
    for place in stride(from: 0, to: slopes.count, by: 3) {
      let quotient = (try loss { $0[place] += h } - loss { $0[place] -= h }) / Double(2 * h)
      #expect(abs(quotient - Double(slopes[place])) < 0.02 * Double(largest))
    }
  }
}
