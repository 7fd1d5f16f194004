import Foundation
import Testing
import TinctureTorch

@Suite(
  "Models that mix experts, through the program", .timeLimit(.minutes(25)),
  .enabled(if: (try? LibTorchSearch().find()) != nil, "LibTorch is not installed"))
struct MixedMergeTests {
  private static let vision = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().appending(path: "Examples/Vision").path
  private let workshop: Workshop

  init() throws { workshop = try Workshop() }

  private func recipe(_ method: String, _ parameters: String) throws {
    try workshop.write(
      "\(method).yaml",
      """
      merge_method: \(method)
      base_model: \(Self.vision)/pretrained.safetensors
      models:
        - model: \(Self.vision)/expert_optdigits.safetensors
        - model: \(Self.vision)/expert_style.safetensors
      data: {suite: \(Self.vision)/suite.yaml, file: \(Self.vision)/calibration.safetensors}
      parameters: {\(parameters)}
      """)
  }

  private func run(_ arguments: [String], ends status: Int32 = 0) async throws -> ToolRun {
    let run = try await workshop.start(arguments + Workshop.libTorch()).end()
    expect(run, ends: status)
    return run
  }

  private func accuracy(_ model: String, _ more: [String] = []) async throws -> Double {
    let run = try await run(
      [
        "evaluate", Self.vision + "/suite.yaml", model, "--task", "style", "--limit", "200",
        "--json",
        "--no-cache", "--plain",
      ] + more)
    let rows = try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [[String: Any]]
    let found = try #require(rows?.first?["accuracy"] as? [String: Double])
    return try #require(found["style"])
  }

  @Test("Twin-Merging: merged, looked at, measured in both ways, extracted")
  func twin() async throws {
    try recipe("twin_merging", "epochs: 20, batch_size: 128")
    _ = try await run(["merge", "twin_merging.yaml", "merged"])
    let log = try JSONSerialization.jsonObject(with: Data(workshop.text("merged/fit.json").utf8))
    #expect(((log as? [String: Any])?["losses"] as? [Any])?.count == 20)
    let shown = try await workshop.start(["inspect", "merged", "--summary"]).end()
    #expect(shown.output.contains("mixture of 2 experts by twin_merging, routed by features"))
    #expect(shown.output.contains("low-rank"))
    let json = try await workshop.start(["inspect", "merged", "--summary", "--json"]).end()
    #expect(json.output.contains("\"routing\""))
    let before = try await accuracy(Self.vision + "/pretrained.safetensors")
    let softly = try await accuracy("merged")
    expect(try await workshop.start(["convert", "merged", "copy"]).end(), ends: 0)
    #expect(try await accuracy("copy") == softly)
    let top = try await accuracy("merged", ["--routing", "top"])
    #expect(softly > before + 5 && top > before + 5)
    for more in [[], ["--mean"]] {
      let output = "style\(more.count).safetensors"
      let extracted = try await workshop.start(
        ["extract", "merged", "--task", "style", "-o", output] + more
      ).end()
      expect(extracted, ends: 0)
      #expect(abs(try await accuracy(output) - top) < 8)
    }
    let other = try await workshop.start(["extract", "merged", "--task", "kana", "-o", "x"]).end()
    expect(other, ends: 66)
    #expect(other.errors.contains("optdigits, style"))
    let unknown = try await run(
      ["evaluate", Self.vision + "/suite.yaml", "merged", "--routing", "best"], ends: 64)
    #expect(unknown.errors.contains("soft"))
  }

  @Test("WEMoE: merged, measured, refused as a plain checkpoint, extracted by its mean")
  func weMoe() async throws {
    try recipe("we_moe", "steps: 2, density: 0.1, shared_router: true")
    _ = try await run(["merge", "we_moe.yaml", "merged"])
    let shown = try await workshop.start(["inspect", "merged", "--summary"]).end()
    #expect(shown.output.contains("mixture of 2 experts by we_moe, routed by perceptrons"))
    #expect(shown.output.contains("router of blocks.0, blocks.1"))
    let mixed = try await accuracy("merged")
    let refused = try await workshop.start(
      ["extract", "merged", "--task", "style", "-o", "x.safetensors"]
    ).end()
    expect(refused, ends: 65)
    #expect(refused.errors.contains("no plain checkpoint") && refused.errors.contains("--mean"))
    let extracted = try await workshop.start(
      ["extract", "merged", "--task", "style", "--mean", "-o", "x.safetensors"]
    ).end()
    expect(extracted, ends: 0)
    #expect(abs(try await accuracy("x.safetensors") - mixed) < 8)
    let top = try await run(
      ["evaluate", Self.vision + "/suite.yaml", "merged", "--routing", "top"], ends: 64)
    #expect(top.errors.contains("by features"))
  }
}
