import Foundation
import Testing

@Suite("Forms of inputs and outputs", .timeLimit(.minutes(25)))
struct InputAndOutputTests {
  let workshop: Workshop
  let base = TinyModel.llama(1)
  let tuned: TinyModel

  init() throws {
    workshop = try Workshop()
    tuned = base.tuned(2)
    try base.write("base", in: workshop)
    try tuned.write("tuned", in: workshop)
  }

  private func average(
    _ inputs: [String], _ options: String..., environment: [String: String] = [:]
  )
    async throws -> ToolRun
  {
    let models = inputs.flatMap { ["--model", $0] }
    return try await workshop.start(
      ["merge", "--method", "linear", "--set", "weight=1"] + models + options,
      environment: environment
    ).end()
  }

  private func expectAverage(_ output: SavedModel) {
    #expect(output.names == base.names.sorted())
    for name in base.names {
      let expected = Formulas.linear([base.values(name), tuned.values(name)], [1, 1])
      expect(output[name], name, equals: expected)
    }
  }

  @Test("Sharded inputs are read through their index")
  func shardedInput() async throws {
    try tuned.write("shards", in: workshop, shards: 3)
    expect(try await average(["base", "shards"], "out"), ends: 0)
    expectAverage(try SavedModel("out", in: workshop))
  }

  @Test("The output is cut into shards with an index")
  func shardedOutput() async throws {
    expect(try await average(["base", "tuned"], "out", "--shard-size", "1KB"), ends: 0)
    let output = try SavedModel("out", in: workshop)
    expectAverage(output)
    let index = try workshop.json("out/model.safetensors.index.json")
    #expect(index["weight_map"] as? [String: String] == output.files)
    let size = base.names.reduce(0) { $0 + base.values($1).count * 4 }
    #expect((index["metadata"] as? [String: Any])?["total_size"] as? Int == size)
    let shards = try workshop.names("out").filter { $0.hasSuffix(".safetensors") }
    #expect(shards.count > 2)
    for (position, name) in shards.enumerated() {
      #expect(name.hasPrefix("model-0000\(position + 1)-of-0000\(shards.count)"))
      let held = output.files.filter { $0.value == name }.keys
      let bytes = held.reduce(0) { $0 + base.values($1).count * 4 }
      #expect(bytes <= 1000 || held.count == 1)
    }
  }

