import Foundation
import Testing
import TinctureLinearAlgebra

@Suite("LoRA adapters through the program", .timeLimit(.minutes(25)))
struct LoraTests {
  let workshop: Workshop
  let base = TinyModel.llama()
  static let layers = [
    "model.layers.0.self_attn.q_proj", "model.layers.1.mlp.up_proj", "model.layers.1.mlp.down_proj",
  ]

  init() throws {
    workshop = try Workshop()
    try base.write("base", in: workshop)
    for (seed, name) in ["cars", "sun"].enumerated() {
      try Self.adapter(base, seed + 1).write(name, workshop)
    }
  }

  /// Factors of rank 2, with α = 6.
  struct Written {
    var model: TinyModel
    let rank = 2
    var scale: Float = 3

    func write(_ folder: String, _ workshop: Workshop) throws {
      try workshop.write(
        "\(folder)/adapter_config.json",
        "{\"peft_type\": \"LORA\", \"r\": 2, \"lora_alpha\": 6, \"base_model_name_or_path\": \"base\"}"
      )
      try workshop.write("\(folder)/adapter_model.safetensors", model.safetensors())
    }

    func factor(_ layer: String, _ letter: String) -> [Float] {
      model.values("base_model.model.\(layer).lora_\(letter).weight")
    }

    /// A weight with the change times a weight.
    func folded(_ values: [Float], _ layer: String, _ weight: Float = 1) -> [Float] {
      Formulas.folded(
        values, up: factor(layer, "B"), down: factor(layer, "A"), rank: rank,
        scale: weight * scale)
    }
  }

  static func adapter(_ base: TinyModel, _ seed: Int) -> Written {
    var model = TinyModel()
    for layer in layers {
      let shape = base[layer + ".weight"]?.shape ?? []
      model.add(
        .f32,
        [
          ("base_model.model.\(layer).lora_A.weight", [2, shape[1]]),
          ("base_model.model.\(layer).lora_B.weight", [shape[0], 2]),
        ], seed: seed)
    }
    return Written(model: model)
  }

  @discardableResult
  private func run(_ arguments: String..., ends status: Int32 = 0) async throws -> ToolRun {
    let run = try await workshop.start(arguments).end()
    expect(run, ends: status)
    return run
  }

