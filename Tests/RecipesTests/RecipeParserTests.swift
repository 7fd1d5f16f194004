import Testing
import TinctureMerging
import TinctureRecipes
import TinctureTensors

@Suite("Recipes in YAML")
struct RecipeParserTests {
  @Test("Recipes of the shapes that mergekit shows are accepted", arguments: Fixture.names)
  func accepted(name: String) throws {
    let recipes = try RecipeParser.parse(
      try Fixture.text(name), file: name, exists: { _ in false })
    #expect(!recipes.isEmpty)
  }

  @Test("Models keep their order, their parameters and their places")
  func models() throws {
    let recipe = try Fixture.recipe("linear")
    #expect(recipe.method == Located("linear", at: SourcePosition(line: 11, column: 15)))
    #expect(recipe.dtype?.value == .f16)
    #expect(recipe.base == nil)
    guard case .models(let models) = recipe.inputs else {
      Issue.record("These are whole models.")
      return
    }
    #expect(
      models.map(\.reference.path) == ["acme/writer-13b", "acme/coder-13b", "acme/solver-13b"])
    #expect(
      models.map { $0.parameters["weight"]?.setting.writtenValues } == [
        [.number(1)], [.number(0.3)], [.number(0.5)],
      ])
    #expect(models[1].position == SourcePosition(line: 5, column: 12))
    let weight = try #require(models[1].parameters["weight"])
    #expect(weight.position == SourcePosition(line: 7, column: 7))
    #expect(weight.settingPosition == SourcePosition(line: 7, column: 15))
  }

  @Test("Steps before and after the method keep their order, their parameters and their places")
  func steps() throws {
    let text = """
      merge_method: ties
      base_model: b
      models: [{model: a}]
      preprocess:
        - dare
        - trim: {density: [0.2, 0.4], selection: exact}
        - elect:
      postprocess: [{lines: {beta: 0.5}}]
      """
    let recipe = try #require(
      try RecipeParser.parse(text, file: "recipe.yaml", exists: { _ in false }).first)
    #expect(recipe.preprocess.map(\.name.value) == ["dare", "trim", "elect"])
    #expect(recipe.preprocess[1].name.position == SourcePosition(line: 6, column: 5))
    #expect(
      recipe.preprocess[1].parameters["density"]?.setting
        == .gradient([.number(0.2), .number(0.4)]))
    #expect(recipe.preprocess[2].parameters.entries.isEmpty)
    #expect(
      recipe.postprocess.first?.parameters["beta"]?.settingPosition
        == SourcePosition(line: 8, column: 30))
    let options = CommandLineRecipe(
      method: "ties", base: "b", models: ["a"], preprocess: ["dare", "trim: {density: 0.2}"])
    let given = try Recipe(options, exists: { _ in false })
    #expect(given.preprocess.map(\.name.value) == ["dare", "trim"])
    #expect(
      given.preprocess[1].parameters["density"]?.settingPosition
        == SourcePosition(line: 5, column: 30))
  }

  @Test("Statistics stand beside models, sources of slices, or for all")
  func statistics() throws {
    func recipe(_ text: String) throws -> Recipe {
      try #require(try RecipeParser.parse(text, file: "recipe.yaml", exists: { _ in false }).first)
    }
    let models = try recipe(
      "merge_method: fisher\nstatistics: all.st\nmodels:\n  - model: a\n    statistics: own.st\n  - model: b\n"
    )
    #expect(models.statistics == Located("all.st", at: SourcePosition(line: 2, column: 13)))
    #expect(models.statistics(of: ModelReference(path: "a")).map(\.value) == ["own.st"])
    #expect(models.statistics(of: ModelReference(path: "b")).isEmpty)
    let slices = try recipe(
      "merge_method: fisher\nslices: [{sources: [{model: a, layer_range: [0, 2], statistics: s}]}]\n"
    )
    #expect(slices.statistics(of: ModelReference(path: "a")).map(\.value) == ["s"])
    let error = #expect(throws: TinctureError.self) {
      try recipe("merge_method: fisher\nstatistics: [a]\nmodels: [{model: a}]\n")
    }
    #expect(error?.place.line == 2)
  }

  @Test("Slices keep their sources and ranges of layers")
  func slices() throws {
    guard case .slices(let slices) = try Fixture.recipe("stacked").inputs else {
      Issue.record("These are slices.")
      return
    }
    #expect(slices.map { $0.sources.map(\.layers) } == [[0..<24], [20..<40]])
    #expect(slices.map(\.layerCount) == [24, 20])
    #expect(slices[1].sources[0].layersPosition == SourcePosition(line: 7, column: 20))
  }

  @Test("Modules hold models or slices of their own")
  func modules() throws {
    let recipe = try Fixture.recipe("modules")
    guard case .modules(let modules) = recipe.inputs, modules.count == 2,
      case .models(let models) = modules[0].inputs, case .slices(let slices) = modules[1].inputs
    else {
      Issue.record("There is a module of models and one of slices.")
      return
    }
    #expect(modules.map(\.name) == ["text_decoder", "vision_tower"])
    #expect(models.count == 2)
    #expect(slices[0].residualWeight?.value == 1)
    #expect(slices[0].base?.reference.path == "acme/seer-b")
    #expect(recipe.tokenizer?.source == .base)
    #expect(recipe.mergedModels.map(\.path) == ["acme/seer-a", "acme/seer-b"])
  }

  @Test("The tokenizer section keeps every rule of a token")
  func tokenizer() throws {
    let recipe = try Fixture.recipe("tokenizer")
    let tokenizer = try #require(recipe.tokenizer)
    let chat = try reference("acme/chat-8b")
    #expect(tokenizer.source == .union)
    #expect(tokenizer.padToMultipleOf == 64)
    #expect(
      tokenizer.rules.map(\.token) == [
        "<|im_start|>", "<|eot_id|>", "<|renamed|>", "<|numbered|>", "<|unused|>",
      ])
    #expect(
      tokenizer.rules.map(\.source) == [
        .model(try reference("chatml_model")), .model(try reference("acme/instruct-8b")),
        .token("<|original|>", of: chat), .tokenID(1234, of: chat), .zero,
      ])
    #expect(tokenizer.rules.map(\.isForced) == [false, true, false, false, false])
    #expect(recipe.outputDtype?.value == .f32)
    #expect(recipe.chatTemplate?.value.hasPrefix("{% for") == true)
    guard case .models(let models) = recipe.inputs else { return }
    #expect(models[0].reference.adapter == .init(path: "acme/adapter", revision: "v2"))
    #expect(
      models[1].reference
        == ModelReference(
          path: "acme/chat-8b", revision: "main", overrideArchitecture: "LlamaForCausalLM"))
  }

  @Test("Expressions, layers, kept tensors, preset and seed go beyond mergekit")
  func extended() throws {
    let recipe = try Fixture.recipe("extended")
    #expect(recipe.preset?.value == "paper")
    #expect(recipe.seed?.value == 42)
    #expect(recipe.keep.map(\.reference?.expert) == [nil, "cars"])
    #expect(recipe.keep[1].selector.matches(name: "model.layers.1.norm", layer: 1))
    #expect(!recipe.keep[1].selector.matches(name: "model.layers.2.norm", layer: 2))
    let density = try #require(recipe.parameters["density"]).setting
    func value(_ name: String, _ layer: Int, _ depth: Double) -> ParameterValue? {
      density.evaluate(name: name, layer: layer, depth: depth)
    }
    #expect(value("layers.31.mlp.up", 31, 1) == .number(1))
    #expect(value("layers.5.mlp.up", 5, 0.5) == .number(0.5))
    #expect(value("layers.9.mlp.up", 9, 0.5) == .number(0.9))
    #expect(value("layers.8.mlp.up", 8, 0.5) == .number(0.1))
    #expect(recipe.parameters["sign"]?.setting == .value(.text("sum")))
  }

  @Test("Models are listed in the order in which they are first named")
  func references() throws {
    #expect(
      try Fixture.recipe("ties").referencedModels.map(\.path)
        == ["acme/writer-13b", "acme/coder-13b", "acme/solver-13b", "acme/base-13b"])
    let tokenizer = try Fixture.recipe("tokenizer")
    #expect(
      tokenizer.mergedModels.map(\.description)
        == ["acme/base-8b", "acme/instruct-8b+acme/adapter@v2", "acme/chat-8b@main"])
    #expect(
      tokenizer.referencedModels.dropFirst(3).map(\.description)
        == ["chatml_model", "acme/instruct-8b", "acme/chat-8b"])
  }

  @Test(
    "Scalars mean what PyYAML and mergekit make of them",
    arguments: [
      ("1", .number(1)), ("-0.5", .number(-0.5)), ("1e-5", .number(1e-5)), ("+2", .number(2)),
      (".5", .number(0.5)), ("1.", .number(1)), ("1.e+2", .number(100)), ("1_000", .number(1000)),
      ("0x1F", .number(31)), ("010", .number(8)), ("'0.25'", .number(0.25)), ("yes", .bool(true)),
      ("Off", .bool(false)), ("TRUE", .bool(true)), ("\"yes\"", .text("yes")), ("y", .text("y")),
      ("sum", .text("sum")), ("!!str on", .text("on")), ("1-2", .text("1-2")), ("0b11", .number(3)),
    ] as [(String, ParameterValue)])
  func scalars(text: String, value: ParameterValue) throws {
    let recipe = try parseOne(
      "merge_method: m\nmodels: [{model: a}]\nparameters:\n  p: \(text)\n")
    #expect(recipe.parameters["p"]?.setting == .value(value))
  }

  @Test("Anchors, aliases and merge keys are resolved, nearer keys winning")
  func anchors() throws {
    let recipe = try parseOne(
      """
      merge_method: ties
      models:
        - model: a
          parameters: &first {density: 0.5, weight: 1}
        - model: b
          parameters: *first
        - model: c
          parameters:
            <<: *first
            weight: 2
      """)
    guard case .models(let models) = recipe.inputs else { return }
    #expect(models[1].parameters == models[0].parameters)
    #expect(models[2].parameters["weight"]?.setting == .value(.number(2)))
    #expect(models[2].parameters["density"]?.setting == .value(.number(0.5)))
  }

  @Test("Keys without a value count as absent")
  func absent() throws {
    let recipe = try parseOne(
      "merge_method: m\nmodels: [{model: a, parameters: }]\nslices: ~\nbase_model: null\nkeep:\n")
    #expect(recipe.base == nil)
    #expect(recipe.keep.isEmpty)
  }

  @Test("A byte order mark and foreign line ends change nothing")
  func lineEnds() throws {
    let recipe = try parseOne("\u{FEFF}merge_method: m\r\nmodels:\r\n- model: a\r\n")
    #expect(recipe.method.position == SourcePosition(line: 1, column: 15))
    guard case .models(let models) = recipe.inputs else { return }
    #expect(models[0].position == SourcePosition(line: 3, column: 10))
  }

  @Test("An error about a place shows the line with a marker below the column")
  func snippet() throws {
    let recipe = try Fixture.recipe("linear")
    let error = recipe.error(at: recipe.method.position, "Unknown method.")
    #expect(error.place == .init(file: "linear.yml", line: 11, column: 15))
    #expect(error.snippet == "merge_method: linear\n              ^")
    #expect(error.code == .recipe)
  }

  @Test("A long line is cut around the place")
  func longLine() {
    let text = String(repeating: "a", count: 500) + "b" + String(repeating: "c", count: 500)
    let source = RecipeSource(name: "x", text: text)
    let lines = source.snippet(at: SourcePosition(line: 1, column: 501))?.split(separator: "\n")
    #expect(lines?.count == 2)
    #expect((lines?.first?.count ?? .max) <= 98)
    let column = lines?.last?.count ?? 0
    #expect(lines?.first?.dropFirst(column - 1).first == "b")
  }
}
