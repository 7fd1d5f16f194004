import Foundation
import Testing
import TinctureTorch

@Suite(
  "Statistics through the program", .timeLimit(.minutes(25)),
  .enabled(if: (try? LibTorchSearch().find()) != nil, "LibTorch is not installed"))
struct StatsTests {
  private static let vision = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().appending(path: "Examples/Vision").path
  private let workshop: Workshop

  init() throws { workshop = try Workshop() }

  private func run(_ arguments: [String], ends status: Int32 = 0) async throws -> ToolRun {
    let run = try await workshop.start(arguments).end()
    expect(run, ends: status)
    return run
  }

  private func collect(
    _ kind: String, _ more: [String] = [], examples: Int = 24, ends status: Int32 = 0
  ) async throws -> ToolRun {
    try await run(
      [
        "stats", kind, Self.vision + "/suite.yaml", "--task", "optdigits", "--task", "style",
        "--data", Self.vision + "/calibration.safetensors", "--examples", "\(examples)",
        "--output", kind,
      ] + more + Workshop.libTorch(), ends: status)
  }

  private func recipe(_ method: String, _ kind: String, _ more: String = "") -> String {
    """
    merge_method: \(method)
    base_model: \(Self.vision)/pretrained.safetensors
    models:
      - model: \(Self.vision)/expert_optdigits.safetensors
        statistics: \(kind)/optdigits.safetensors
      - model: \(Self.vision)/expert_style.safetensors
        statistics: \(kind)/style.safetensors

    """ + more
  }

  @Test("What is collected can be merged with, and merging does better than averaging")
  func merges() async throws {
    let collected = try await collect("gram", ["--json"], examples: 128)
    let rows =
      try JSONSerialization.jsonObject(with: Data(collected.output.utf8)) as? [[String: Any]]
    #expect(rows?.count == 2)
    #expect(rows?.first?["rows"] as? Int == 128 * 16)
    #expect(try workshop.names("gram") == ["optdigits.safetensors", "style.safetensors"])
    _ = try await collect("fisher", ["--variant", "batch"])
    _ = try await collect("merged-gram", ["--ratio", "0.9"], examples: 64)
    try workshop.write("regmean.yaml", recipe("regmean", "gram"))
    try workshop.write("plus.yaml", recipe("regmean_plus_plus", "merged-gram"))
    try workshop.write("lot.yaml", recipe("lot", "gram"))
    try workshop.write("fisher.yaml", recipe("fisher", "fisher"))
    try workshop.write("linear.yaml", recipe("linear", "gram", "parameters: {weight: 1}\n"))
    for name in ["regmean", "plus", "lot", "fisher", "linear"] {
      _ = try await run(["merge", "\(name).yaml", "\(name).safetensors"])
    }
    let run = try await run(
      [
        "evaluate", Self.vision + "/suite.yaml", "--task", "optdigits", "--task", "style", "--json",
        "--no-cache", "--plain", "linear.safetensors", "regmean.safetensors", "plus.safetensors",
        "lot.safetensors",
      ] + Workshop.libTorch())
    let found = try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [[String: Any]]
    let averages = try #require(found).compactMap { $0["average"] as? Double }
    #expect(averages.count == 4)
    #expect(averages.dropFirst().allSatisfy { $0 > averages[0] })
  }

  private func measuring(_ method: String, _ more: String = "", limit: Int = 24) -> String {
    """
    merge_method: \(method)
    base_model: \(Self.vision)/pretrained.safetensors
    models:
      - model: \(Self.vision)/expert_optdigits.safetensors
      - model: \(Self.vision)/expert_style.safetensors
    data:
      suite: \(Self.vision)/suite.yaml
      file: \(Self.vision)/calibration.safetensors
      limit: \(limit)

    """ + more
  }

