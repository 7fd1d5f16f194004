import Testing
import Tincture
import TinctureMerging
import TinctureTensors
import TinctureTorch

@testable import TinctureFitting

@Suite("Plans of merges that learn", .needsLibTorch)
struct PlanTests {
  private func fault(
    _ method: String = "tinting", _ models: [String] = ["mnist", "style"],
    _ parameters: [String: String] = [:], data: String = "suite: \(VisionFixture.folder)/suite.yaml"
  ) throws -> String {
    let vision = try VisionFixture()
    defer { vision.remove() }
    let error = #expect(throws: TinctureError.self) {
      try vision.plan(vision.recipe(method, models, parameters, data: data))
    }
    return error?.detailedDescription ?? ""
  }

  @Test("Models find their tasks by the suite's experts, in any order")
  func matching() throws {
    let vision = try VisionFixture()
    defer { vision.remove() }
    let problem = try vision.problem(vision.recipe("adamerging", ["style", "kana", "mnist"]))
    #expect(problem.suite.tasks.map(\.name) == ["style", "kana", "mnist"])
    let named = try vision.recipe(
      "adamerging", ["style", "kana"],
      data: "suite: \(VisionFixture.folder)/suite.yaml, tasks: [kana, style]")
    #expect(try vision.problem(named).suite.tasks.map(\.name) == ["kana", "style"])
  }

  @Test("What does not fit is said before anything is learned")
  func faults() throws {
    #expect(try fault(data: "suite: nowhere.yaml").contains("'nowhere.yaml' is not there"))
    let suite = "suite: \(VisionFixture.folder)/suite.yaml"
    #expect(try fault(data: suite + ", tasks: [mnist]").contains("1 tasks for 2 models"))
    #expect(try fault(data: suite + ", tasks: [mnist, stile]").contains("did you mean 'style'?"))
    #expect(
      try fault(data: suite + ", file: nowhere.safetensors").contains("nowhere.safetensors"))
    #expect(try fault("ties", data: suite).contains("learns nothing from data"))
    #expect(
      try fault("tinting", ["mnist", "style"], ["targets": "distribution", "filter": "top"])
        .contains("needs targets: labels"))
    #expect(
      try fault("tinting", ["mnist", "style"], ["rounds": "0"]).contains("rounds must be"))
  }

  @Test("Parameters of a whole fit cannot differ from tensor to tensor")
  func uniform() throws {
    let filters = "[{filter: mlp, value: 5}, {value: 6}]"
    let text = try fault("tinting", ["mnist", "style"], ["rounds": filters])
    #expect(text.contains("cannot differ from tensor to tensor"))
  }

  @Test("A learned method needs data, with the line of the method")
  func missingData() throws {
    let text = """
      merge_method: tinting
      base_model: a
      models: [{model: b}]
      """
    let recipe = try #require(try RecipeParser.parse(text, file: "r.yaml").first)
    let error = #expect(throws: TinctureError.self) {
      try Planner.check(recipe, methods: AllMethods.all)
    }
    #expect(error?.message.contains("add 'data'") == true)
    #expect(error?.place.line == 1)
  }
}
