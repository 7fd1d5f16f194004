import SystemPackage
import Testing
import Tincture
import TinctureEvaluation
import TinctureLinearAlgebra
import TinctureMerging
import TinctureTensors
import TinctureTorch

@testable import TinctureFitting

/// Masks and singular directions, learned from the bundled experts.
@Suite("Merges that are learned as a whole", .needsLibTorch)
struct WholeModelTests {
  private func settings(_ rounds: Int) -> FitSettings {
    var settings = FitSettings(.entropy)
    (settings.rounds, settings.batchSize, settings.stepsByTask) = (rounds, 8, false)
    return settings
  }

  private func mask(_ vectors: TaskVectorSet, _ innerRate: Double?) throws -> ConcreteMerge {
    var settings = MaskSettings()
    settings.innerRate = innerRate
    (settings.rate, settings.coefficients.link) = (0.05, .identity)
    return try ConcreteMerge(vectors, settings, on: .cpu)
  }

  private func ranks(_ vectors: TaskVectorSet) throws -> RankedMerge {
    var settings = RankSettings()
    (settings.rate, settings.openShare) = (0.05, 0.5)
    return try RankedMerge(vectors, settings, on: .cpu)
  }

  /// The same bits after an interruption, and with other workers and task vectors that are read anew.
  private func check<Merge: LearnableMerge>(
    _ make: (TaskVectorSet) throws -> Merge, _ finish: (Merge) throws -> [[Float]]
  ) throws {
    let vision = try VisionFixture()
    defer { vision.remove() }
    let problem = try vision.problem(vision.recipe("concrete", ["optdigits", "style"]))
    let vectors = try problem.vectors(memoryLimit: 1 << 30, workers: 2)
    let whole = try make(vectors)
    let outcome = try MergeFit(problem, vectors, whole, settings(5)).run()
    let expected = try finish(whole)
    #expect(outcome.history.nonFiniteTurns == 0)
    let streamed = try problem.vectors(memoryLimit: 1 << 10, workers: 1)
    let other = try make(streamed)
    _ = try MergeFit(problem, streamed, other, settings(5)).run()
    #expect(try finish(other) == expected)
    var part = MergeFit(problem, vectors, try make(vectors), settings(5))
    part.snapshotPath = vision.scratch.appending("fit.safetensors")
    part.snapshotInterval = 0
    let interruption = part.interruption
    #expect(throws: TinctureError.self) {
      try part.run { if $0.losses.count == 3 { interruption.raise() } }
    }
    let resumed = try make(vectors)
    var rest = MergeFit(problem, vectors, resumed, settings(5))
    rest.snapshotPath = part.snapshotPath
    #expect(try rest.run().history.resumedRounds == 3)
    #expect(try finish(resumed) == expected)
    // A tensor in a file is what it was in memory.
    let file = vision.scratch.appending("learned.safetensors")
    let readers = try MergedModel.readers(vectors, in: file) { index in
      FloatMemory(count: expected[index].count) { span in
        for place in 0..<span.count { span[place] = expected[index][place] }
      }
    }
    #expect(readers.count == vectors.tensors.count)
    let reader = try #require(readers[vectors.tensors[0].name])
    let window = ReadWindow(byteCount: 1 << 16)
    let found = try FloatMemory(count: expected[0].count) { span in
      _ = try reader.read(0..<span.count, into: &span, window: window)
    }
    #expect(found.array == expected[0])
  }

  @Test(
    "Masks repeat, go on after an interruption, and do not depend on workers",
    arguments: [nil, 0.1])
  func masks(innerRate: Double?) throws {
    try check({ try mask($0, innerRate) }) { merge in
      let masks = try merge.finished(isRandom: true).masks
      return try masks.indices.map { try merge.merged($0, masks[$0]).array }
    }
  }

  @Test(
    "Singular directions repeat, go on after an interruption, and do not depend on workers",
    .enabled(if: (try? Backend.shared) != nil, "no LAPACK"))
  func directions() throws {
    try check({ try ranks($0) }) { merge in
      try merge.vectors.tensors.indices.map { try merge.finished($0).array }
    }
  }
}
