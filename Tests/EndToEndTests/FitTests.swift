import Foundation
import Testing
import TinctureTorch

@Suite(
  "Fits through the program", .timeLimit(.minutes(10)),
  .enabled(if: (try? LibTorchSearch().find()) != nil, "LibTorch is not installed"))
struct FitTests {
  private static let vision = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().appending(path: "Examples/Vision").path
  private let workshop: Workshop

  /// The bundled suite with two of its tasks.
  init() throws {
    workshop = try Workshop()
    let text = try String(contentsOfFile: Self.vision + "/suite.yaml", encoding: .utf8)
    let head = try #require(text.split(separator: "\nmodels:").first)
    let lines = head.split(separator: "\n", omittingEmptySubsequences: false).map { line in
      line.hasPrefix("tasks:") ? "tasks: [optdigits, style]" : String(line)
    }
    let placed = lines.joined(separator: "\n")
      .replacing("pretrained.safetensors", with: Self.vision + "/pretrained.safetensors")
      .replacing("\"expert_", with: "\"\(Self.vision)/expert_")
      .replacing("test.safetensors", with: Self.vision + "/test.safetensors")
      .replacing("heads.safetensors", with: Self.vision + "/heads.safetensors")
    try workshop.write("suite.yaml", placed)
  }

  private func run(_ arguments: [String], ends status: Int32 = 0) async throws -> ToolRun {
    let run = try await workshop.start(arguments + Workshop.libTorch()).end()
    expect(run, ends: status)
    return run
  }

  private func accuracies(_ arguments: [String]) async throws -> [String: Double] {
    let run = try await run(["evaluate", "suite.yaml"] + arguments + ["--json", "--no-cache"])
    let rows = try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [[String: Any]]
    return try #require(rows?.first?["accuracy"] as? [String: Double])
  }

  @Test("Tinting learns a recipe and heads that do better than where they began")
  func tinting() async throws {
    _ = try await run([
      "fit", "suite.yaml", "--method", "tinting", "--rounds", "12", "-o", "tinting.yaml", "--heads",
      "tinted.safetensors", "--log", "fit.json",
    ])
    let recipe = try workshop.text("tinting.yaml")
    #expect(recipe.contains("merge_method: task_arithmetic"))
    #expect(recipe.contains("^blocks\\.0\\.attn\\.qkv\\.weight$"))
    let log = try JSONSerialization.jsonObject(with: Data(workshop.text("fit.json").utf8))
    #expect(((log as? [String: Any])?["losses"] as? [Any])?.count == 12)
    let before = try await accuracies([Self.vision + "/pretrained.safetensors"])
    let after = try await accuracies(["tinting.yaml", "--heads", "tinted.safetensors"])
    #expect((after["style"] ?? 0) > (before["style"] ?? 0) + 5)
    #expect((after["optdigits"] ?? 0) > (before["optdigits"] ?? 0) + 1)
    // Files are replaced only when asked for.
    let again = ["fit", "suite.yaml", "--method", "tinting", "--rounds", "1", "-o", "tinting.yaml"]
    #expect(try await run(again, ends: 73).errors.contains("--force"))
  }

  @Test("Wrong options are refused")
  func faults() async throws {
    let start = ["fit", "suite.yaml", "-o", "x.yaml", "--method"]
    #expect(try await run(start + ["tint"], ends: 64).errors.contains("tinting_plus"))
    let heads = try await run(start + ["adamerging", "--heads", "h"], ends: 64)
    #expect(heads.errors.contains("learns no heads"))
    #expect(
      try await run(start + ["tinting", "--rounds", "0"], ends: 64).errors.contains("rounds"))
    #expect(
      try await run(start + ["tinting", "--rate", "nan"], ends: 64).errors.contains("--rate"))
  }
}
