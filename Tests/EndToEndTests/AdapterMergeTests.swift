import Foundation
import Testing
import TinctureLinearAlgebra

@Suite(
  "Adapters merged by their factors", .timeLimit(.minutes(25)), .enabled(if: Backend.isAvailable))
struct AdapterMergeTests {
  let workshop: Workshop
  let base = TinyModel.llama(1)

  init() throws {
    workshop = try Workshop()
    try base.write("base", in: workshop)
    for (seed, name) in ["x", "y", "z"].enumerated() {
      var adapter = TinyModel()
      for weight in base.names where weight.contains("proj") {
        let shape = base[weight]?.shape ?? []
        let stem = "base_model.model." + weight.dropLast(".weight".count)
        adapter.add(
          .f32,
          [("\(stem).lora_A.weight", [2, shape[1]]), ("\(stem).lora_B.weight", [shape[0], 2])],
          seed: seed + 10)
      }
      try workshop.write(
        "\(name)/adapter_config.json", "{\"peft_type\": \"LORA\", \"r\": 2, \"lora_alpha\": 1}")
      try workshop.write("\(name)/adapter_model.safetensors", adapter.safetensors())
    }
  }

  private func merge(_ output: String, _ options: [String]) async throws -> SavedModel {
    let models = ["x", "y", "z"].flatMap { ["--model", "base+\($0)"] }
    let run = try await workshop.start(
      ["merge", "--base", "base"] + models + options + [output]
    ).end()
    expect(run, ends: 0)
    return try SavedModel(output, in: workshop)
  }

  @Test("Core Space with sums is task arithmetic, α / r included")
  func sums() async throws {
    let core = try await merge(
      "core", ["--method", "core_space", "--set", "inner=sum", "--set", "weight=0.5"])
    let plain = try await merge("plain", ["--method", "task_arithmetic", "--set", "weight=0.5"])
    for name in base.names { expect(core[name], name, equals: plain[name]?.values ?? []) }
  }

  @Test("Factors give what the same models give when they are folded first")
  func folded() async throws {
    for name in ["x", "y", "z"] {
      let run = try await workshop.tincture(
        "merge", "--method", "linear", "--model", "base+\(name)", "--set", "weight=1",
        "\(name)-full")
      expect(run, ends: 0)
    }
    // Neither depends on the coordinates that factors give; ties does, and is left out.
    for inner in ["tsv_m", "iso_c", "mean"] {
      let factors = try await merge(
        "factors", ["--method", "core_space", "--set", "inner=\(inner)", "--force"])
      let models = ["x", "y", "z"].flatMap { ["--model", "\($0)-full"] }
      let run = try await workshop.start(
        ["merge", "--base", "base", "--method", "core_space", "--set", "inner=\(inner)"]
          + ["--set", "tolerance=1e-4"] + models + ["whole", "--force"]
      ).end()
      expect(run, ends: 0)
      let whole = try SavedModel("whole", in: workshop)
      for name in base.names {
        let pairs = zip(factors[name]?.values ?? [], whole[name]?.values ?? [])
        #expect(pairs.allSatisfy { ($0 - $1).magnitude < 2e-4 }, "\(inner) \(name)")
      }
    }
  }

  @Test("A plan counts the memory of factors, not of whole matrices")
  func memory() async throws {
    func peak(_ models: [String]) async throws -> Int {
      let options = models.flatMap { ["--model", $0] }
      let run = try await workshop.start(
        ["plan", "--method", "core_space", "--base", "base", "--json"] + options
      ).end()
      expect(run, ends: 0)
      let plan = try #require(
        JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])
      return try #require(plan["working_memory_bytes"] as? Int)
    }
    try base.tuned(5).write("full", in: workshop)
    #expect(try await peak(["base+x", "base+y"]) < peak(["full", "base+y"]))
  }
}
