import Foundation
import SystemPackage
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

  @Test("What labels, blocks, shares and preferences cannot be is said, too")
  func faultsOfLabelledMethods() throws {
    func of(_ method: String, _ parameters: [String: String], _ models: Int = 2) throws -> String {
      try fault(method, Array(["mnist", "style", "kana", "script"].prefix(models)), parameters)
    }
    #expect(try of("supermerge", ["validation": "1"]).contains("validation must be below 1"))
    #expect(try of("supermerge", ["init": "1"]).contains("both excluded"))
    #expect(try of("supermerge", ["group_size": "1"]).contains("group_size must be 0 or"))
    #expect(try of("atlas", ["control": "kanna"]).contains("no task 'kanna' without a model"))
    #expect(try of("atlas", ["control": "mnist"]).contains("without a model"))
    #expect(
      try of("atlas", ["control": "kana", "objective": "entropy"]).contains("objective: labels"))
    #expect(try of("atlas", ["patience": "3"]).contains("needs a validation share"))
    #expect(try of("expert_merging", ["blocks": "'1,x'"]).contains("whole numbers separated"))
    #expect(try of("expert_merging", ["blocks": "'0,6'"]).contains("from 0 to 5"))
    #expect(try of("expert_merging", ["exclude": "'.,embed'"]).contains("are excluded"))
    #expect(try of("expert_merging", ["init": "0"]).contains("both excluded"))
    #expect(try of("self_positioning", [:], 1).contains("self_positioning"))
    #expect(try of("map", ["evaluations": "5"]).contains("at least 6"))
    #expect(try of("map", ["preference": "0"]).contains("above 0 for at least one"))
    #expect(try of("map", ["lower": "2"]).contains("lower must be below upper"))
    #expect(try of("map", ["nested": "never", "evaluations": "14"], 4).contains("at least 15"))
  }

  @Test("Methods with labels need a column of labels")
  func missingLabels() throws {
    let vision = try VisionFixture()
    defer { vision.remove() }
    let suite = """
      name: unlabelled
      network: {kind: vision_transformer, image_size: 28, num_channels: 1, patch_size: 7, hidden_size: 128,
        num_hidden_layers: 6, num_attention_heads: 4, intermediate_size: 512, layer_norm_eps: 1.0e-6,
        hidden_act: gelu, pooling: mean, patch_module: patch_embed}
      input: {range: 255, mean: 0.25, std: 0.35}
      defaults:
        data: {file: \(VisionFixture.folder)/test.safetensors, inputs: "{task}.images", targets: "{task}.answers"}
        head: {file: \(VisionFixture.folder)/heads.safetensors, weight: "{task}.weight", bias: "{task}.bias"}
        metric: accuracy
      tasks: [mnist, style]
      """
    let path = vision.scratch.appending("suite.yaml").string
    try suite.write(toFile: path, atomically: true, encoding: .utf8)
    for method in ["supermerge", "atlas", "self_positioning", "fw_merging", "map"] {
      #expect(
        try fault(method, data: "suite: \(path), tasks: [mnist, style]").contains("mnist.answers"))
    }
    // Without labels nothing is asked for.
    for method in ["expert_merging", "adamerging"] {
      let recipe = try vision.recipe(
        method, ["mnist", "style"], data: "suite: \(path), tasks: [mnist, style]")
      #expect(try vision.plan(recipe).steps.count > 0)
    }
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

  @Test("No step stands before or after a learned method, which is said with the line of the step")
  func steps() throws {
    let text = """
      merge_method: tinting
      base_model: a
      models: [{model: b}]
      data: {suite: suite.yaml}
      postprocess: [lines]
      """
    let recipe = try #require(try RecipeParser.parse(text, file: "r.yaml").first)
    let error = #expect(throws: TinctureError.self) {
      try Planner.check(recipe, methods: AllMethods.all, filters: FilterRegistry.all)
    }
    #expect(error?.message.contains("learns from whole models") == true)
    #expect(error?.place.line == 5)
  }
}