  @Test("A replaced output keeps no file of the old one")
  func replaced() async throws {
    expect(try await average(["base", "tuned"], "out", "--shard-size", "1KB"), ends: 0)
    expect(try await average(["base", "tuned"], "out", "--force"), ends: 0)
    #expect(!workshop.exists("out/model.safetensors.index.json"))
    #expect(
      try workshop.names("out").filter { $0.hasSuffix(".safetensors") } == ["model.safetensors"])
    #expect(try workshop.names().filter { $0.hasPrefix(".") } == [])
  }

  @Test("An output whose name ends in .safetensors is one file and nothing else")
  func singleFile() async throws {
    expect(try await average(["base", "tuned"], "new/merged.safetensors"), ends: 0)
    expectAverage(try SavedModel("new/merged.safetensors", in: workshop))
    #expect(try workshop.names("new") == ["merged.safetensors"])
  }

  @Test("PyTorch checkpoints are inputs like any other", arguments: [1, 2])
  func pyTorch(shards: Int) async throws {
    try workshop.write("torch/config.json", base.files["config.json"] ?? "")
    if shards == 1 {
      try workshop.write("torch/pytorch_model.bin", PyTorchArchive(tuned).bytes)
    } else {
      var map: [String] = []
      for shard in 0..<shards {
        let chosen = tuned.names.enumerated().filter { $0.offset % shards == shard }.map(\.element)
        let file = "pytorch_model-0000\(shard + 1)-of-0000\(shards).bin"
        try workshop.write("torch/\(file)", PyTorchArchive(tuned, chosen).bytes)
        map += chosen.map { "\"\($0)\": \"\(file)\"" }
      }
      try workshop.write(
        "torch/pytorch_model.bin.index.json", "{\"weight_map\": {\(map.joined(separator: ", "))}}")
    }
    expect(try await average(["base", "torch"], "out"), ends: 0)
    expectAverage(try SavedModel("out", in: workshop))
  }

  @Test("Names of the hub are looked up in the cache that HF_HOME names, at their revision")
  func hubCache() async throws {
    let commit = String(repeating: "ab", count: 20)
    let folder = "hf/hub/models--org--tuned"
    try tuned.write("\(folder)/snapshots/\(commit)", in: workshop)
    try workshop.write("\(folder)/refs/main", commit)
    // The cache keeps contents apart from names.
    let weights = workshop.url("\(folder)/snapshots/\(commit)/model.safetensors")
    try workshop.write("\(folder)/blobs/weights", Data(contentsOf: weights))
    try FileManager.default.removeItem(at: weights)
    try FileManager.default.createSymbolicLink(
      atPath: weights.path, withDestinationPath: "../../blobs/weights")
    let home = ["HF_HOME": workshop.url("hf").path, "HF_HUB_OFFLINE": "1"]
    for (reference, output) in [("org/tuned", "one"), ("org/tuned@\(commit.prefix(8))", "two")] {
      expect(try await average(["base", reference], output, environment: home), ends: 0)
      expectAverage(try SavedModel(output, in: workshop))
    }
    let card = try workshop.text("one/README.md")
    #expect(card.contains("base_model:\n- org/tuned"))
    #expect(card.contains(commit.prefix(12)))
    let absent = try await average(["base", "org/absent"], "three", environment: home)
    expect(absent, ends: 66)
    #expect(absent.errors.contains("hf download org/absent"))
    let revision = try await average(["base", "org/tuned@dev"], "three", environment: home)
    expect(revision, ends: 66)
    #expect(revision.errors.contains("not its revision 'dev'"))
    #expect(!workshop.exists("three"))
  }

  @Test("An adapter is folded into its model while it is read")
  func adapter() async throws {
    let weight = "model.layers.1.self_attn.q_proj.weight"
    let stem = "base_model.model.model.layers.1.self_attn.q_proj"
    var adapter = TinyModel()
    adapter.add(
      .f32, [("\(stem).lora_A.weight", [2, 8]), ("\(stem).lora_B.weight", [8, 2])], seed: 5)
    try workshop.write(
      "adapter/adapter_config.json", "{\"peft_type\": \"LORA\", \"r\": 2, \"lora_alpha\": 6}")
    try workshop.write("adapter/adapter_model.safetensors", adapter.safetensors())
    let run = try await workshop.tincture(
      "merge", "--method", "task_arithmetic", "--base", "base", "--model", "tuned+adapter", "--set",
      "weight=1", "out")
    expect(run, ends: 0)
    let output = try SavedModel("out", in: workshop)
    for name in base.names {
      let expected =
        name == weight
        ? Formulas.folded(
          tuned.values(name), up: adapter.values("\(stem).lora_B.weight"),
          down: adapter.values("\(stem).lora_A.weight"), rank: 2, scale: 3)
        : tuned.values(name)
      expect(output[name], name, equals: expected)
    }
  }

  @Test("A leading ~ is the home directory")
  func home() async throws {
    expect(try await average(["~/base", "~/tuned"], "out"), ends: 0)
    expectAverage(try SavedModel("out", in: workshop))
  }

  @Test("A greedy soup takes the models that improve the recorded score")
  func greedySoup() async throws {
    let third = base.tuned(3)
    try third.write("third", in: workshop)
    try workshop.write(
      "scores.json",
      """
      {"base": 0.5, "tuned": 0.7, "third": 0.6, "tuned + third": 0.65, "tuned + base": 0.75}
      """)
    let soup = ["--model", "base", "--model", "tuned", "--model", "third"]
    let run = try await workshop.start(
      ["merge", "--method", "greedy_soup", "--set", "scores=scores.json"] + soup + ["out"]
    ).end()
    expect(run, ends: 0)
    expectAverage(try SavedModel("out", in: workshop))
    try workshop.write("scores.json", "{\"base\": 0.5, \"tuned\": 0.7, \"third\": 0.6}")
    let missing = try await workshop.start(
      ["merge", "--method", "greedy_soup", "--set", "scores=scores.json"] + soup + ["other"]
    ).end()
    expect(missing, ends: 66)
    #expect(missing.errors.contains("no score for \"tuned + third\""))
    #expect(!workshop.exists("other"))
  }
}
