import Foundation
import Testing
import TinctureLinearAlgebra

@Suite("Expert banks through the program", .timeLimit(.minutes(25)))
struct BankTests {
  let workshop: Workshop

  init() throws {
    workshop = try Workshop()
    let base = TinyModel.llama()
    try base.write("base", in: workshop)
    for (seed, name) in ["cars", "sun", "dtd"].enumerated() {
      try base.tuned(seed + 1, by: 0.01).write(name, in: workshop)
    }
  }

  private func run(_ arguments: String..., ends status: Int32 = 0) async throws -> ToolRun {
    let run = try await workshop.start(arguments).end()
    expect(run, ends: status)
    return run
  }

  private func create(_ options: String..., name: String = "experts.bank") async throws {
    let fixed = [
      "bank", "create", "--base", "base", "--expert", "cars=cars", "--expert", "sun=sun",
      "--output", name,
    ]
    expect(try await workshop.start(fixed + options).end(), ends: 0)
  }

  @Test("A bank is made, shown, verified, extended, reduced and extracted")
  func tour() async throws {
    try await create("--codec", "rtvq", "--base-bits", "3", "--offset-bits", "2")
    let shown = try await run("bank", "show", "experts.bank", "--tensors")
    for word in ["cars", "sun", "rtvq, base 3 bits, offset 2 bits", "2 bits", "base"] {
      #expect(shown.output.contains(word), "\(word)")
    }
    let verified = try await run("bank", "verify", "experts.bank", "--base", "base")
    #expect(verified.output.contains("as they were stored"))
    _ = try await run(
      "bank", "add", "experts.bank", "--base", "base", "--expert", "dtd=dtd")
    // Without --codec, new experts are stored as those that are there.
    let json = try await run("bank", "show", "experts.bank", "--json")
    #expect(json.output.contains("\"dtd\""))
    #expect(json.output.split(separator: "rtvq, base 3 bits, offset 2 bits").count == 4)
    _ = try await run("bank", "remove", "experts.bank", "--expert", "sun")
    let missing = try await run(
      "bank", "extract", "experts.bank", "--expert", "sun", "--base", "base", "--output", "x",
      ends: 66)
    #expect(missing.errors.contains("cars, dtd"))
    _ = try await run(
      "bank", "extract", "experts.bank", "--expert", "cars", "--base", "base", "--output", "out")
    #expect(workshop.exists("out/config.json"))
    let names = try workshop.names().filter { $0.hasPrefix(".") }
    #expect(names.isEmpty, "\(names)")
  }

  @Test(
    "Merging from a bank gives the bytes that merging the extracted experts gives",
    arguments: [
      ["--codec", "rtvq"], ["--codec", "tvq", "--bits", "3", "--ranges", "64", "--clip"],
      ["--codec", "raw"], ["--codec", "sparse", "--density", "0.2"],
      ["--codec", "binary", "--ranges", "32"],
    ] + (Backend.isAvailable ? [["--codec", "svd", "--rank", "3"]] : []),
    [
      ["linear", "weight=0.4"], ["task_arithmetic", "weight=0.4"],
      ["ties", "weight=1", "density=0.5"], ["slerp", "t=0.3"],
      ["della", "density=0.6", "weight=1"],
    ])
  func sameBytes(codec: [String], method: [String]) async throws {
    let made = try await workshop.start(
      [
        "bank", "create", "--base", "base", "--expert", "cars=cars", "--expert", "sun=sun",
        "--output", "experts.bank",
      ] + codec
    ).end()
    expect(made, ends: 0)
    for name in ["cars", "sun"] {
      _ = try await run(
        "bank", "extract", "experts.bank", "--expert", name, "--base", "base", "--output",
        "x-\(name)")
    }
    for (output, models) in [
      ("from-bank", ["experts.bank#cars", "experts.bank#sun"]),
      ("from-files", ["x-cars", "x-sun"]),
    ] {
      var arguments = ["merge", "--method", method[0]]
      let chosen = method[0] == "slerp" ? Array(models.prefix(1)) : models
      if method[0] != "linear" { arguments += ["--base", "base"] }
      for model in chosen { arguments += ["--model", model] }
      for setting in method.dropFirst() { arguments += ["--set", setting] }
      expect(try await workshop.start(arguments + [output]).end(), ends: 0)
    }
    let file = "model.safetensors"
    #expect(try workshop.bytes("from-bank")[file] == workshop.bytes("from-files")[file])
  }

