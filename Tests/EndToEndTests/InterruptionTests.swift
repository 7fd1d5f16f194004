import Foundation
import Testing

@Suite("Interrupted merges", .timeLimit(.minutes(25)), .serialized)
struct InterruptionTests {
  let workshop: Workshop
  private let merge = [
    "merge", "--method", "della", "--base", "base", "--model", "a", "--model", "b", "--set",
    "density=0.5", "--set", "weight=1", "--workers", "1", "out",
  ]

  init() throws {
    workshop = try Workshop()
    for (seed, folder) in ["base", "a", "b"].enumerated() {
      try BulkModel().write(folder, seed: seed, in: workshop)
    }
  }

  private let partial = ".out.tincture-partial"

  /// The number of steps that the journal of the half-written output records.
  private func recordedSteps() -> Int {
    let journal = try? workshop.text("\(partial)/.tincture-journal")
    return max(0, (journal ?? "").utf8.count { $0 == UInt8(ascii: "\n") } - 1)
  }

  /// Starts the merge and sends it a signal when it has done some steps more.
  private func start(
    _ options: String..., doing steps: Int, then signal: Int32, after delay: TimeInterval = 0
  ) async throws -> RunningTool {
    let goal = recordedSteps() + steps
    let running = try workshop.start(merge + options)
    await running.send(signal, after: delay) { recordedSteps() >= goal }
    return running
  }

  private func reference() async throws -> [String: Data] {
    let arguments = merge.map { $0 == "out" ? "reference" : $0 }
    expect(try await workshop.start(arguments).end(), ends: 0)
    return try workshop.bytes("reference")
  }

  @Test("A merge that is killed again and again makes the same bytes in the end")
  func killed() async throws {
    let reference = try await reference()
    var chance = Noise(42, "delays")
    var kills = 0
    for _ in 0..<5 {
      let running = try await start(
        "--resume", doing: 1 + Int((chance.next() + 1) * 1.5), then: SIGKILL,
        after: Double(chance.next() + 1) * 0.01)
      if try await running.end().status == 0 { break }
      kills += 1
      #expect(!workshop.exists("out"))
    }
    #expect(kills >= 2)
    if !workshop.exists("out") {
      let run = try await workshop.start(merge + ["--resume", "--json"]).end()
      expect(run, ends: 0)
      let report = try #require(
        JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])
      #expect(report["resumed_steps"] as? Int ?? 0 >= kills)
      #expect((report["steps"] as? Int ?? 0) + (report["resumed_steps"] as? Int ?? 0) == 24)
    }
    #expect(try workshop.bytes("out") == reference)
    #expect(!workshop.exists(partial))
  }

  @Test("Ctrl-C ends with status 130 and leaves nothing", arguments: [SIGINT, SIGTERM])
  func interrupted(signal: Int32) async throws {
    let running = try await start(doing: 1, then: signal)
    let run = try await running.end()
    expect(run, ends: 130)
    #expect(run.errors.contains("interrupted"))
    #expect(try workshop.names() == ["a", "b", "base"])
  }

  @Test("Ctrl-C with --resume keeps what is done, and the next run goes on from there")
  func resumed() async throws {
    let reference = try await reference()
    let running = try await start("--resume", doing: 2, then: SIGINT)
    expect(try await running.end(), ends: 130)
    #expect(!workshop.exists("out"))
    let done = recordedSteps()
    #expect(done >= 2)
    let run = try await workshop.start(merge + ["--resume", "--json", "--quiet"]).end()
    expect(run, ends: 0)
    #expect(
      run.output.contains("\"resumed_steps\":\(done)")
        || run.output.contains("\"resumed_steps\": \(done)"))
    #expect(try workshop.bytes("out") == reference)
  }

  @Test("What another recipe has left is not taken over")
  func otherRecipe() async throws {
    let running = try await start("--resume", doing: 2, then: SIGINT)
    expect(try await running.end(), ends: 130)
    let changed = merge.map { $0 == "density=0.5" ? "density=0.6" : $0 }
    let run = try await workshop.start(changed + ["--resume", "--json"]).end()
    expect(run, ends: 0)
    let report = try #require(
      JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])
    #expect(report["resumed_steps"] as? Int == 0)
    let fresh = changed.map { $0 == "out" ? "fresh" : $0 }
    expect(try await workshop.start(fresh).end(), ends: 0)
    #expect(
      try workshop.bytes("out")["model.safetensors"]
        == workshop.bytes("fresh")["model.safetensors"])
  }

  @Test("When an input has changed, the merge starts anew")
  func otherInput() async throws {
    let running = try await start("--resume", doing: 2, then: SIGKILL)
    _ = try await running.end()
    try BulkModel().write("a", seed: 9, in: workshop)
    let run = try await workshop.start(merge + ["--resume", "--json"]).end()
    expect(run, ends: 0)
    let report = try #require(
      JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])
    #expect(report["resumed_steps"] as? Int == 0)
    let reference = try await reference()
    #expect(try workshop.bytes("out") == reference)
  }

  @Test("Two merges into one output do not mix: the second is refused, the first goes on")
  func concurrent() async throws {
    let first = try await start(doing: 1, then: SIGSTOP)
    let second = try await workshop.start(merge).end()
    expect(second, ends: 73)
    #expect(second.errors.contains("Another process is writing this output"))
    first.send(SIGCONT)
    expect(try await first.end(), ends: 0)
    #expect(try SavedModel("out", in: workshop).tensors.count == 24)
  }
}
