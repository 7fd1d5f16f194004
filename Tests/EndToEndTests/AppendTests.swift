import Foundation
import Testing
import TinctureLinearAlgebra

@Suite("Models that are appended to a merge", .timeLimit(.minutes(25)))
struct AppendTests {
  let workshop: Workshop
  let base = TinyModel.llama(1)

  init() throws {
    workshop = try Workshop()
    try base.write("base", in: workshop)
    for (seed, name) in ["a", "b", "c", "d"].enumerated() {
      try base.tuned(seed + 2).write(name, in: workshop)
    }
  }

  private func run(_ arguments: String...) async throws {
    expect(try await workshop.start(arguments).end(), ends: 0)
  }

  /// The largest distance between two outputs.
  private func distance(_ left: String, _ right: String) throws -> Float {
    let (first, second) = (
      try SavedModel(left, in: workshop), try SavedModel(right, in: workshop)
    )
    #expect(first.names == second.names)
    return first.names.reduce(0) { largest, name in
      zip(first[name]?.values ?? [], second[name]?.values ?? []).reduce(largest) {
        max($0, ($1.0 - $1.1).magnitude)
      }
    }
  }

  @Test(
    "One by one they give what all at once gives",
    arguments: [
      ["--method", "linear", "--set", "weight=1"],
      ["--method", "linear", "--set", "weight=0.5", "--set", "normalize=false"],
      [
        "--method", "task_arithmetic", "--base", "base", "--set", "weight=1", "--set", "lambda=0.3",
      ],
      [
        "--method", "task_arithmetic", "--base", "base", "--set", "weight=0.4", "--set",
        "normalize=true",
      ],
      ["--method", "opcm", "--base", "base"],
    ])
  func equal(method: [String]) async throws {
    guard Backend.isAvailable || !method.contains("opcm") else { return }
    func merge(_ models: [String], _ output: String) async throws {
      let options = models.flatMap { ["--model", $0] }
      let run = try await workshop.start(["merge"] + method + options + [output]).end()
      expect(run, ends: 0)
    }
    try await merge(["a", "b", "c", "d"], "all")
    try await merge(["a"], "one")
    try await run("merge", "--append", "b", "one", "two")
    try await run("merge", "--append", "c", "two", "three")
    try await run("merge", "--append", "d", "three", "four")
    try await merge(["a", "b"], "pair")
    try await run("merge", "--append", "c", "--append", "d", "pair", "both")
    // The elements are about 1, and each result is rounded to 24 bits: 6e-8, times what scales task vectors.
    #expect(try distance("all", "four") < 2e-6)
    #expect(try distance("all", "both") < 2e-6)
    #expect(try workshop.json("four/merge_state.json")["models"] as? Int == 4)
    // The recipe beside the output makes the same again.
    try await run("merge", "two/merge_recipe.yaml", "again")
    #expect(
      try workshop.bytes("again")["model.safetensors"]
        == workshop.bytes("two")["model.safetensors"])
  }

  @Test("Weights of their own are given for appended models")
  func weights() async throws {
    try await run(
      "merge", "--method", "linear", "--model", "a", "--model", "b", "--set", "weight=3,1", "pair")
    let missing = try await workshop.tincture("merge", "--append", "c", "pair", "out")
    expect(missing, ends: 64)
    #expect(missing.errors.contains("--set weight=NUMBER"))
    try await run("merge", "--append", "c", "--append", "d", "--set", "weight=2,0.5", "pair", "out")
    try await run(
      "merge", "--method", "linear", "--model", "a", "--model", "b", "--model", "c", "--model", "d",
      "--set", "weight=3,1,2,0.5", "all")
    #expect(try distance("all", "out") < 1e-6)
  }

  @Test("Settings for single tensors and types stay", .enabled(if: Backend.isAvailable))
  func settings() async throws {
    func recipe(_ models: String) -> String {
      """
      merge_method: opcm
      base_model: base
      models: [\(models)]
      parameters:
        threshold: [{filter: mlp, value: 0.8}, {value: 0.4}]
        spectral: [{filter: embed, value: false}, {value: true}]
      dtype: float32
      out_dtype: float32

      """
    }
    try workshop.write("pair.yaml", recipe("{model: a}, {model: b}"))
    try workshop.write("all.yaml", recipe("{model: a}, {model: b}, {model: c}"))
    try await run("merge", "all.yaml", "all")
    try await run("merge", "pair.yaml", "pair")
    try await run("merge", "--append", "c", "pair", "out")
    #expect(try distance("all", "out") < 2e-6)
    let plan = try await workshop.tincture("plan", "--append", "c", "pair", "--tensors")
    expect(plan, ends: 0)
    #expect(plan.output.contains("merged_count=2"))
  }

  @Test("What cannot be gone on from, and another base, are told")
  func refusals() async throws {
    func fails(_ arguments: String..., status: Int32, _ fragment: String) async throws {
      let run = try await workshop.start(["merge"] + arguments + ["out"]).end()
      expect(run, ends: status)
      #expect(run.errors.contains(fragment), "\(run.errors)")
      #expect(!workshop.exists("out"))
    }
    try await run(
      "merge", "--method", "ties", "--base", "base", "--model", "a", "--model", "b", "--set",
      "weight=1", "ties")
    #expect(!workshop.exists("ties/merge_state.json"))
    try await fails("--append", "c", "ties", status: 65, "does not say how to go on from it")
    try await fails("--append", "c", "nowhere", status: 66, "There is no merge of this name")
    try await run(
      "merge", "--method", "task_arithmetic", "--base", "base", "--model", "a", "--set", "weight=1",
      "one")
    try await fails("--append", "c", "--base", "d", "one", status: 65, "has another base")
    try await fails("--append", "c", "--set", "lambda=2", "one", status: 64, "weight")
    try await fails("--append", "c", "--set", "weight=heavy", "one", status: 64, "NAME=NUMBER")
    try await fails(
      "--append", "c", "--method", "linear", "one", status: 64, "goes on as the merge")
    try await fails("--append", "missing", "one", status: 66, "missing")
    // The base may have moved: then its name is asked for.
    let files = FileManager.default
    try files.moveItem(at: workshop.url("base"), to: workshop.url("moved"))
    try await fails("--append", "c", "one", status: 66, "name it by --base")
    try await run("merge", "--append", "c", "--base", "moved", "one", "out")
    try files.removeItem(at: workshop.url("out"))
    try workshop.write("one/merge_state.json", "{\"format\": 2}")
    try await fails("--append", "c", "one", status: 65, "does not describe a merge")
    try workshop.write("one/merge_state.json", "{")
    try await fails("--append", "c", "one", status: 65, "merge_state.json")
    let usage = try await workshop.tincture("merge", "--append", "c", "one")
    expect(usage, ends: 64)
    #expect(usage.errors.contains("Give the merge and an output"))
  }
}
