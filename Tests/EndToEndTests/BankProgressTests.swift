import Foundation
import Testing

@Suite("The progress of making a bank", .timeLimit(.minutes(25)))
struct BankProgressTests {
  let workshop: Workshop
  private let create = [
    "bank", "create", "--base", "base", "--expert", "a=a", "--output", "x.bank", "--force",
  ]
  private let add = ["bank", "add", "x.bank", "--base", "base", "--expert", "b=b"]

  init() throws {
    workshop = try Workshop()
    for (seed, folder) in ["base", "a", "b"].enumerated() {
      try BulkModel(tensorCount: 4, rows: 32, columns: 32).write(folder, seed: seed, in: workshop)
    }
  }

  @Test("A short run says nothing but its result, nor does a quiet one")
  func short() async throws {
    for arguments in [create, add, create + ["--quiet"]] {
      let run = try await workshop.start(arguments).end()
      expect(run, ends: 0)
      #expect(run.errors.isEmpty, "\(run.errors)")
      #expect(run.output.split(separator: "\n").count == 1)
    }
  }

  @Test("On a terminal one line is drawn again and again, with bytes, rate and time left")
  func terminal() async throws {
    guard FileManager.default.isExecutableFile(atPath: "/usr/bin/script") else { return }
    for arguments in [create, add] {
      let command = (["$TINCTURE"] + arguments).joined(separator: " ")
      let run = try await workshop.shell("script -qec \"\(command)\" /dev/null")
      expect(run, ends: 0)
      let drawn = run.output.components(separatedBy: "\r\u{1b}[K").dropFirst()
      #expect(!drawn.isEmpty, "\(run.output)")
      #expect(drawn.dropLast().allSatisfy { !$0.contains("\n") })
      let last = try #require(drawn.last)
      #expect(last.hasPrefix("100 %"), "\(last)")
      #expect(last.contains("/s") && last.contains("0 s left"))
    }
  }

  @Test("What is counted is the base and the experts, and in an addition what the bank holds")
  func total() async throws {
    guard FileManager.default.isExecutableFile(atPath: "/usr/bin/script") else { return }
    let command = (["$TINCTURE"] + create).joined(separator: " ")
    let run = try await workshop.shell("script -qec \"\(command)\" /dev/null")
    // Two models of four tensors of 32 by 32 floats.
    #expect(run.output.contains("32.8 kB of 32.8 kB"), "\(run.output)")
  }
}
