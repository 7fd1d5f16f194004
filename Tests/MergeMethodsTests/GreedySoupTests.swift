import SystemPackage
import Testing
import TinctureMergeMethods
import TinctureMergeTesting
import TinctureMerging
import TinctureTensors

@Suite("Greedy soups")
struct GreedySoupTests {
  private func model(_ value: Float) throws -> TinyModel {
    TinyModel([.init("w", shape: Shape(vector: 3), [value, 2 * value, -value])])
  }

  private func soup(_ scores: String, accept: String = "better") async throws -> [Float] {
    let scratch = try ScratchDirectory()
    let file = try scratch.write("scores.json", Array(scores.utf8))
    let method = GreedySoup()
    let models = try [model(1), model(2), model(6)]
    let trial = MergeTrial(
      method, base: nil, models: models,
      parameters: try ResolvedParameters(
        for: method.info, ["scores": .text(file.string), "accept": .text(accept)],
        modelCount: models.count))
    return try await trial.run().model["w"] ?? []
  }

  @Test("Models join by falling score while the soup gets better")
  func joins() async throws {
    // model1 leads, model2 helps, model0 does not.
    let result = try await soup(
      """
      {"model0": 0.1, "model1": 0.9, "model2": 0.5, "model1 + model2": 0.95,
       "model1 + model2 + model0": 0.94}
      """)
    #expect(result == [4, 8, -4])
  }

  @Test(
    "An equal score is accepted only when asked for", arguments: [("better", 2), ("not_worse", 4)])
  func equal(accept: String, first: Float) async throws {
    let result = try await soup(
      """
      {"model0": 0.1, "model1": 0.9, "model2": 0.5, "model1 + model2": 0.9,
       "model1 + model0": 0.2, "model1 + model2 + model0": 0.2}
      """, accept: accept)
    #expect(result[0] == first)
  }

  @Test("A missing score is named with the command that makes its soup")
  func missing() async throws {
    let error = await #expect(throws: TinctureError.self) {
      try await soup(#"{"model0": 0.1, "model1": 0.9, "model2": 0.5}"#)
    }
    #expect(error?.code == .missingInput)
    #expect(error?.message.contains("\"model1 + model2\"") == true)
    #expect(error?.message.contains("--model model1 --model model2") == true)
  }
}
