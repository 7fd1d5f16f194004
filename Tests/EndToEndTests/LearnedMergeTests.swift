import Foundation
import Testing
import TinctureTorch

@Suite(
  "Merges that learn, through the program", .timeLimit(.minutes(25)),
  .enabled(if: (try? LibTorchSearch().find()) != nil, "LibTorch is not installed"))
struct LearnedMergeTests {
  private static let vision = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().appending(path: "Examples/Vision").path
  private let workshop: Workshop

  init() throws { workshop = try Workshop() }

  private func recipe(
    _ method: String, _ parameters: String, models: [String] = ["optdigits", "style"],
    data: String = "suite: \(Self.vision)/suite.yaml"
  ) throws {
    let entries = models.map { model in
      let path =
        model.contains("#") ? model : "\(Self.vision)/expert_\(model).safetensors"
      return "  - model: '\(path)'"
    }
    try workshop.write(
      "\(method).yaml",
      """
      merge_method: \(method)
      base_model: \(Self.vision)/pretrained.safetensors
      models:
      \(entries.joined(separator: "\n"))
      data: {\(data)}
      parameters: {\(parameters)}
      """)
  }

  private func run(_ arguments: [String], ends status: Int32 = 0) async throws -> ToolRun {
    let run = try await workshop.start(arguments + Workshop.libTorch()).end()
    expect(run, ends: status)
    return run
  }

  private func accuracies(_ model: String) async throws -> [String: Double] {
    try await workshop.accuracies(of: model, by: Self.vision + "/suite.yaml")
  }

  @Test(
    "Tinting makes a model with heads that does better than the base, and plain models of tasks")
  func tinting() async throws {
    try recipe("tinting", "rounds: 12")
    _ = try await run(["merge", "tinting.yaml", "merged"])
    let log = try JSONSerialization.jsonObject(with: Data(workshop.text("merged/fit.json").utf8))
    #expect(((log as? [String: Any])?["losses"] as? [Any])?.count == 12)
    #expect(try workshop.text("merged/fit.html").contains("Coefficients"))
    let before = try await accuracies(Self.vision + "/pretrained.safetensors")
    let after = try await accuracies("merged")
    #expect((after["style"] ?? 0) > (before["style"] ?? 0) + 5)
    #expect((after["optdigits"] ?? 0) > (before["optdigits"] ?? 0) + 1)
    let shown = try await workshop.start(["inspect", "merged", "--summary"]).end()
    #expect(shown.output.contains("parts of 2 tasks by tinting"))
    let extracted = try await workshop.start(
      ["extract", "merged", "--task", "style", "-o", "style.safetensors"]
    ).end()
    expect(extracted, ends: 0)
    let plain = try await workshop.start(["inspect", "style.safetensors", "--filter", "style"])
      .end()
    #expect(plain.output.contains("style.weight") && plain.output.contains("style.bias"))
    let heads = try await run([
      "evaluate", Self.vision + "/suite.yaml", "style.safetensors", "--heads", "style.safetensors",
      "--task", "style", "--json", "--no-cache", "--plain",
    ])
    let rows = try JSONSerialization.jsonObject(with: Data(heads.output.utf8)) as? [[String: Any]]
    #expect((rows?.first?["accuracy"] as? [String: Double])?["style"] == after["style"])
    let other = try await workshop.start(["extract", "merged", "--task", "kana", "-o", "x"]).end()
    expect(other, ends: 66)
    #expect(other.errors.contains("optdigits, style"))
  }

  @Test("Task vectors come from a bank as they come from files")
  func bank() async throws {
    let made = try await workshop.start([
      "bank", "create", "--base", Self.vision + "/pretrained.safetensors", "--codec", "rtvq",
      "--base-bits", "3", "--offset-bits", "2", "--output", "e.bank",
      "--expert", "optdigits=\(Self.vision)/expert_optdigits.safetensors",
      "--expert", "style=\(Self.vision)/expert_style.safetensors",
    ]).end()
    expect(made, ends: 0)
    try recipe("adamerging", "steps: 3, lr: 0.01", models: ["e.bank#style", "e.bank#optdigits"])
    let run = try await run(["merge", "adamerging.yaml", "merged", "--json"])
    #expect(run.output.contains("\"output\""))
    let log = try JSONSerialization.jsonObject(with: Data(workshop.text("merged/fit.json").utf8))
    #expect((log as? [String: Any])?["tasks"] as? [String] == ["style", "optdigits"])
  }