  @Test(
    "A recipe with data measures first, and gives the bytes that the files of stats give",
    arguments: [
      ("regmean", "gram", [String]()), ("esm", "gram", []), ("fisher", "fisher", []),
      ("ota", "fisher", []),
      ("regmean_plus_plus", "merged-gram", ["--ratio", "0.5"]),
    ])
  func measuresFirst(method: String, kind: String, options: [String]) async throws {
    let parameters =
      options.isEmpty ? "" : "parameters: {reduce_non_diagonal_ratio: \(options[1])}\n"
    _ = try await collect(kind, options)
    try workshop.write("files.yaml", recipe(method, kind, parameters))
    try workshop.write("data.yaml", measuring(method, parameters))
    _ = try await run(["merge", "files.yaml", "files.safetensors"])
    let plan = try await run(["plan", "data.yaml"] + Workshop.libTorch())
    #expect(plan.output.contains("2 models are measured first"))
    _ = try await run(["merge", "data.yaml", "data.safetensors"] + Workshop.libTorch())
    #expect(
      try Data(contentsOf: workshop.url("data.safetensors"))
        == Data(contentsOf: workshop.url("files.safetensors")))
    #expect(try workshop.names().allSatisfy { !$0.hasPrefix(".") })
  }

  @Test("ESM++ and SMILE are evaluated with their experts, which do better than what they stand on")
  func expanded() async throws {
    try workshop.write("esm.yaml", measuring("esm"))
    try workshop.write("plus.yaml", measuring("esm_plus_plus"))
    let smile = measuring("smile", "parameters: {rank: 128, gate_rank: 1, average_experts: true}\n")
    try workshop.write(
      "smile.yaml",
      String(smile.split(separator: "data:")[0])
        + "parameters: {rank: 128, gate_rank: 1, average_experts: true}\n")
    for name in ["esm", "plus", "smile"] {
      _ = try await run(
        ["merge", "\(name).yaml", "\(name)"] + (name == "smile" ? [] : Workshop.libTorch()))
    }
    func average(_ model: String, _ more: [String] = []) async throws -> Double {
      let run = try await run(
        [
          "evaluate", Self.vision + "/suite.yaml", "--task", "optdigits", "--task", "style",
          "--json",
          "--no-cache", "--plain", model,
        ] + more + Workshop.libTorch())
      let rows = try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [[String: Any]]
      return try #require(rows?.first?["average"] as? Double)
    }
    let esm = try await average("esm")
    #expect(try await average("plus") > esm + 1)
    let (top, soft) = (
      try await average("smile"), try await average("smile", ["--routing", "soft"])
    )
    #expect(top > 60 && soft > 60 && top != soft)
    // Prototypes choose one expert; an option to mix is refused, not ignored.
    let refused = try await run(
      ["evaluate", Self.vision + "/suite.yaml", "--routing", "soft", "--no-cache", "plus"]
        + Workshop.libTorch(), ends: 64)
    #expect(refused.errors.contains("nearest prototype"))
    let shown = try await run(["inspect", "plus", "--filter", "prototypes"])
    #expect(shown.output.contains("blocks.0.attn.qkv.gate.prototypes"))
  }

  @Test("What was measured is kept with --resume, and nothing is left without")
  func measuredAgain() async throws {
    try workshop.write("data.yaml", measuring("regmean", limit: 128))
    for options in [[], ["--resume"]] {
      let started = try workshop.start(
        ["merge", "data.yaml", "out", "--workers", "1"] + options + Workshop.libTorch())
      let folder = ".out.tincture-statistics"
      await started.send(SIGINT) { workshop.exists("\(folder)/.complete") }
      _ = try await started.end()
      guard !workshop.exists("out") else { return }
      #expect(workshop.exists(folder) == !options.isEmpty)
    }
    let run = try await run(["merge", "data.yaml", "out", "--resume"] + Workshop.libTorch())
    #expect(!run.errors.contains("examples"))
    #expect(try workshop.names().allSatisfy { !$0.hasPrefix(".") })
  }

  @Test("Statistics beside data, and data that fit no model, are refused with their line")
  func measuringFaults() async throws {
    try workshop.write(
      "both.yaml", measuring("regmean").replacing("models:\n", with: "statistics: a\nmodels:\n"))
    let both = try await run(["plan", "both.yaml"] + Workshop.libTorch(), ends: 65)
    #expect(both.errors.contains("both.yaml:8") && both.errors.contains("remove one of them"))
    try workshop.write(
      "tasks.yaml", measuring("lot").replacing("  limit", with: "  tasks: [mnist]\n  limit"))
    let tasks = try await run(["merge", "tasks.yaml", "out"] + Workshop.libTorch(), ends: 65)
    #expect(tasks.errors.contains("1 tasks for 2 models"))
    #expect(try workshop.names() == ["both.yaml", "tasks.yaml"])
  }

  @Test("A plan shows the statistics, and one that cannot be made says all that is missing")
  func plans() async throws {
    _ = try await collect("gram")
    try workshop.write("recipe.yaml", recipe("regmean", "gram"))
    let plan = try await run(["plan", "recipe.yaml"])
    #expect(
      plan.output.contains("measured Gram matrices of 38 tensors in gram/optdigits.safetensors"))
    #expect(plan.output.contains("38 of 77 tensors have statistics"))
    let json = try await run(["plan", "recipe.yaml", "--json"])
    #expect(json.output.contains("\"gram/style.safetensors\""))
    // By options, too: one file for each model.
    let options = [
      "--method", "regmean", "--model", Self.vision + "/expert_optdigits.safetensors", "--model",
      Self.vision + "/expert_style.safetensors", "--statistics", "gram/optdigits.safetensors",
    ]
    let second = ["--statistics", "gram/style.safetensors"]
    let byOptions = try await run(["plan"] + options + second)
    #expect(byOptions.output.contains("38 of 77 tensors have statistics"))
    // A single file would have to hold those of both.
    let single = try await run(["plan"] + options, ends: 64)
    #expect(single.errors.contains("names such as gram0.NAME"))
    let three = try await run(["plan"] + options + second + second, ends: 64)
    #expect(three.errors.contains("3 files of statistics for 2 models"))
  }

  @Test("Statistics that are missing, of another kind or of other models are named with their line")
  func faults() async throws {
    _ = try await collect("gram")
    try workshop.write(
      "none.yaml", recipe("regmean", "gram").replacing("    statistics", with: "#"))
    let none = try await run(["plan", "none.yaml"], ends: 65)
    #expect(none.errors.contains("none.yaml:1"))
    #expect(none.errors.contains("tincture stats gram"))
    try workshop.write("missing.yaml", recipe("regmean", "nowhere"))
    let missing = try await run(["plan", "missing.yaml"], ends: 66)
    #expect(missing.errors.contains("missing.yaml:5") && missing.errors.contains("missing.yaml:7"))
    try workshop.write("kind.yaml", recipe("fisher", "gram"))
    let kind = try await run(["plan", "kind.yaml"], ends: 65)
    #expect(kind.errors.contains("of the kind \"gram\""))
    try workshop.write(
      "model.yaml",
      recipe("regmean", "gram").replacing(
        "gram/style.safetensors", with: Self.vision + "/expert_style.safetensors"))
    let model = try await run(["plan", "model.yaml"], ends: 65)
    #expect(model.errors.contains("model.yaml:7"))
    #expect(model.errors.contains("needs [128, 128]"))
    try workshop.write("note.yaml", recipe("linear", "gram", "parameters: {weight: 1}\n"))
    let note = try await run(["plan", "note.yaml"])
    #expect(note.output.contains("line 5: statistics have no effect with linear"))
    try workshop.write(
      "key.yaml", recipe("regmean", "gram").replacing("    statistics", with: "    statistic"))
    #expect(
      try await run(["plan", "key.yaml"], ends: 65).errors.contains("did you mean 'statistics'?"))
  }

  @Test("An output never replaces statistics, and memory changes no byte of it")
  func outputs() async throws {
    _ = try await collect("gram")
    try workshop.write("recipe.yaml", recipe("regmean", "gram"))
    _ = try await run(["merge", "recipe.yaml", "gram", "--force"], ends: 73)
    _ = try await run(["merge", "recipe.yaml", "out.safetensors", "--workers", "1"])
    _ = try await run(["merge", "recipe.yaml", "small.safetensors", "--memory", "16MB"])
    #expect(
      try Data(contentsOf: workshop.url("out.safetensors"))
        == Data(contentsOf: workshop.url("small.safetensors")))
  }

  @Test("Wrong options are refused, and files that exist are kept")
  func options() async throws {
    #expect(try await collect("gram", examples: 0, ends: 64).errors.contains("--examples"))
    #expect(
      try await collect("fisher", ["--draws", "2"], ends: 64).errors.contains("--variant sampled"))
    #expect(try await collect("gram", ["--task", "mnst"], ends: 64).errors.contains("'mnist'"))
    _ = try await collect("gram", examples: 2)
    #expect(try await collect("gram", examples: 2, ends: 73).errors.contains("--force"))
    _ = try await collect("gram", ["--force", "--quiet"], examples: 2)
    #expect(
      try await collect("fisher", ["--variant", "texts"], ends: 65).errors.contains("exact"))
    #expect(try workshop.names() == ["gram"])
  }
}
