import Foundation
import SystemPackage
import Testing
import TinctureEvaluation
import TinctureMerging
import TinctureSafetensors
import TinctureTensors
import TinctureTorch

@Suite("Evaluation", .needsLibTorch)
struct EvaluatorTests {
  private static let folder = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().appending(path: "Examples/Vision").path

  private func bundled(_ tasks: [String]) throws -> EvaluationSuite {
    var suite = try EvaluationSuite(reading: FilePath(Self.folder + "/suite.yaml"))
    suite.tasks.removeAll { !tasks.contains($0.name) }
    return suite
  }

  private func temporaryFolder() -> FilePath {
    FilePath(NSTemporaryDirectory()).appending("evaluation-\(UUID().uuidString)")
  }

  private func model(_ name: String) -> EvaluatedModel {
    EvaluatedModel(name, ModelReference(path: Self.folder + "/\(name).safetensors"))
  }

  @Test(
    "The bundled models are as good as their README says",
    arguments: [("pretrained", 93.7, 41.7), ("expert_style", nil, 75.2)])
  func reference(name: String, optdigits: Double?, style: Double) throws {
    let scores = try Evaluator(bundled(["optdigits", "style"])).evaluate(model(name))
    #expect(abs((scores["style"]?.shown ?? 0) - style) <= 0.3)
    if let optdigits { #expect(abs((scores["optdigits"]?.shown ?? 0) - optdigits) <= 0.3) }
    #expect(scores["optdigits"]?.exampleCount == 600)
  }

  @Test("Outputs are kept by content, and the size of batches does not matter")
  func cache() throws {
    var suite = try bundled(["optdigits"])
    let folder = temporaryFolder()
    defer { try? FileManager.default.removeItem(atPath: folder.string) }
    var evaluator = Evaluator(suite)
    evaluator.cache = OutputCache(folder: folder)
    evaluator.exampleLimit = 150
    var steps: [Int] = []
    let first = try evaluator.evaluate(model("pretrained")) { steps.append($0) }
    #expect(first.cachedTasks == 0)
    #expect(steps == [150])
    let second = try evaluator.evaluate(model("pretrained"))
    #expect(second.cachedTasks == 1)
    #expect(second["optdigits"]?.value == first["optdigits"]?.value)
    #expect(try evaluator.evaluate(model("expert_style")).cachedTasks == 0)
    evaluator.exampleLimit = 100
    #expect(try evaluator.evaluate(model("pretrained")).cachedTasks == 0)
    // A damaged entry is computed anew.
    evaluator.exampleLimit = 150
    for file in try FileManager.default.contentsOfDirectory(atPath: folder.string) {
      try Data([1, 2, 3]).write(to: URL(filePath: folder.appending(file).string))
    }
    let third = try evaluator.evaluate(model("pretrained"))
    #expect(third.cachedTasks == 0)
    #expect(third["optdigits"]?.value == first["optdigits"]?.value)
    suite.batchSize = 7
    var other = Evaluator(suite)
    other.exampleLimit = 150
    #expect(
      try other.evaluate(model("pretrained"))["optdigits"]?.value == first["optdigits"]?.value)
  }

  @Test("A cache that outgrows its limit forgets what was used longest ago")
  func cacheLimit() throws {
    let suite = try bundled(["optdigits"])
    let folder = temporaryFolder()
    defer { try? FileManager.default.removeItem(atPath: folder.string) }
    var evaluator = Evaluator(suite)
    // Each entry has 100 examples of ten numbers.
    evaluator.cache = OutputCache(folder: folder, limit: 9000)
    for limit in [100, 101, 102] {
      evaluator.exampleLimit = limit
      _ = try evaluator.evaluate(model("pretrained"))
      Thread.sleep(forTimeInterval: 0.02)
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.string).count == 2)
    evaluator.exampleLimit = 102
    #expect(try evaluator.evaluate(model("pretrained")).cachedTasks == 1)
    evaluator.exampleLimit = 100
    #expect(try evaluator.evaluate(model("pretrained")).cachedTasks == 0)
  }

  @Test("What does not fit is named")
  func misfits() throws {
    let suite = try bundled(["optdigits"])
    func message(_ change: (inout EvaluationSuite) -> Void, _ name: String = "pretrained")
      -> TinctureError?
    {
      var changed = suite
      change(&changed)
      return #expect(throws: TinctureError.self) {
        var evaluator = Evaluator(changed)
        evaluator.exampleLimit = 10
        _ = try evaluator.evaluate(model(name))
      }
    }
    let column = message { $0.tasks[0].data.inputs = "x" }
    #expect(column?.code == .data, "\(column?.message ?? "")")
    #expect(message { $0.tasks[0].data.targets = "mnist.labels" }?.code == .data)
    #expect(message { $0.tasks[0].data.inputs = "optdigits.labels" }?.code == .data)
    #expect(message { $0.tasks[0].head?.bias = "mnist.weight" }?.message.contains("bias") == true)
    #expect(message { $0.tasks[0].head?.weight = "none" }?.place.tensor == "none")
    #expect(
      message {
        $0.tasks[0].head?.weight = "style.weight"; $0.tasks[0].head?.bias = nil
      }?.code == .data)
    #expect(message({ _ in }, "heads")?.causes.count ?? 0 > 10)
    #expect(message({ _ in }, "nothing")?.code == .missingInput)
  }

  @Test("An evaluation that is interrupted ends")
  func interruption() throws {
    let evaluator = Evaluator(try bundled(["optdigits"]))
    evaluator.interruption.raise()
    let error = #expect(throws: TinctureError.self) {
      try evaluator.evaluate(model("pretrained"))
    }
    #expect(error?.code == .interrupted)
  }
}
