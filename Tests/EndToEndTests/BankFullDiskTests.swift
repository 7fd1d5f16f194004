import Foundation
import Testing

/// A limit on the size of files stands for a full disk: writing fails in the middle of a file.
@Suite("Banks on a full disk", .timeLimit(.minutes(25)))
struct BankFullDiskTests {
  let workshop: Workshop

  init() throws {
    workshop = try Workshop()
    for (seed, folder) in ["base", "a", "b"].enumerated() {
      try BulkModel(tensorCount: 4, rows: 128, columns: 128).write(folder, seed: seed, in: workshop)
    }
  }

  private func bytes(_ name: String) throws -> Data {
    try Data(contentsOf: workshop.url(name))
  }

  /// Runs the program with a limit in blocks of 512 bytes.
  private func run(_ arguments: String, limit blocks: Int) async throws -> ToolRun {
    try await workshop.shell("ulimit -f \(blocks); exec \"$TINCTURE\" \(arguments)")
  }

  /// Limits below a size: while parts are gathered, midway, and at the last block of the whole.
  private func limits(below size: Int) -> [Int] { [1, size / 1024, (size - 1) / 512] }

  private func expectRefusal(_ run: ToolRun, _ limit: Int) {
    expect(run, ends: 74)
    #expect(run.output.isEmpty)
    for word in ["x.bank", "Writing failed", "Free some space"] {
      #expect(run.errors.contains(word), "\(limit) blocks: \(run.errors)")
    }
  }

  @Test(
    "A bank that does not fit is not made, and nothing is left behind",
    arguments: [
      "--codec tvq", "--codec rtvq", "--codec raw", "--codec emr", "--codec sparse",
      "--codec binary",
      "--codec tvq --budget 20%",
    ])
  func create(codec: String) async throws {
    let create = "bank create --base base --expert a=a --expert b=b \(codec)"
    expect(try await workshop.shell("exec \"$TINCTURE\" \(create) --output y.bank"), ends: 0)
    let whole = try bytes("y.bank")
    let before = try workshop.names()
    for limit in limits(below: whole.count) {
      expectRefusal(try await run("\(create) --output x.bank", limit: limit), limit)
      #expect(try workshop.names() == before)
    }
    let fitting = try await run("\(create) --output x.bank", limit: (whole.count + 511) / 512)
    expect(fitting, ends: 0)
    #expect(try bytes("x.bank") == whole)
  }

  @Test("A bank that another one does not fit in the place of stays as it is")
  func replace() async throws {
    let create = "bank create --base base --expert a=a --output x.bank"
    expect(try await workshop.shell("exec \"$TINCTURE\" \(create) --codec tvq"), ends: 0)
    let (old, before) = (try bytes("x.bank"), try workshop.names())
    for limit in limits(below: old.count) {
      expectRefusal(try await run("\(create) --codec raw --force", limit: limit), limit)
      #expect(try bytes("x.bank") == old)
      #expect(try workshop.names() == before)
    }
  }

  @Test(
    "An addition that does not fit leaves the old bank as it is",
    arguments: ["tvq", "rtvq", "sparse", "binary"])
  func add(codec: String) async throws {
    let create = "bank create --base base --expert a=a --codec \(codec) --output x.bank"
    let add = "bank add x.bank --base base --expert b=b"
    expect(try await workshop.shell("exec \"$TINCTURE\" \(create)"), ends: 0)
    let (old, before) = (try bytes("x.bank"), try workshop.names())
    expect(try await workshop.shell("exec \"$TINCTURE\" \(add)"), ends: 0)
    let new = try bytes("x.bank")
    try old.write(to: workshop.url("x.bank"))
    for limit in limits(below: new.count) + [old.count / 512 + 1] {
      expectRefusal(try await run(add, limit: limit), limit)
      #expect(try bytes("x.bank") == old)
      #expect(try workshop.names() == before)
    }
    expect(try await workshop.tincture("bank", "verify", "x.bank", "--base", "base"), ends: 0)
    expect(try await run(add, limit: (new.count + 511) / 512), ends: 0)
    #expect(try bytes("x.bank") == new)
  }

  @Test("A removal that does not fit leaves the old bank as it is")
  func remove() async throws {
    let create = "bank create --base base --expert a=a --expert b=b --codec tvq --output x.bank"
    expect(try await workshop.shell("exec \"$TINCTURE\" \(create)"), ends: 0)
    let (old, before) = (try bytes("x.bank"), try workshop.names())
    for limit in [1, old.count / 2048] {
      expectRefusal(try await run("bank remove x.bank --expert a", limit: limit), limit)
      #expect(try bytes("x.bank") == old)
      #expect(try workshop.names() == before)
    }
    expect(try await workshop.tincture("bank", "verify", "x.bank"), ends: 0)
  }
}
