import Foundation
import Testing
import TinctureTorch

@Suite(
  "Evaluation through the program", .timeLimit(.minutes(25)),
  .enabled(if: (try? LibTorchSearch().find()) != nil, "LibTorch is not installed"))
struct EvaluateTests {
  private static let vision = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().appending(path: "Examples/Vision").path
  private let workshop: Workshop
  private let suite = Self.vision + "/suite.yaml"

  init() throws { workshop = try Workshop() }

  private func run(_ arguments: [String], ends status: Int32 = 0) async throws -> ToolRun {
    var arguments = ["evaluate"] + arguments
    if !arguments.contains("--libtorch") { arguments += try Workshop.libTorch() }
    let run = try await workshop.start(arguments).end()
    expect(run, ends: status)
    return run
  }

  private func rows(_ run: ToolRun) throws -> [[String: Any]] {
    try #require(
      JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [[String: Any]])
  }

  @Test("An object for each model has the accuracy of each task and the average")
  func json() async throws {
    let pretrained = Self.vision + "/pretrained.safetensors"
    let expert = Self.vision + "/expert_style.safetensors"
    let run = try await run([
      suite, pretrained, expert, "--json", "--task", "style", "--task", "optdigits", "--no-cache",
    ])
    let rows = try rows(run)
    #expect(rows.map { $0["model"] as? String } == [pretrained, expert])
    let accuracy = try #require(rows[0]["accuracy"] as? [String: Double])
    #expect(Set(accuracy.keys) == ["style", "optdigits"])
    #expect(abs((accuracy["style"] ?? 0) - 41.7) <= 0.3)
    #expect(abs((accuracy["optdigits"] ?? 0) - 93.7) <= 0.3)
    let average = try #require(rows[0]["average"] as? Double)
    #expect(abs(average - accuracy.values.reduce(0, +) / 2) < 1e-3)
    #expect(rows[0]["forgetting"] as? Double == 0)
    #expect(rows[1]["forgetting"] as? Double != 0)
    #expect((rows[0]["normalized"] as? Double ?? 0) < 100)
  }

  @Test("Recipes, banks and listed models are measured, and files are written")
  func models() async throws {
    var create = ["bank", "create", "--base", Self.vision + "/pretrained.safetensors"]
    for task in ["style", "optdigits"] {
      create += ["--expert", "\(task)=\(Self.vision)/expert_\(task).safetensors"]
    }
    create += ["--codec", "tvq", "--bits", "8", "--output", "experts.bank"]
    expect(try await workshop.start(create).end(), ends: 0)
    try workshop.write(
      "recipe.yaml",
      "merge_method: linear\nmodels:\n  - model: experts.bank#style\n  - model: experts.bank#optdigits\n"
        + "parameters: {weight: 1}\n")
    let arguments = [
      suite, "recipe.yaml", "experts.bank", "experts.bank#style", "individual experts", "--json",
      "--limit", "200", "--task", "style", "--task", "optdigits", "--cache", "kept", "--csv",
      "table.csv", "--html", "page.html", "--save", "scores.json",
    ]
    let first = try await run(arguments)
    let rows = try rows(first)
    #expect(rows.count == 4)
    #expect(try workshop.text("scores.json") == first.output)
    let lines = try workshop.text("table.csv").split(separator: "\r\n")
    #expect(lines[0] == "model,average,normalized,forgetting,optdigits,style")
    #expect(lines.count == 5)
    #expect(try workshop.text("page.html").contains("Change against the base"))
    func style(_ row: [String: Any]) -> Double? { (row["accuracy"] as? [String: Double])?["style"] }
    #expect(style(rows[1]) == style(rows[2]))
    #expect(rows[3]["normalized"] as? Double == 100)
    // A second run finds every output, and replaces files only with --force.
    _ = try await run(arguments, ends: 73)
    let again = try await run(arguments + ["--force"])
    #expect(try self.rows(again).allSatisfy { $0["cached_tasks"] as? Int == 2 })
  }

  @Test("What is wrong is said before anything is computed, and what has no effect")
  func faults() async throws {
    #expect(try await run([suite, "x", "--task", "stile"], ends: 64).errors.contains("style"))
    #expect(try await run(["none.yaml", "x"], ends: 66).errors.contains("none.yaml"))
    #expect(try await run([suite, "nothing", "--plain"], ends: 66).errors.contains("nothing"))
    #expect(try await run([suite, "x", "--device", "tpu"], ends: 64).errors.contains("cuda"))
    #expect(try await run([suite, "x", "--device", "cuda:9"], ends: 69).errors.contains("cuda:9"))
    let plain = try await run([
      suite, Self.vision + "/pretrained.safetensors", "--plain", "--task", "style", "--limit", "5",
      "--no-cache", "--routing", "top",
    ])
    #expect(plain.errors.contains("--routing has no effect"))
    let without = try await run([suite, "x", "--libtorch", "nowhere"], ends: 69)
    #expect(without.errors.contains("pip install torch"))
  }
}