  /// Expects a model to be the base with the changes of both adapters.
  private func expectFolded(
    _ name: String, cars: Float, sun: Float, at place: SourceLocation = #_sourceLocation
  ) throws {
    let saved = try SavedModel(name, in: workshop)
    #expect(saved.names == base.names.sorted(), sourceLocation: place)
    for tensor in base.names {
      let layer = String(tensor.dropLast(".weight".count))
      var wanted = base.values(tensor)
      if Self.layers.contains(layer) {
        wanted = Self.adapter(base, 1).folded(wanted, layer, cars)
        wanted = Self.adapter(base, 2).folded(wanted, layer, sun)
      }
      guard let values = saved[tensor]?.values, values.count == wanted.count else {
        Issue.record("\(tensor) is missing", sourceLocation: place)
        continue
      }
      #expect(
        zip(values, wanted).allSatisfy { ($0 - $1).magnitude < 2e-5 }, "\(tensor)",
        sourceLocation: place)
    }
  }

  @Test("Adapters are folded with weights, and taken out again")
  func fold() async throws {
    try await run("lora", "fold", "base", "cars", "-o", "one")
    try expectFolded("one", cars: 1, sun: 0)
    #expect(try workshop.json("one/config.json").count == workshop.json("base/config.json").count)
    try await run("lora", "fold", "base", "cars", "sun", "--weights", "0.5,-0.25", "-o", "both")
    try expectFolded("both", cars: 0.5, sun: -0.25)
    try await run("lora", "fold", "one", "cars", "--weights", "-1", "-o", "none")
    try expectFolded("none", cars: 0, sun: 0)
    let merged = try await run(
      "merge", "--method", "linear", "--model", "base+cars", "m", "--set", "weight=1")
    #expect(merged.errors.contains("base+cars"))
    #expect(
      try workshop.bytes("m")["model.safetensors"] == workshop.bytes("one")["model.safetensors"])
    try await run(
      "lora", "fold", "base", "cars", "-o", "half", "--dtype", "bfloat16", "--shard-size", "1KB")
    #expect(try workshop.names("half").contains("model.safetensors.index.json"))
    #expect(try SavedModel("half", in: workshop)["model.norm.weight"]?.element == .bf16)
  }

  @Test("A recipe takes adapters in the place of models when it has a base")
  func recipe() async throws {
    let merged = try await run(
      "merge", "--method", "task_arithmetic", "--base", "base", "--model", "cars", "--model", "sun",
      "--set", "weight=0.5,0.25", "merged")
    try expectFolded("merged", cars: 0.5, sun: 0.25)
    #expect(merged.errors.contains("cars is a LoRA adapter and is folded into base"))
    #expect(merged.errors.contains("lora combine --mode cat"))
    let refused = try await run(
      "merge", "--method", "linear", "--model", "cars", "--model", "sun", "--set", "weight=0.5",
      "x",
      ends: 65)
    #expect(refused.errors.contains("lora combine --mode cat"))
    try await run("convert", "cars", "copy", "--dtype", "float16")
    #expect(!workshop.exists("x"))
  }

  @Test(
    "Extracted, combined, resized and folded again, nothing is lost",
    .enabled(if: Backend.isAvailable))
  func tour() async throws {
    try await run("lora", "fold", "base", "cars", "-o", "model")
    let table = try await run(
      "lora", "extract", "--base", "base", "--model", "model", "--rank", "4", "-o", "found")
    for layer in Self.layers { #expect(table.output.contains(layer)) }
    #expect(table.output.contains("100.00 %") && table.output.contains("layers of rank 4"))
    try await run(
      "lora", "combine", "found", "sun", "--weights", "0.5,2", "-o", "both", "--summary")
    let resized = try await run("lora", "resize", "both", "--rank", "4", "-o", "small", "--json")
    #expect(resized.output.contains("\"energy\""))
    try await run("lora", "fold", "base", "small", "-o", "again")
    try expectFolded("again", cars: 0.5, sun: 2)
    let settings = try workshop.json("small/adapter_config.json")
    #expect(settings["r"] as? Int == 4 && settings["lora_alpha"] as? Int == 4)
    #expect(Set(try #require(settings["target_modules"] as? [String])) == Set(Self.layers))
    let names = try workshop.names().filter { $0.hasPrefix(".") }
    #expect(names.isEmpty, "\(names)")
  }

  @Test("What is no layer is listed, or stored whole when asked", .enabled(if: Backend.isAvailable))
  func others() async throws {
    try base.tuned(3, by: 0.1).write("tuned", in: workshop)
    let plain = try await run(
      "lora", "extract", "--base", "base", "--model", "tuned", "--energy", "0.9", "-o", "some")
    #expect(plain.errors.contains("model.norm.weight") && plain.errors.contains("lm_head.weight"))
    try await run(
      "lora", "extract", "--base", "base", "--model", "tuned", "--energy", "1",
      "--factor-vocabulary", "--save-others", "-o", "all", "--quiet")
    try await run("lora", "fold", "base", "all", "-o", "again")
    let (saved, wanted) = (
      try SavedModel("again", in: workshop), try SavedModel("tuned", in: workshop)
    )
    for name in wanted.names {
      let (x, y) = (try #require(saved[name]).values, try #require(wanted[name]).values)
      #expect(zip(x, y).allSatisfy { ($0 - $1).magnitude < 2e-6 }, "\(name)")
    }
    let budget = try await run(
      "lora", "extract", "--base", "base", "--model", "tuned", "--budget", "6KB", "-o", "tight")
    #expect(budget.output.contains("of the energy kept"))
    let size = try Data(contentsOf: workshop.url("tight/adapter_model.safetensors")).count
    #expect(size <= 6_000)
  }

  @Test(
    "Each mode runs, and gives an adapter that can be folded", .enabled(if: Backend.isAvailable),
    arguments: [
      ["cat"], ["svd", "--rank", "3"], ["linear"], ["ties", "--density", "0.5"],
      ["dare_linear", "--density", "0.5", "--seed", "7"], ["dare_ties", "--density", "0.5"],
      ["magnitude_prune", "--density", "0.5"],
      ["ties_svd", "--density", "0.5", "--majority-sign-method", "frequency"],
      ["delta_dare_linear", "--density", "0.5"], ["delta_dare_ties", "--density", "0.5"],
      ["delta_magnitude_prune", "--density", "0.5", "--rank", "3"], ["lego", "--rank", "3"],
      ["knots", "--density", "0.5"], ["core", "--inner", "sum"],
    ])
  func modes(mode: [String]) async throws {
    let done = try await workshop.start(
      ["lora", "combine", "cars", "sun", "-o", "out", "--mode"] + mode
    ).end()
    expect(done, ends: 0)
    #expect(done.output.contains("off the sum"))
    try await run("lora", "fold", "base", "out", "-o", "model")
    if mode[0] == "cat" || mode[0] == "core" { try expectFolded("model", cars: 1, sun: 1) }
  }

  @Test("Adapters are packed into one file and taken out again", .enabled(if: Backend.isAvailable))
  func pack() async throws {
    let packed = try await run("lora", "pack", "cars=cars", "sun=sun", "-o", "all.safetensors")
    #expect(packed.output.contains("100.00 % of the energy kept"))
    try await run("lora", "unpack", "all.safetensors", "--adapter", "sun", "-o", "again")
    try await run("lora", "fold", "base", "again", "-o", "model")
    try expectFolded("model", cars: 0, sun: 1)
    let missing = try await run(
      "lora", "unpack", "all.safetensors", "--adapter", "dtd", "-o", "x", ends: 66)
    #expect(missing.errors.contains("cars, sun"))
  }

  @Test(
    "What cannot be done is said, and nothing is left behind",
    arguments: [
      (["fold", "base", "cars", "sun", "--weights", "1,2,3"], 64, "3 values for 2 adapters"),
      (["fold", "base", "base"], 65, "No tensor has the name of a LoRA factor"),
      (["fold", "base", "nowhere"], 66, "nowhere"),
      (["combine", "cars", "sun", "--mode", "ties"], 64, "--density"),
      (["combine", "cars", "sun", "--density", "0.5"], 64, "has no --density"),
      (["combine", "cars", "sun", "--mode", "linear", "--rank", "4"], 64, "no rank"),
      (["combine", "cars", "sun", "--inner", "sum"], 64, "has no --inner"),
      (["combine", "cars", "sun", "--mode", "melt"], 64, "melt"),
      (["resize", "cars"], 64, "Give one of --rank"),
      (["resize", "cars", "--rank", "2", "--energy", "0.5"], 64, "Give one of --rank"),
      (["resize", "cars", "--rank", "99"], 64, "larger than any matrix"),
      (["resize", "cars", "--rank", "1", "--dtype", "int8"], 64, "choose float32"),
      (["extract", "--base", "base", "--model", "base", "--rank", "2"], 65, "No weight"),
    ] as [([String], Int32, String)])
  func failures(arguments: [String], status: Int32, words: String) async throws {
    let needsEngine = arguments[0] != "fold" && !Backend.isAvailable
    let before = try workshop.names()
    let done = try await workshop.start(["lora"] + arguments + ["-o", "out"]).end()
    if !needsEngine {
      expect(done, ends: status)
      #expect(done.errors.contains(words), "\(done.errors)")
    }
    #expect(try workshop.names() == before)
  }
}
