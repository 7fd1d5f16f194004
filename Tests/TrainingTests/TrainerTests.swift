import Foundation
import SystemPackage
import Testing
import TinctureCheckpoints
import TinctureEvaluation
import TinctureJSON
import TinctureLinearAlgebra
import TinctureMerging
import TinctureNetworks
import TinctureSafetensors
import TinctureTensors
import TinctureTorch

@testable import TinctureTraining

@Suite("Trainers", .needsLibTorch, .timeLimit(.minutes(25)))
struct TrainerTests {
  private let fixture: RunFixture

  init() throws { fixture = try RunFixture() }

  @Test("A small transformer learns digits, and its log, page and card say so")
  func learns() async throws {
    let job = try fixture.job(
      "model", ["epochs": "6", "name": "digits", "optimizer": "{lr: 0.01}"])
    let plan = try job.plan()
    #expect(plan.stepsPerEpoch == 8 && plan.stepCount == 48 && plan.epochCount == 6)
    #expect(plan.trainingCount == 256 && plan.testCount == 100 && plan.classCount == 10)
    var steps: [Int] = []
    let report = try await job.run { steps.append($0.steps) }
    #expect(Set(steps) == Set(1...48))
    #expect(report.plan.phases.map(\.title) == ["dense"])
    #expect(report.plan.averageTrainedCount == Double(report.plan.phases[0].trainedCount))
    #expect(report.plan.parameterCount == report.plan.phases[0].trainedCount)
    let epochs = report.history.epochs
    #expect(epochs.count == 6 && epochs[0].loss > epochs[5].loss + 0.3)
    #expect((epochs[5].testAccuracy ?? 0) > 0.3)
    #expect(!fixture.exists("model-training"))
    let log = try JSONValue(
      parsing: String(decoding: fixture.bytes("model/train.json"), as: UTF8.self))
    #expect(log["epochs"]?.arrayValue?.count == 6 && log["name"]?.stringValue == "digits")
    #expect(
      log["epochs"]?.arrayValue?.last?["test_accuracy"]?.doubleValue == epochs[5].testAccuracy)
    let page = String(decoding: try fixture.bytes("model/train.html"), as: UTF8.self)
    #expect(page.contains("Learning rate") && page.contains("<polyline"))
    let card = String(decoding: try fixture.bytes("model/README.md"), as: UTF8.self)
    #expect(card.contains("# digits") && card.contains("right answers"))
  }

  @Test("What is written is what was measured: the evaluator finds the same accuracy")
  func evaluated() async throws {
    let report = try await fixture.job("model", ["epochs": "2"]).run()
    let lines = RunFixture.lines()
    let suite = """
      network: {config: model}
      input: \(lines["input"] ?? "")
      tasks:
        - name: mnist
          data: {file: '\(RunFixture.vision)/test.safetensors', inputs: mnist.images, targets: mnist.labels}
          head: {file: model/head.safetensors, weight: weight, bias: bias}
      """
    var evaluator = Evaluator(
      try EvaluationSuite(parsing: suite, file: fixture.scratch.appending("suite.yaml")))
    evaluator.exampleLimit = 100
    let model = EvaluatedModel(
      "model", ModelReference(path: fixture.scratch.appending("model").string))
    let found = try evaluator.evaluate(model) { _ in }
    #expect(found.scores[0].value == report.history.epochs[1].testAccuracy)
  }

  @Test(
    "The same run has the same bits, interrupted anywhere or not",
    arguments: [
      [:], ["optimizer": "{kind: sgd, lr: 0.05, momentum: 0.9}"],
      [
        "ranks": "{mode: dynamic, inflate: 1, deflate: 2, momentum: carry, measure: false}",
        "augmentation": "{crop: 2, flip: true}",
      ],
    ])
  func resumed(changes: [String: String]) async throws {
    _ = try await fixture.job("whole", changes).run()
    for stop in [3, 8, 13, 20] {
      let interruption = Interruption()
      var job = try fixture.job("broken", changes)
      let stopped = await failure {
        _ = try await job.run(interruption: interruption) {
          if $0.steps == stop { interruption.raise() }
        }
      }
      #expect(stopped.code == .interrupted && stopped.message.contains("--resume"))
      #expect(!fixture.exists("broken") && fixture.exists("broken-training/state.safetensors"))
      let refused = await failure { _ = try await job.run() }
      #expect(refused.code == .cannotCreate && refused.message.contains("--force"))
      job.policy.resume = true
      var first = 0
      let report = try await job.run { if first == 0 { first = $0.steps } }
      #expect((stop...stop + 1).contains(first) && report.history.epochs.count == 3)
      for file in ["model.safetensors", "head.safetensors", "config.json", "README.md"] {
        #expect(try fixture.bytes("broken/\(file)") == fixture.bytes("whole/\(file)"), "\(file)")
      }
      #expect(!fixture.exists("broken-training"))
      try FileManager.default.removeItem(atPath: fixture.scratch.appending("broken").string)
    }
  }

  @Test("A state of another run is refused, and new rates are taken")
  func otherRun() async throws {
    func interrupted(_ changes: [String: String]) async throws -> TrainingJob {
      let interruption = Interruption()
      var job = try fixture.job("model", changes)
      job.policy.resume = true
      _ = await failure {
        _ = try await job.run(interruption: interruption) {
          if $0.steps == 9 { interruption.raise() }
        }
      }
      return job
    }
    _ = try await interrupted([:])
    var other = try fixture.job("model", ["batch_size": "16"])
    other.policy.resume = true
    let refused = await failure { _ = try await other.run() }
    #expect(refused.code == .cannotCreate && refused.message.contains("another run"))
    var slower = try fixture.job("model", ["optimizer": "{kind: adamw, lr: 0.0001}"])
    slower.policy.resume = true
    let report = try await slower.run()
    #expect(report.history.epochs.map(\.rate) == [0.003, 0.0001, 0.0001])
  }

  @Test(
    "A loss that is not finite ends the run, names step and rate, and keeps the last good state")
  func notFinite() async throws {
    let wild = ["optimizer": "{kind: sgd, lr: 1e18}", "schedule": "{kind: constant, warmup: 1e-9}"]
    let first = await failure { _ = try await fixture.job("first", wild).run() }
    #expect(first.code == .data)
    #expect(first.message.contains("not finite in step") && first.message.contains("1e+18"))
    #expect(first.message.contains("no earlier state") && !fixture.exists("first-training"))
    // The second run is good for an epoch, and goes on too fast.
    let interruption = Interruption()
    var job = try fixture.job("second", ["optimizer": "{kind: sgd, lr: 0.01}"])
    _ = await failure {
      _ = try await job.run(interruption: interruption) {
        if $0.epoch == 1 { interruption.raise() }
      }
    }
    let kept = try fixture.bytes("second-training/state.safetensors")
    job = try fixture.job("second", wild)
    job.policy.resume = true
    let second = await failure { _ = try await job.run() }
    #expect(second.code == .data && second.message.contains("after epoch 1 of 3"))
    #expect(second.message.contains("second-training/state.safetensors"))
    #expect(try fixture.bytes("second-training/state.safetensors") == kept)
    #expect(!fixture.exists("second"))
  }
}