  @Test(
    "Ctrl-C with --resume keeps the rounds that are done, and the next run ends with the same bytes"
  )
  func resumed() async throws {
    try recipe("tinting", "rounds: 20")
    _ = try await run(["merge", "tinting.yaml", "reference", "-q"])
    let first = try workshop.start(
      ["merge", "tinting.yaml", "merged", "--resume"] + Workshop.libTorch())
    await first.send(SIGINT) { first.errors.contains(" of 20 rounds") }
    let stopped = try await first.end()
    expect(stopped, ends: 130)
    #expect(!workshop.exists("merged"))
    #expect(workshop.exists(".merged.tincture-partial/.tincture-scratch/fit.safetensors"))
    _ = try await run(["merge", "tinting.yaml", "merged", "--resume"])
    let (found, wanted) = (try workshop.bytes("merged"), try workshop.bytes("reference"))
    for file in ["model.safetensors", "task_parts.safetensors", "fit.json"] {
      #expect(found[file] == wanted[file])
    }
    #expect(!workshop.exists("merged/.tincture-scratch"))
  }

  @Test(
    "Every method with labels or states makes a model and a log, from the calibration images",
    arguments: [
      ("supermerge", "epochs: 2, group_size: 2"),
      ("atlas", "epochs: 2, validation: 0.2, init: 0.3, lr: 0.05"),
      (
        "atlas",
        "epochs: 1, granularity: part_wise, chunks: 3, objective: pseudo_labels, sureness: 0"
      ),
      ("expert_merging", "budget: 1, blocks: '2,-1'"), ("self_positioning", "steps: 3"),
      ("fw_merging", "steps: 2, examples: 16, granularity: layer"),
      ("fw_merging_soft", "steps: 2, examples: 8, choices: 2, ada_steps: 2"),
      ("fw_merging_soft", "steps: 2, mixing: task_arithmetic"), ("map", "evaluations: 10"),
    ])
  func labelled(method: String, parameters: String) async throws {
    let models = ["optdigits", "style", "kana"]
    try recipe(
      method, parameters, models: models,
      data:
        "suite: \(Self.vision)/suite.yaml, file: \(Self.vision)/calibration.safetensors, limit: 24")
    _ = try await run(["merge", "\(method).yaml", "merged", "--workers", "1"])
    _ = try await run(["merge", "\(method).yaml", "again", "--workers", "3"])
    let files = ["merged", "again"].map { workshop.url("\($0)/model.safetensors").path }
    #expect(FileManager.default.contentsEqual(atPath: files[0], andPath: files[1]))
    let log = method == "map" ? "map" : "fit"
    if !parameters.contains("task_arithmetic") {
      let json = try JSONSerialization.jsonObject(
        with: Data(workshop.text("merged/\(log).json").utf8))
      let tasks = (json as? [String: Any])?["tasks"] as? [String]
      #expect(Set(tasks ?? []) == Set(models))
      #expect(try workshop.text("merged/\(log).html").contains("<svg"))
    }
    let before = try await accuracies(Self.vision + "/pretrained.safetensors")
    let after = try await accuracies("merged")
    #expect(after != before)
  }

  @Test("Parts need a directory, data a suite, and a device must exist")
  func faults() async throws {
    try recipe("tinting", "rounds: 1")
    let single = try await run(["merge", "tinting.yaml", "x.safetensors"], ends: 64)
    #expect(single.errors.contains("must be a"))
    let device = try await run(["merge", "tinting.yaml", "x", "--device", "cpuu"], ends: 64)
    #expect(device.errors.contains("cpuu"))
  }
}
