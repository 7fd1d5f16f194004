import Foundation
import SystemPackage
import Testing
import Tincture
import TinctureCheckpoints
import TinctureEvaluation
import TinctureMerging
import TinctureNetworks
import TinctureTensors
import TinctureTorch

@testable import TinctureFitting

@Suite("Surgery", .needsLibTorch)
struct SurgeryTests {
  private func settings(_ rounds: Int, blocks: Bool = false) -> SurgerySettings {
    var settings = SurgerySettings()
    (settings.rounds, settings.correctsBlocks, settings.rank) = (rounds, blocks, 4)
    return settings
  }

  private func problem(_ vision: VisionFixture, limit: Int = 40) throws -> LearningProblem {
    try vision.problem(
      vision.recipe(
        "surgery", ["optdigits", "style"],
        data: "suite: \(VisionFixture.folder)/suite.yaml, limit: \(limit)"))
  }

  /// Task arithmetic with λ = 0.3.
  private func merged(
    _ problem: LearningProblem, workers: Int = 2
  ) throws -> [String: any TensorReader] {
    let vectors = try problem.vectors(memoryLimit: 1 << 30, workers: workers)
    var settings = CoefficientSettings()
    settings.granularity = .task
    return try CoefficientMerge(vectors, settings, on: .cpu).readers()
  }

  private func parts(_ outcome: SurgeryOutcome) throws -> [UInt8] {
    var writer = TaskPartsWriter(method: "test")
    try outcome.add(to: &writer)
    return writer.encoded()
  }

  @Test("Steps on features are those of the formula in plain Swift")
  func formula() throws {
    let vision = try VisionFixture()
    defer { vision.remove() }
    let problem = try problem(vision, limit: 6)
    let task = try problem.tasks(needsLabels: false)[1]
    let (n, d, r) = (6, 5, 2)
    func numbers(_ name: String) -> [Float] {
      let random = CounterRandom(seed: 2, tensor: name, purpose: "test")
      return (0..<n * d).map { Float(4 * random.uniform(at: $0) - 2) }
    }
    let (features, wanted) = (numbers("merged"), numbers("expert"))
    var settings = settings(1)
    (settings.rank, settings.batchSize, settings.rate) = (r, n, 0.05)
    let learner = try SurgeryLearner(
      task, index: 1, expert: TorchTensor(wanted, shape: [n, d]),
      .features(TorchTensor(features, shape: [n, d])), settings)
    var down = try learner.featureCorrection.down.array(as: Float.self)
    var up = try learner.featureCorrection.up.array(as: Float.self)
    #expect(up.allSatisfy { $0 == 0 })
    #expect(down.allSatisfy { abs($0) <= 1 / Float(d).squareRoot() } && Set(down).count > r)
    var downAdam = CoefficientOptimizer(count: down.count, learningRate: 0.05)
    var upAdam = CoefficientOptimizer(count: up.count, learningRate: 0.05)
    for _ in 0..<6 {
      var downSlope = [Float](repeating: 0, count: down.count)
      var upSlope = [Float](repeating: 0, count: up.count)
      var loss = 0.0
      for row in 0..<n {
        let f = (0..<d).map { features[row * d + $0] }
        let h = (0..<r).map { k in (0..<d).reduce(0) { $0 + down[k * d + $1] * f[$1] } }
        var hSlope = [Float](repeating: 0, count: r)
        for i in 0..<d {
          let corrected = f[i] - (0..<r).reduce(0) { $0 + up[i * r + $1] * max(0, h[$1]) }
          let difference = corrected - wanted[row * d + i]
          loss += Double(abs(difference)) / Double(n * d)
          let sign: Float = difference > 0 ? 1 : difference < 0 ? -1 : 0
          for k in 0..<r {
            upSlope[i * r + k] -= sign * max(0, h[k]) / Float(n * d)
            hSlope[k] -= sign * up[i * r + k] / Float(n * d)
          }
        }
        for k in 0..<r where h[k] > 0 {
          for i in 0..<d { downSlope[k * d + i] += hSlope[k] * f[i] }
        }
      }
      let found = try #require(try learner.step())
      #expect(abs(found - loss) < 1e-4)
      downAdam.step(&down, downSlope)
      upAdam.step(&up, upSlope)
    }
    let correction = learner.featureCorrection
    for (found, value) in zip(try correction.down.array(as: Float.self), down) {
      #expect(abs(found - value) < 1e-3)
    }
    for (found, value) in zip(try correction.up.array(as: Float.self), up) {
      #expect(abs(found - value) < 1e-3)
    }
  }

