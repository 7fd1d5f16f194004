import Foundation
import Testing

@Suite("What is shown", .timeLimit(.minutes(25)))
struct DisplayTests {
  let workshop: Workshop
  private let merge = [
    "merge", "--method", "linear", "--model", "a", "--model", "b", "--set", "weight=1", "out",
  ]

  init() throws {
    workshop = try Workshop()
    for (seed, folder) in ["a", "b"].enumerated() {
      try BulkModel(tensorCount: 20, rows: 64, columns: 64).write(folder, seed: seed, in: workshop)
    }
  }

  /// The lines about progress.
  private func progress(_ text: String) -> [Substring] {
    text.split(separator: "\n").filter { $0.contains(" % ") && $0.contains(" of ") }
  }

  @Test("Without a terminal there is one line for each ten per cent, and the result on its own")
  func lines() async throws {
    let run = try await workshop.start(merge + ["--workers", "1"]).end()
    expect(run, ends: 0)
    let shares = progress(run.errors).compactMap {
      $0.split(separator: " ").first.flatMap { Int($0) }
    }
    #expect(shares == Array(stride(from: 10, through: 100, by: 10)))
    #expect(!run.errors.contains("\r") && !run.errors.contains("\u{1b}"))
    #expect(run.output.hasPrefix("out: 327.7 kB in "))
    #expect(run.output.split(separator: "\n").count == 1)
  }

  @Test("On a terminal one line is drawn again and again")
  func terminal() async throws {
    guard FileManager.default.isExecutableFile(atPath: "/usr/bin/script") else { return }
    let command = (["$TINCTURE"] + merge).joined(separator: " ")
    let run = try await workshop.shell("script -qec \"\(command)\" /dev/null")
    expect(run, ends: 0)
    let drawn = run.output.components(separatedBy: "\r\u{1b}[K").dropFirst()
    #expect(!drawn.isEmpty)
    #expect(drawn.dropLast().allSatisfy { !$0.contains("\n") })
    #expect(drawn.last?.hasPrefix("100 %") == true)
  }

  @Test("With --quiet nothing goes to standard error")
  func quiet() async throws {
    let run = try await workshop.start(merge + ["--quiet"]).end()
    expect(run, ends: 0)
    #expect(run.errors.isEmpty)
  }

  @Test("With --json the result is one JSON document on standard output")
  func json() async throws {
    let run = try await workshop.start(merge + ["--json"]).end()
    expect(run, ends: 0)
    let report = try #require(
      JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])
    #expect(report["output"] as? String == "out")
    #expect(report["steps"] as? Int == 20)
    #expect(report["resumed_steps"] as? Int == 0)
    #expect(report["output_bytes"] as? Int == 20 * 64 * 64 * 4)
    #expect(report["input_bytes"] as? Int == 2 * 20 * 64 * 64 * 4)
    #expect(report["seconds"] is NSNumber)
  }

  @Test("A reader that goes away does not stop the merge")
  func closedPipe() async throws {
    let command = (["\"$TINCTURE\""] + merge).joined(separator: " ")
    let run = try await workshop.shell(
      "(\(command); echo $? > status) 2>&1 | head -c 1 > /dev/null")
    expect(run, ends: 0)
    #expect(try workshop.text("status") == "0\n")
    #expect(workshop.exists("out/model.safetensors"))
  }
}
