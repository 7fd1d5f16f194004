import Foundation
import Testing

/// With `TINCTURE_RECORD=1` in the environment the texts under `Fixtures` are written anew instead of
/// being compared; look at the difference before committing it.
@Suite("Help screens", .timeLimit(.minutes(25)))
struct HelpScreenTests {
  @Test(
    "The help screen of each command is the recorded one",
    arguments: [
      "", "merge", "plan", "inspect", "diff", "methods", "convert", "doctor", "bank", "bank create",
      "bank add", "bank remove", "bank show", "bank extract", "bank verify", "benchmark",
      "benchmark codecs", "benchmark bank", "benchmark network", "evaluate", "train", "extract",
      "stats",
      "stats gram", "stats merged-gram", "stats fisher", "protect", "lora", "lora fold",
      "lora extract",
      "lora combine", "lora resize", "lora pack", "lora unpack",
    ])
  func matches(command: String) async throws {
    let workshop = try Workshop()
    let words = command.split(separator: " ").map(String.init)
    let run = try await workshop.start(words + ["--help"]).end()
    expect(run, ends: 0)
    #expect(run.errors.isEmpty)
    let name = words.isEmpty ? "tincture" : words.joined(separator: "-")
    try GoldenText("help/\(name).txt").compare(run.output)
  }

  @Test("The root screen names every command that has a screen")
  func complete() async throws {
    let workshop = try Workshop()
    let run = try await workshop.tincture("--help")
    let listed = run.output.split(separator: "\n").drop { $0 != "SUBCOMMANDS:" }.dropFirst()
      .compactMap { $0.hasPrefix("  ") ? $0.split(separator: " ").first.map(String.init) : nil }
      .filter { $0 != "See" }
    for command in [
      "merge", "plan", "inspect", "diff", "methods", "convert", "bank", "lora", "evaluate",
      "train", "extract", "stats", "protect", "doctor", "benchmark",
    ] {
      #expect(listed.contains(command))
    }
  }

  @Test("The version is a number of three parts")
  func version() async throws {
    let run = try await Workshop().tincture("--version")
    expect(run, ends: 0)
    let parts = run.output.trimmingCharacters(in: .newlines).split(separator: ".")
    #expect(parts.count == 3 && parts.allSatisfy { Int($0) != nil })
  }

  @Test(
    "A wrong command line ends with status 64 and says what is wrong",
    arguments: [
      (["merge"], "Give a recipe and an output"),
      (["merge", "recipe.yaml"], "Give a recipe and an output"),
      (["merge", "--method", "ties", "recipe.yaml", "out"], "With --method give the output only"),
      (["merge", "recipe.yaml", "out", "--set", "a=1"], "add --method"),
      (["merge", "recipe.yaml", "out", "--workers", "0"], "--workers must be at least 1"),
      (["merge", "recipe.yaml", "out", "--memory", "12"], "--memory must be at least 1MB"),
      (["merge", "recipe.yaml", "out", "--memory", "lots"], "--memory"),
      (["merge", "recipe.yaml", "out", "--denisty", "1"], "--denisty"),
      (["plan"], "Give a recipe file or --method"),
      (["convert", "a", "b", "--dtype", "int8"], "choose float32, float16 or bfloat16"),
      (["methods", "tise"], "Did you mean ties?"),
      (["melt"], "melt"),
    ])
  func usage(arguments: [String], fragment: String) async throws {
    let run = try await Workshop().start(arguments).end()
    expect(run, ends: 64)
    #expect(run.errors.contains(fragment), "\(run.errors)")
    #expect(run.output.isEmpty)
  }
}
