import Foundation
import SystemPackage
import Testing
import TinctureCheckpoints
import TinctureEvaluation
import TinctureFitting
import TinctureMerging
import TinctureTensors
import TinctureTorch

@Suite("Fits", .needsLibTorch)
struct FitTests {
  private static let folder = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().appending(path: "Examples/Vision").path

  private func suite(_ tasks: [String]) throws -> EvaluationSuite {
    var suite = try EvaluationSuite(reading: FilePath(Self.folder + "/suite.yaml"))
    suite.tasks.removeAll { !tasks.contains($0.name) }
    return suite
  }

  private func vectors(_ suite: EvaluationSuite) throws -> TaskVectorSet {
    func open(_ name: String) throws -> ModelInput {
      try ModelInput(
        opening: ModelReference(path: "\(Self.folder)/\(name).safetensors"),
        locator: ModelLocator())
    }
    return try TaskVectorSet(
      reading: suite, base: open("pretrained"),
      experts: suite.tasks.map { try open("expert_\($0.name)") })
  }

  private func fit(_ tasks: [String], _ settings: FitSettings) throws -> CoefficientFit.Outcome {
    let suite = try suite(tasks)
    return try CoefficientFit(suite, vectors(suite), settings).run()
  }

  @Test("Tinting lowers the loss, moves coefficients and heads, and repeats bit for bit")
  func tinting() throws {
    var settings = FitSettings.tinting()
    settings.rounds = 6
    let outcome = try fit(["optdigits", "style"], settings)
    func mean(_ rounds: ArraySlice<CoefficientFit.Round>) -> Double {
      let losses = rounds.flatMap(\.losses).compactMap(\.self)
      return losses.reduce(0, +) / Double(losses.count)
    }
    #expect(mean(outcome.rounds.suffix(2)) < mean(outcome.rounds.prefix(2)))
    #expect(outcome.coefficients.raw.contains { $0 != 0.3 })
    #expect(outcome.skippedTurns == 0)
    let again = try fit(["optdigits", "style"], settings)
    #expect(again.coefficients == outcome.coefficients)
    #expect(again.rounds == outcome.rounds)
    #expect(outcome.heads["style"]?.weight.shape == [4, 128])
  }

  @Test("Task-wise AdaMerging moves one coefficient a task and no head")
  func adaMerging() throws {
    var settings = FitSettings.adaMerging(.task)
    (settings.rounds, settings.rate) = (5, 3e-3)
    let outcome = try fit(["optdigits", "style"], settings)
    #expect(outcome.coefficients.raw.count == 2)
    // Adam's first steps are as long as its rate, whatever the loss is.
    for value in outcome.coefficients.raw { #expect(abs(value - 0.3) <= 5 * 3.1e-3) }
    #expect(outcome.coefficients.raw.contains { $0 != 0.3 })
  }

  @Test("The filter drops what the merged model is surer of than an expert that differs")
  func filter() throws {
    // Same answer; another answer, merged model surer; another answer, expert surer.
    let scores = try TorchTensor([2, 0, 3, 0, 1, 0] as [Float], shape: [3, 2])
    let expert = try TorchTensor([1, 0, 0, 1, 0, 4] as [Float], shape: [3, 2])
    func loss(_ x: Double) -> Double { log(1 + exp(x)) }
    let all = try #require(
      try FitObjective.expertLabels(filtered: false).loss(scores, expert: expert))
    #expect(all.kept == 3)
    #expect(
      abs(Double(try all.loss.item(as: Float.self)) - (loss(-2) + loss(3) + loss(1)) / 3) < 1e-5)
    let kept = try #require(
      try FitObjective.expertLabels(filtered: true).loss(scores, expert: expert))
    #expect(kept.kept == 2)
    #expect(abs(Double(try kept.loss.item(as: Float.self)) - (loss(-2) + loss(1)) / 2) < 1e-5)
    let dropped = try FitObjective.expertLabels(filtered: true).loss(
      scores.slice(1..<2, along: 0), expert: expert.slice(1..<2, along: 0))
    #expect(dropped == nil)
  }

  @Test("A suite with other tasks than models is refused, and a raised flag ends the fit")
  func faults() throws {
    let two = try suite(["optdigits", "style"])
    let one = try suite(["style"])
    #expect(throws: TinctureError.self) {
      try CoefficientFit(two, vectors(one), .tinting())
    }
    let fit = try CoefficientFit(one, vectors(one), .tinting())
    fit.interruption.raise()
    let error = #expect(throws: TinctureError.self) { try fit.run() }
    #expect(error?.code == .interrupted)
  }
}
