import SystemPackage
import Testing
import TinctureCheckpoints
import TinctureMergeTesting
import TinctureSafetensors
import TinctureTensors

@Suite("Continuing an interrupted run")
struct StepJournalTests {
  private static let policy = CheckpointWriter.Policy(resume: true)

  private static func open(
    _ scratch: ScratchDirectory, fingerprint: String = "f",
    policy: CheckpointWriter.Policy = policy
  ) throws -> CheckpointWriter {
    try CheckpointWriter.create(
      scratch.path.appending("out"), layout: CheckpointWriterTests.layout,
      fingerprint: fingerprint, policy: policy)
  }

  /// Records steps in a run that is then interrupted.
  private static func interrupt(_ scratch: ScratchDirectory, steps: [Int]) throws {
    let writer = try open(scratch)
    try CheckpointWriterTests.write(writer)
    for step in steps { try writer.journal.record(step) }
  }

  private static func append(_ text: String, _ scratch: ScratchDirectory) throws {
    let journal = scratch.path.appending(".out.tincture-partial/.tincture-journal")
    let file = try FileDescriptor.open(journal, .writeOnly, options: .append)
    try file.closeAfter { _ = try file.writeAll(text.utf8) }
  }

  @Test("Finished steps and their bytes are found again")
  func continues() throws {
    let scratch = try ScratchDirectory()
    try Self.interrupt(scratch, steps: [0, 3, 1])
    #expect(try scratch.names() == [".out.tincture-partial"])
    let writer = try Self.open(scratch)
    #expect(writer.finishedSteps == [0, 1, 3])
    try writer.finish()
    try CheckpointWriterTests.expectFinished(scratch.path.appending("out"))
    #expect(try scratch.names() == ["out"])
    let output = scratch.path.appending("out")
    #expect(try DirectoryListing.names(in: output) == ["model.safetensors"])
  }

  @Test(
    "A torn last line does not count, nor does it join with the next", arguments: ["1", "12", "x"])
  func torn(end: String) throws {
    let scratch = try ScratchDirectory()
    try Self.interrupt(scratch, steps: [0, 3])
    try Self.append(end, scratch)
    #expect(try Self.finished(scratch, recording: 5) == [0, 3])
    #expect(try Self.finished(scratch) == [0, 3, 5])
  }

  private static func finished(_ scratch: ScratchDirectory, recording step: Int? = nil) throws
    -> Set<Int>
  {
    let writer = try open(scratch)
    if let step { try writer.journal.record(step) }
    return writer.finishedSteps
  }

  @Test("The remainder of another plan is discarded")
  func otherPlan() throws {
    let scratch = try ScratchDirectory()
    try Self.interrupt(scratch, steps: [0])
    do {
      let writer = try Self.open(scratch, fingerprint: "g")
      #expect(writer.finishedSteps.isEmpty)
      let partial = scratch.path.appending(".out.tincture-partial")
      #expect(
        try DirectoryListing.names(in: partial) == [".tincture-journal", "model.safetensors"])
      let file = try InputFile(opening: partial.appending("model.safetensors"))
      #expect(try file.contents().last == 0, "the data of the other plan is gone")
    }
    #expect(try Self.finished(scratch) == [])
  }

  @Test("A journal that makes no sense is discarded", arguments: ["", "\n", "12\n", "\r\n\r\n"])
  func nonsense(text: String) throws {
    let scratch = try ScratchDirectory()
    try Self.interrupt(scratch, steps: [0])
    let journal = scratch.path.appending(".out.tincture-partial/.tincture-journal")
    try FileDescriptor.open(journal, .writeOnly, options: .truncate).close()
    try Self.append(text, scratch)
    #expect(try Self.finished(scratch) == [])
  }

  @Test("A run that does not continue discards the remainder of one that would")
  func fresh() throws {
    let scratch = try ScratchDirectory()
    try Self.interrupt(scratch, steps: [0])
    do {
      let writer = try Self.open(scratch, policy: .init())
      #expect(writer.finishedSteps.isEmpty)
    }
    #expect(try scratch.names().isEmpty)
  }

  @Test(
    "A second writer of the same output is refused and disturbs nothing", arguments: [true, false])
  func locked(resume: Bool) throws {
    let scratch = try ScratchDirectory()
    let writer = try Self.open(scratch)
    try CheckpointWriterTests.write(writer)
    let error = #expect(throws: TinctureError.self) {
      _ = try Self.open(scratch, policy: .init(resume: resume))
    }
    #expect(error?.code == .cannotCreate)
    #expect(error?.message.contains("Another process") == true)
    try writer.finish()
    try CheckpointWriterTests.expectFinished(scratch.path.appending("out"))
  }
}