  @Test("An expert may be a model with an adapter")
  func adapter() async throws {
    let name = "model.layers.0.self_attn.q_proj"
    let weight = try #require(TinyModel.llama()[name + ".weight"])
    var adapter = TinyModel()
    adapter.add(
      .f32,
      [
        ("base_model.model.\(name).lora_A.weight", [2, weight.shape[1]]),
        ("base_model.model.\(name).lora_B.weight", [weight.shape[0], 2]),
      ], seed: 5)
    try workshop.write(
      "lora/adapter_config.json", "{\"peft_type\": \"LORA\", \"r\": 2, \"lora_alpha\": 2}")
    try workshop.write("lora/adapter_model.safetensors", adapter.safetensors())
    _ = try await run(
      "bank", "create", "--base", "base", "--expert", "tuned=base+lora", "--codec", "raw",
      "--output", "lora.bank")
    _ = try await run(
      "bank", "extract", "lora.bank", "--expert", "tuned", "--base", "base", "--output",
      "from-bank")
    _ = try await run(
      "merge", "--method", "linear", "--model", "base+lora", "--set", "weight=1", "folded")
    let file = "model.safetensors"
    let folded = try workshop.bytes("folded")[file]
    #expect(try workshop.bytes("from-bank")[file] == folded)
    #expect(try Data(contentsOf: workshop.url("base/\(file)")) != folded)
    let shown = try await run("bank", "show", "lora.bank", "--tensors")
    #expect(shown.output.contains(name))
    #expect(!shown.output.contains("o_proj"))
  }

  @Test("A bank keeps to its budget")
  func budget() async throws {
    for (options, limit) in [
      (["--budget", "60KB"], 60_000), (["--budget", "60KB", "--allocation", "bank"], 60_000),
      (["--codec", "tvq", "--budget", "700%"], nil),
    ] as [([String], Int?)] {
      let made = try await workshop.start(
        [
          "bank", "create", "--base", "base", "--expert", "cars=cars", "--expert", "sun=sun",
          "--json", "--output", "small.bank", "--force",
        ] + options
      ).end()
      expect(made, ends: 0)
      let size = try Data(contentsOf: workshop.url("small.bank")).count
      let source = try Data(contentsOf: workshop.url("cars/model.safetensors")).count
      #expect(size <= limit ?? 2 * source * 7)
      _ = try await run("bank", "verify", "small.bank")
    }
    for (options, words) in [
      (["--budget", "60KB", "--base-bits", "3"], "leave out"),
      (["--allocation", "bank"], "give one with --budget"),
      (["--budget", "60KB", "--codec", "raw"], "choose affine, tvq or"),
      (["--budget", "1KB"], "takes at least"),
    ] {
      let refused = try await workshop.start(
        [
          "bank", "create", "--base", "base", "--expert", "cars=cars", "--output", "no.bank",
        ] + options
      ).end()
      expect(refused, ends: 64)
      #expect(refused.errors.contains(words), "\(refused.errors)")
    }
    #expect(!workshop.exists("no.bank"))
  }

  @Test("What cannot be done says why, with its exit status")
  func refusals() async throws {
    try await create()
    try TinyModel.llama().tuned(9, by: 0.5).write("other", in: workshop)
    let cases: [([String], Int32, String)] = [
      (
        [
          "bank", "extract", "experts.bank", "--expert", "cars", "--base", "other", "--output",
          "out",
        ], 65, "is not the base"
      ),
      (["bank", "verify", "experts.bank", "--base", "other"], 65, "is not the base"),
      (["bank", "show", "base/model.safetensors"], 65, "no expert bank"),
      (["bank", "show", "nowhere.bank"], 66, "cannot be opened"),
      (
        ["bank", "create", "--base", "base", "--expert", "cars=cars", "--output", "experts.bank"],
        73, "--force"
      ),
      (
        [
          "bank", "create", "--base", "base", "--expert", "cars=cars", "--bits", "9", "--codec",
          "tvq", "--output", "y.bank",
        ], 64, "from 1 to 8"
      ),
      (
        ["bank", "add", "experts.bank", "--base", "base", "--expert", "cars=sun"], 64,
        "two experts named"
      ),
      (
        [
          "bank", "create", "--base", "base", "--expert", "cars=cars", "--codec", "emr", "--clip",
          "--output", "y.bank",
        ], 64, "has no --clip"
      ),
      (
        [
          "bank", "create", "--base", "base", "--expert", "cars=cars", "--force", "--output",
          "cars/model.safetensors",
        ], 73, "is an input"
      ),
      (
        ["bank", "add", "experts.bank", "--base", "base", "--expert", "x=sun", "--codec", "emr"],
        64, "rtvq"
      ),
      (
        [
          "bank", "create", "--base", "base", "--expert", "=cars", "--output", "y.bank",
        ], 64, "expert"
      ),
    ]
    for (arguments, status, words) in cases {
      let run = try await workshop.start(arguments).end()
      expect(run, ends: status)
      #expect(run.errors.contains(words), "\(run.errors)")
    }
    #expect(!workshop.exists("out"))
    #expect(!workshop.exists("y.bank"))
  }

