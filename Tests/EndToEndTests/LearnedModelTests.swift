import Foundation
import Testing
import TinctureLinearAlgebra
import TinctureTorch

@Suite(
  "Surgery, masks and singular directions, through the program", .timeLimit(.minutes(25)),
  .enabled(if: (try? LibTorchSearch().find()) != nil, "LibTorch is not installed"))
struct LearnedModelTests {
  private static let vision = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().appending(path: "Examples/Vision").path
  private let workshop: Workshop

  init() throws { workshop = try Workshop() }

  private func recipe(
    _ method: String, _ parameters: String, base: String = vision + "/pretrained.safetensors",
    suite: String = vision + "/suite.yaml"
  ) throws {
    try workshop.write(
      "recipe.yaml",
      """
      merge_method: \(method)
      base_model: \(base)
      models:
        - model: \(Self.vision)/expert_optdigits.safetensors
        - model: \(Self.vision)/expert_style.safetensors
      data: {suite: \(suite), tasks: [optdigits, style]}
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

  @Test("Surgery begins as the merged model, corrects it, and is listed and taken out by task")
  func surgery() async throws {
    try recipe("surgery", "lr: 0, steps: 1")
    _ = try await run(["merge", "recipe.yaml", "same"])
    try recipe("task_arithmetic", "weight: 1, lambda: 0.3")
    let text = try workshop.text("recipe.yaml").split(separator: "\n")
      .filter { !$0.hasPrefix("data") }.joined(separator: "\n")
    try workshop.write("plain.yaml", text)
    _ = try await run(["merge", "plain.yaml", "plain"])
    let before = try await accuracies("plain")
    #expect(try await accuracies("same") == before)
    try recipe("surgery", "steps: 60, lr: 0.01")
    _ = try await run(["merge", "recipe.yaml", "merged"])
    let after = try await accuracies("merged")
    #expect((after["style"] ?? 0) > (before["style"] ?? 0) + 2)
    let shown = try await workshop.start(["inspect", "merged", "--summary"]).end()
    #expect(shown.output.contains("parts of 2 tasks by surgery"))
    #expect(shown.output.contains("surgery.down [16, 128], surgery.up [128, 16]"))
    // Converted, it keeps its parts in a directory; a file has no place for them.
    expect(try await workshop.start(["convert", "merged", "copy"]).end(), ends: 0)
    #expect(try await accuracies("copy") == after)
    // The model of one task has its corrections, and no other task's.
    #expect(try await accuracies("merged#style")["style"] == after["style"])
    #expect(try await accuracies("merged#optdigits")["style"] == before["style"])
    let file = try await workshop.start(["convert", "merged", "copy.safetensors"]).end()
    expect(file, ends: 0)
    #expect(file.errors.contains("task_parts.safetensors stays behind"))
    let extracted = try await workshop.start(
      ["extract", "merged", "--task", "style", "-o", "style.safetensors"]
    ).end()
    expect(extracted, ends: 0)
    let plain = try await workshop.start(["inspect", "style.safetensors", "--filter", "surgery"])
      .end()
    #expect(plain.output.contains("surgery.down") && plain.output.contains("surgery.up"))
    // The corrected model may be merged by anything: here by the recipe above.
    try recipe("surgery", "merge: none, steps: 60, lr: 0.01", base: "plain")
    _ = try await run(["merge", "recipe.yaml", "chained"])
    // Its tensors were rounded when it was written, so that the figures differ a little.
    let chained = try await accuracies("chained")
    for (task, value) in after { #expect(abs((chained[task] ?? 0) - value) < 2) }
  }

  @Test("Surgery v2 corrects every block, on AdaMerging, TIES or the mean, too")
  func blocks() async throws {
    try recipe("surgery_v2", "steps: 12, lr: 0.01")
    _ = try await run(["merge", "recipe.yaml", "merged"])
    let shown = try await workshop.start(["inspect", "merged", "--summary"]).end()
    #expect(shown.output.contains("surgery.blocks.5.up [128, 16]"))
    try recipe("surgery_v2", "lr: 0, steps: 1")
    _ = try await run(["merge", "recipe.yaml", "same"])
    let (before, after) = (try await accuracies("same"), try await accuracies("merged"))
    #expect((after["style"] ?? 0) > (before["style"] ?? 0) + 2)
    try recipe("surgery", "merge: adamerging, merge_steps: 2, steps: 2")
    _ = try await run(["merge", "recipe.yaml", "a"])
    try recipe("surgery", "merge: ties, steps: 2")
    _ = try await run(["merge", "recipe.yaml", "b"])
    try recipe("surgery", "merge: average, steps: 2")
    _ = try await run(["merge", "recipe.yaml", "c"])
    #expect(try workshop.text("a/fit.json").contains("\"surgery\""))
  }

  @Test("Parts that do not fit the network are named")
  func misfits() async throws {
    try recipe("surgery_v2", "steps: 1")
    _ = try await run(["merge", "recipe.yaml", "merged"])
    let suite = try String(contentsOfFile: Self.vision + "/suite.yaml", encoding: .utf8)
    let shallow = suite.replacing("num_hidden_layers: 6", with: "num_hidden_layers: 5")
      .replacing("{file: ", with: "{file: \(Self.vision)/")
    try workshop.write("shallow.yaml", shallow)
    let shown = try await run(
      ["evaluate", "shallow.yaml", "merged", "--task", "style", "--no-cache", "--plain"], ends: 65)
    #expect(shown.errors.contains("block 5"))
    try recipe("surgery", "merge: everything")
    let word = try await run(["merge", "recipe.yaml", "x"], ends: 65)
    #expect(word.errors.contains("merge must be task_arithmetic or"))
  }

  @Test("A mask is learned in all modes, and the same seed gives the same bytes")
  func concrete() async throws {
    try recipe("concrete", "steps: 4, lr: 0.05")
    _ = try await run(["merge", "recipe.yaml", "first"])
    _ = try await run(["merge", "recipe.yaml", "second", "--workers", "1"])
    let (first, second) = (try workshop.bytes("first"), try workshop.bytes("second"))
    #expect(first["model.safetensors"] == second["model.safetensors"])
    #expect(first["model.safetensors"] != nil)
    #expect(try workshop.text("first/fit.json").contains("share of elements"))
    try recipe("concrete", "mode: adamerging, steps: 2, merge_steps: 2, deterministic: true")
    _ = try await run(["merge", "recipe.yaml", "third"])
    #expect(try workshop.text("third/fit.json").contains("blocks.0.attn.qkv.weight"))
    if (try? Backend.shared) != nil {
      try recipe("concrete", "mode: tsv_m, lambda: 1, steps: 2, weight_decay: 0.01")
      _ = try await run(["merge", "recipe.yaml", "fourth"])
    }
  }

  @Test(
    "AdaRank merges from the base and from the mean",
    .enabled(if: (try? Backend.shared) != nil, "no LAPACK"))
  func adaRank() async throws {
    try recipe("adarank", "steps: 3, lr: 0.01")
    _ = try await run(["merge", "recipe.yaml", "first"])
    #expect(try workshop.text("first/fit.json").contains("share of singular directions"))
    try recipe("adarank", "origin: mean, init: 2.3, rank_fraction: 0.16, steps: 3")
    _ = try await run(["merge", "recipe.yaml", "second"])
    let found = try await accuracies("second")
    #expect((found["optdigits"] ?? 0) > 90)
    try recipe("adarank", "rank_fraction: 2")
    let error = try await run(["merge", "recipe.yaml", "x"], ends: 65)
    #expect(error.errors.contains("rank_fraction must be between 0 and 1"))
  }
}
