import SystemPackage
import Testing
import TinctureCheckpoints
import TinctureEvaluation
import TinctureMerging
import TinctureSafetensors
import TinctureTensors
import TinctureTorch

@testable import TinctureFitting

@Suite("Fits", .needsLibTorch)
struct FitTests {
  private func fit(
    _ problem: LearningProblem, _ settings: FitSettings, memoryLimit: Int = 1 << 30,
    granularity: CoefficientTable.Granularity = .layer
  ) throws -> (fit: MergeFit, merge: CoefficientMerge) {
    let vectors = try problem.vectors(memoryLimit: memoryLimit, workers: 2)
    var coefficients = CoefficientSettings()
    coefficients.granularity = granularity
    let merge = CoefficientMerge(vectors, coefficients, on: .cpu)
    return (MergeFit(problem, vectors, merge, settings), merge)
  }

  private func tinting(_ rounds: Int) -> FitSettings {
    var settings = FitSettings(.expertLabels(.none))
    (settings.rounds, settings.headRate) = (rounds, 1e-2)
    return settings
  }

  private func parts(_ outcome: FitOutcome) throws -> [UInt8] {
    var writer = TaskPartsWriter(method: "test")
    try outcome.add(to: &writer)
    return writer.encoded()
  }

  @Test("Tinting lowers the loss, moves coefficients and heads, and repeats bit for bit")
  func repeats() throws {
    let vision = try VisionFixture()
    defer { vision.remove() }
    let problem = try vision.problem(vision.recipe("tinting", ["optdigits", "style"]))
    #expect(problem.suite.tasks.map(\.name) == ["optdigits", "style"])
    let (first, merge) = try fit(problem, tinting(6))
    let outcome = try first.run()
    func mean(_ rounds: ArraySlice<[Double?]>) -> Double {
      let losses = rounds.flatMap { $0 }.compactMap(\.self)
      return losses.reduce(0, +) / Double(losses.count)
    }
    let losses = outcome.history.losses
    #expect(mean(losses.suffix(2)) < mean(losses.prefix(2)))
    #expect(merge.table.raw.contains { $0 != 0.3 })
    let (second, other) = try fit(problem, tinting(6))
    let again = try second.run()
    #expect(other.table == merge.table)
    #expect(again.history == outcome.history)
    #expect(try parts(again) == parts(outcome))
  }

  @Test("Task vectors that are read whenever they are needed give the same bits as those in memory")
  func streamed() throws {
    let vision = try VisionFixture()
    defer { vision.remove() }
    let problem = try vision.problem(vision.recipe("tinting", ["optdigits", "style"]))
    let (inMemory, kept) = try fit(problem, tinting(2))
    let (streaming, read) = try fit(problem, tinting(2), memoryLimit: 1 << 20)
    #expect(inMemory.vectors.isResident && !streaming.vectors.isResident)
    _ = try inMemory.run()
    _ = try streaming.run()
    #expect(kept.table == read.table)
  }

  @Test("A fit that was interrupted goes on to the same bits", arguments: [true, false])
  func resumes(stepsByTask: Bool) throws {
    let vision = try VisionFixture()
    defer { vision.remove() }
    let problem = try vision.problem(vision.recipe("tinting", ["optdigits", "style"]))
    var settings = tinting(7)
    settings.stepsByTask = stepsByTask
    let (whole, merge) = try fit(problem, settings)
    let outcome = try whole.run()
    var (part, _) = try fit(problem, settings)
    part.snapshotPath = vision.scratch.appending("scratch").appending("fit.safetensors")
    part.snapshotInterval = 0
    let interruption = part.interruption
    let error = #expect(throws: TinctureError.self) {
      try part.run { history in
        if history.losses.count == 3 { interruption.raise() }
      }
    }
    #expect(error?.code == .interrupted)
    var (rest, resumed) = try fit(problem, settings)
    rest.snapshotPath = part.snapshotPath
    let found = try rest.run()
    #expect(found.history.resumedRounds == 3)
    #expect(found.history.losses == outcome.history.losses)
    #expect(resumed.table == merge.table)
    #expect(try parts(found) == parts(outcome))
    // A snapshot of other settings is of no use.
    settings.seed = 5
    var (other, _) = try fit(problem, settings)
    other.snapshotPath = part.snapshotPath
    #expect(try other.run().history.resumedRounds == 0)
  }

  @Test("A tinted layer begins as the expert's and belongs to its task")
  func tintedLayer() throws {
    let vision = try VisionFixture()
    defer { vision.remove() }
    let problem = try vision.problem(vision.recipe("tinting", ["optdigits", "style"]))
    var settings = tinting(2)
    settings.tintedTensors = ["blocks.5.mlp.fc2"]
    let (fit, _) = try fit(problem, settings)
    let path = vision.scratch.appending("parts.safetensors")
    try write(parts(fit.run()), to: path)
    let file = try TaskParts(opening: path)
    let task = try file.task("style")
    #expect(
      task.replacements.map(\.name) == ["blocks.5.mlp.fc2.bias", "blocks.5.mlp.fc2.weight"])
    #expect(task.tensors["head.weight"]?.shape == Shape([4, 128]))
    settings.tintedTensors = ["no such layer"]
    let error = #expect(throws: TinctureError.self) { try self.fit(problem, settings).fit.run() }
    #expect(error?.message.contains("no such layer") == true)
  }

  @Test("Rounds without an example that takes part are counted and change nothing")
  func emptyTurns() throws {
    let vision = try VisionFixture()
    defer { vision.remove() }
    let problem = try vision.problem(vision.recipe("tinting", ["optdigits"]))
    var settings = tinting(2)
    settings.objective = .expertLabels(.top(0))
    let (fit, merge) = try fit(problem, settings)
    let outcome = try fit.run()
    #expect(outcome.history.emptyTurns == 2)
    #expect(outcome.history.losses == [[nil], [nil]])
    #expect(merge.table.raw.allSatisfy { $0 == 0.3 })
  }

  @Test("A loss that is never finite ends the fit with advice")
  func notFinite() throws {
    let vision = try VisionFixture()
    defer { vision.remove() }
    let problem = try vision.problem(vision.recipe("tinting", ["optdigits"]))
    var settings = tinting(50)
    settings.skipLimit = 3
    settings.lossScale = .infinity
    let (fit, merge) = try fit(problem, settings)
    let error = #expect(throws: TinctureError.self) { try fit.run() }
    #expect(error?.code == .data)
    #expect(error?.message.contains("3 turns one after another") == true)
    #expect(merge.table.raw.allSatisfy { $0 == 0.3 })
  }

  private func write(_ bytes: [UInt8], to path: FilePath) throws {
    let file = try FileDescriptor.open(
      path, .writeOnly, options: [.create, .truncate], permissions: [.ownerReadWrite])
    try file.closeAfter { _ = try file.writeAll(bytes) }
  }
}