  @Test(
    "The loss falls, results repeat bit for bit and do not depend on workers",
    arguments: [false, true])
  func repeats(blocks: Bool) throws {
    let vision = try VisionFixture()
    defer { vision.remove() }
    let problem = try problem(vision)
    let outcome = try SurgeryFit(
      problem, merged: merged(problem), settings(12, blocks: blocks)
    ).run()
    let losses = outcome.history.losses.map { $0.compactMap(\.self).reduce(0, +) }
    #expect(losses.suffix(3).reduce(0, +) < losses.prefix(3).reduce(0, +))
    let again = try SurgeryFit(
      problem, merged: merged(problem, workers: 1), settings(12, blocks: blocks)
    ).run()
    #expect(try parts(again) == parts(outcome))
  }

  @Test("A surgery that was interrupted goes on to the same bits", arguments: [false, true])
  func resumes(blocks: Bool) throws {
    let vision = try VisionFixture()
    defer { vision.remove() }
    let problem = try problem(vision)
    let merged = try merged(problem)
    let outcome = try SurgeryFit(problem, merged: merged, settings(5, blocks: blocks)).run()
    var part = SurgeryFit(problem, merged: merged, settings(5, blocks: blocks))
    part.snapshotPath = vision.scratch.appending("scratch").appending("surgery.safetensors")
    part.snapshotInterval = 0
    let interruption = part.interruption
    let error = #expect(throws: TinctureError.self) {
      try part.run { if $0.losses.count == 2 { interruption.raise() } }
    }
    #expect(error?.code == .interrupted)
    var rest = SurgeryFit(problem, merged: merged, settings(5, blocks: blocks))
    rest.snapshotPath = part.snapshotPath
    let found = try rest.run()
    #expect(found.history.resumedRounds == 2)
    #expect(found.history.losses == outcome.history.losses)
    #expect(try parts(found) == parts(outcome))
  }

  @Test("The parts are two matrices for the features, and for every block in version two")
  func roles() throws {
    let vision = try VisionFixture()
    defer { vision.remove() }
    let problem = try problem(vision)
    for blocks in [false, true] {
      let outcome = try SurgeryFit(
        problem, merged: merged(problem), settings(1, blocks: blocks)
      ).run()
      let path = vision.scratch.appending("parts.safetensors")
      try Data(parts(outcome)).write(to: URL(filePath: path.string))
      let task = try TaskParts(opening: path).task("style")
      #expect(task.tensors.count == (blocks ? 14 : 2))
      #expect(task.tensors["surgery.down"]?.shape == Shape([4, 128]))
      #expect(task.tensors["surgery.up"]?.shape == Shape([128, 4]))
      #expect(task.plainNames["surgery.up"] == "surgery.up")
      #expect((task.tensors["surgery.blocks.5.down"] != nil) == blocks)
    }
  }

  @Test("The loss of version two adds up the distances of all blocks and of the features")
  func blockLoss() throws {
    let vision = try VisionFixture()
    defer { vision.remove() }
    let problem = try problem(vision, limit: 8)
    let task = try problem.tasks(needsLabels: false)[0]
    let base = Parameters(try problem.tensors(of: merged(problem)))
    let expert = Parameters(try problem.tensors(of: problem.expert(0)))
    var settings = settings(1, blocks: true)
    settings.batchSize = 8
    let indices = Array(0..<8)
    let own = try task.states(of: indices, base, BlockCorrections([:]))
    let its = try task.states(of: indices, expert, BlockCorrections([:]))
    #expect(own.blocks.count == 6 && own.blocks[0].shape == [8, 128])
    var expected = 0.0
    for (x, y) in zip(own.blocks + [own.features], its.blocks + [its.features]) {
      expected += Double(try (x - y).abs().mean().item(as: Float.self))
    }
    // Nothing is corrected in the first step, so that the loss is that of the merged model.
    let rows = try TorchTensor.concatenated(its.blocks + [its.features], along: 1)
    let learner = try SurgeryLearner(
      task, index: 0, expert: rows, .network(base, blockCount: 6, width: 128), settings)
    let loss = try #require(try learner.step())
    #expect(abs(loss - expected) < 1e-4)
    let cached = try problem.evaluator(Interruption()).features(
      of: problem.expert(0), for: problem.suite.tasks[0], withBlocks: true)
    #expect(cached.rowLength == 7 * 128)
    for (a, b) in zip(cached.values, try rows.array(as: Float.self)) { #expect(abs(a - b) < 1e-4) }
  }

  @Test("A loss that is never finite ends the surgery with advice")
  func notFinite() throws {
    let vision = try VisionFixture()
    defer { vision.remove() }
    let problem = try problem(vision)
    var settings = settings(50)
    (settings.rate, settings.skipLimit) = (1e30, 4)
    let error = #expect(throws: TinctureError.self) {
      try SurgeryFit(problem, merged: merged(problem), settings).run()
    }
    #expect(error?.code == .data)
  }
}