  @Test("Experts with tensors of other shapes, or without some, are remarked upon")
  func otherShapes() async throws {
    var odd = TinyModel.llama(vocabulary: 12).tuned(5, by: 0.01)
    odd["model.norm.weight"] = nil
    try odd.write("odd", in: workshop)
    let arguments = [
      "bank", "create", "--base", "base", "--expert", "cars=cars", "--expert", "odd=odd", "--codec",
      "tvq", "--output",
    ]
    let made = try await workshop.start(arguments + ["odd.bank"]).end()
    expect(made, ends: 0)
    for words in [
      "lm_head.weight [12, 8] instead of [10, 8]", "lacks tensors of the base: model.norm.weight.",
    ] {
      #expect(made.errors.contains(words), "\(made.errors)")
    }
    #expect(!made.errors.contains("'cars'"))
    let quiet = try await workshop.start(arguments + ["quiet.bank", "--quiet"]).end()
    #expect(quiet.errors.isEmpty, "\(quiet.errors)")
    // What was stored is what the expert has.
    _ = try await run(
      "bank", "extract", "odd.bank", "--expert", "odd", "--base", "base", "--output", "back")
    let shown = try await run("inspect", "back", "--json")
    #expect(!shown.output.contains("\"model.norm.weight\""))
  }

  @Test("A flipped bit is found and named")
  func flippedBit() async throws {
    try await create()
    var bytes = try Data(contentsOf: workshop.url("experts.bank"))
    bytes[bytes.count - 100] ^= 4
    try bytes.write(to: workshop.url("experts.bank"))
    let run = try await run("bank", "verify", "experts.bank", ends: 65)
    #expect(run.errors.contains("experts/"))
    #expect(run.errors.contains("not those that were stored"))
  }

  @Test("A recipe may take experts without naming a base, while the base is where it was")
  func rememberedBase() async throws {
    try await create("--codec", "tvq", "--bits", "8")
    let recipe = """
      merge_method: linear
      models:
        - model: experts.bank#cars
          parameters: {weight: 1}
        - model: experts.bank#sun
          parameters: {weight: 1}
      """
    try workshop.write("recipe.yaml", recipe)
    _ = try await run("merge", "recipe.yaml", "out")
    #expect(workshop.exists("out/model.safetensors"))
    // When the base is gone, the message says what to name.
    try FileManager.default.moveItem(at: workshop.url("base"), to: workshop.url("moved"))
    let lost = try await run("merge", "recipe.yaml", "out2", ends: 66)
    #expect(lost.errors.contains("base_model"))
  }
}

@Suite("Power cuts while a bank is changed", .timeLimit(.minutes(25)), .serialized)
struct BankPowerCutTests {
  @Test("Killed at any moment, an addition leaves the old bank or the new one")
  func killed() async throws {
    let workshop = try Workshop()
    for (seed, folder) in ["base", "a", "b"].enumerated() {
      try BulkModel(tensorCount: 8, rows: 256, columns: 256).write(
        folder, seed: seed, in: workshop)
    }
    let create = [
      "bank", "create", "--base", "base", "--expert", "a=a", "--output", "x.bank",
    ]
    expect(try await workshop.start(create).end(), ends: 0)
    let old = try Data(contentsOf: workshop.url("x.bank"))
    let add = ["bank", "add", "x.bank", "--base", "base", "--expert", "b=b", "--workers", "1"]
    let began = Date()
    expect(try await workshop.start(add).end(), ends: 0)
    let duration = Date().timeIntervalSince(began)
    let new = try Data(contentsOf: workshop.url("x.bank"))
    #expect(old != new)
    var chance = Noise(7, "cuts")
    var found: Set<Data> = []
    // The moment of the replacement is sought, since a machine's speed changes while tests run.
    var span = duration
    for _ in 0..<12 {
      try old.write(to: workshop.url("x.bank"))
      let running = try workshop.start(add)
      let moment = span * Double(chance.next() + 1) / 2
      await running.send(SIGKILL, after: moment) { true }
      _ = try await running.end()
      let left = try Data(contentsOf: workshop.url("x.bank"))
      #expect(left == old || left == new)
      span = left == old ? max(span, moment * 1.5) : moment
      found.insert(left)
      // What a killed run leaves beside the bank is in nobody's way.
      expect(try await workshop.start(["bank", "verify", "x.bank"]).end(), ends: 0)
    }
    #expect(found.contains(old))
    try old.write(to: workshop.url("x.bank"))
    expect(try await workshop.start(add).end(), ends: 0)
    #expect(try Data(contentsOf: workshop.url("x.bank")) == new)
    let hidden = try workshop.names().filter { $0.hasPrefix(".x.bank") }
    #expect(hidden.isEmpty, "\(hidden)")
  }
}
