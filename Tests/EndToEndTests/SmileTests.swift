import Foundation
import Testing
import TinctureLinearAlgebra

@Suite("Layers expanded by experts", .timeLimit(.minutes(25)), .enabled(if: Backend.isAvailable))
struct SmileTests {
  let workshop: Workshop
  let base: TinyModel
  let models: [TinyModel]
  private let layer = "model.layers.0.self_attn.q_proj"

  init() throws {
    workshop = try Workshop()
    var base = TinyModel.llama(1)
    base.add(.f32, [("\(layer).bias", [8])], seed: 4)
    self.base = base
    models = [base.tuned(2), base.tuned(3)]
    try base.write("base", in: workshop)
    for (name, model) in zip(["a", "b"], models) { try model.write(name, in: workshop) }
  }

  private func expand(_ options: String...) async throws -> SavedModel {
    let run = try await workshop.start(
      ["merge", "--method", "smile", "--base", "base", "--model", "a", "--model", "b", "out"]
        + ["--force"] + options
    ).end()
    expect(run, ends: 0)
    return try SavedModel("out", in: workshop)
  }

  private func rows(_ tensor: TinyTensor?) throws -> [[Double]] {
    let tensor = try #require(tensor)
    let width = tensor.shape[1]
    return (0..<tensor.shape[0]).map { row in
      tensor.values[row * width..<(row + 1) * width].map(Double.init)
    }
  }

  @Test("Experts of full rank are the changes, and the base stays the base")
  func whole() async throws {
    let output = try await expand()
    for name in base.names { #expect(output[name] == base[name]) }
    for (number, model) in models.enumerated() {
      let u = try rows(output["\(layer).experts.\(number).u"])
      let svh = try rows(output["\(layer).experts.\(number).svh"])
      #expect(u.count == 8 && u[0].count == 8 && svh.count == 8)
      for i in 0..<8 {
        for j in 0..<8 {
          let product = (0..<8).reduce(0) { $0 + u[i][$1] * svh[$1][j] }
          let change =
            model.values("\(layer).weight")[8 * i + j] - base.values("\(layer).weight")[8 * i + j]
          #expect((product - Double(change)).magnitude < 1e-5)
        }
      }
      let change = zip(model.values("\(layer).bias"), base.values("\(layer).bias")).map { $0 - $1 }
      expect(
        output["\(layer).experts.\(number).bias"], "bias", equals: change)
    }
    // Neither embeddings and heads nor the factors of normalisations are layers.
    #expect(
      !output.names.contains { $0.hasPrefix("model.embed_tokens.") && $0.contains("experts") })
    #expect(!output.names.contains { $0.contains("layernorm.experts") })
  }

  @Test("A gate has the leading directions of each model, and layers that are excluded have none")
  func gates() async throws {
    try workshop.write(
      "recipe.yaml",
      """
      merge_method: smile
      base_model: base
      models: [{model: a}, {model: b}]
      parameters:
        gate_rank: 3
        rank: 2
        spectral: [{filter: mlp, value: false}, {value: true}]
      """)
    let run = try await workshop.tincture("merge", "recipe.yaml", "out")
    expect(run, ends: 0)
    let output = try SavedModel("out", in: workshop)
    let gate = try rows(output["\(layer).gate.weights"])
    #expect(gate.count == 6)
    for row in gate { #expect((row.reduce(0) { $0 + $1 * $1 } - 1).magnitude < 1e-5) }
    // The expert's rows are the gate's, stretched by the singular values.
    let svh = try rows(output["\(layer).experts.1.svh"])
    #expect(svh.count == 2)
    for (row, direction) in zip(svh, gate[3...]) {
      let length = row.reduce(0) { $0 + $1 * $1 }.squareRoot()
      #expect(zip(row, direction).allSatisfy { ($0 - length * $1).magnitude < 1e-5 })
    }
    #expect(!output.names.contains { $0.contains("mlp") && $0.contains("gate.weights") })
  }

  @Test("Workers and interruptions change no byte, and a layer that nobody changed gets zeros")
  func bytes() async throws {
    _ = try await expand("--workers", "1")
    let one = try workshop.bytes("out")["model.safetensors"]
    _ = try await expand("--workers", "4", "--memory", "1MB")
    #expect(try workshop.bytes("out")["model.safetensors"] == one)
    let run = try await workshop.tincture(
      "merge", "--method", "smile", "--base", "base", "--model", "base", "--model", "a", "same")
    if run.status == 0 {
      let output = try SavedModel("same", in: workshop)
      #expect(output[layer + ".experts.0.u"]?.values.allSatisfy { $0.isFinite } ?? false)
    }
    for options in [["--set", "routing=weights"], ["--set", "average_experts=true"]] {
      let run = try await workshop.start(
        ["merge", "--method", "smile", "--base", "base", "--model", "a", "--model", "b", "out"]
          + ["--force"] + options
      ).end()
      expect(run, ends: 0)
    }
    let averaged = try SavedModel("out", in: workshop)
    let name = "model.layers.0.input_layernorm.weight"
    let mean = zip(models[0].values(name), models[1].values(name)).map { ($0 + $1) / 2 }
    expect(averaged[name], name, equals: mean)
  }

  @Test("Names that the models have already are refused before anything is written")
  func collision() async throws {
    var odd = base
    odd.add(.f32, [("\(layer).gate.weights", [3])], seed: 9)
    try odd.write("odd", in: workshop)
    try odd.tuned(5).write("tuned", in: workshop)
    let run = try await workshop.tincture(
      "merge", "--method", "smile", "--base", "odd", "--model", "tuned", "clash")
    expect(run, ends: 65)
    #expect(run.errors.contains("which the models have already"))
    #expect(!workshop.exists("clash"))
  }
}
