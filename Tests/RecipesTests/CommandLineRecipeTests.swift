import Testing
import TinctureMerging
import TinctureRecipes
import TinctureTensors

@Suite("Recipes given as options")
struct CommandLineRecipeTests {
  private func recipe(_ options: CommandLineRecipe) throws(TinctureError) -> Recipe {
    try Recipe(options, exists: { _ in false })
  }

  @Test("Options give the same recipe as a file")
  func options() throws {
    let recipe = try recipe(
      CommandLineRecipe(
        method: "ties", base: "B", models: ["A", "C+lora"],
        settings: ["density=0.3", "weight=1,0.5", "t=[0,1],{filter: mlp, value: [1, 0]}"],
        dtype: "bf16", outputDtype: "float16", tokenizerSource: "union", preset: "paper", seed: 7))
    #expect(recipe.method.value == "ties")
    #expect(recipe.base?.reference.path == "B")
    #expect(recipe.parameters["density"]?.setting == .value(.number(0.3)))
    #expect(recipe.dtype?.value == .bf16)
    #expect(recipe.outputDtype?.value == .f16)
    #expect(recipe.tokenizer?.source == .union)
    #expect(recipe.preset?.value == "paper")
    #expect(recipe.seed?.value == 7)
    guard case .models(let models) = recipe.inputs else { return }
    #expect(models.map(\.reference.description) == ["A", "C+lora"])
    #expect(
      models.map { $0.parameters["weight"]?.setting } == [.value(.number(1)), .value(.number(0.5))])
    #expect(models[0].parameters["t"]?.setting == .gradient([.number(0), .number(1)]))
    #expect(
      models[1].parameters["t"]?.setting.evaluate(name: "mlp", layer: nil, depth: 0) == .number(1))
    #expect(recipe.referencedModels.map(\.path) == ["B", "A", "C"])
  }

  @Test("One file of statistics is for all models, as many as models are for one each")
  func statistics() throws {
    let all = try recipe(
      CommandLineRecipe(method: "fisher", models: ["A", "B"], statistics: ["s"]))
    #expect(all.statistics?.value == "s")
    let each = try recipe(
      CommandLineRecipe(method: "fisher", models: ["A", "B"], statistics: ["s", "t"]))
    #expect(each.statistics == nil)
    guard case .models(let models) = each.inputs else { return }
    #expect(models.map { $0.statistics?.value } == ["s", "t"])
    #expect(models[1].statistics?.position.line == 5)
  }

  @Test("An error about a value shows the option that holds it")
  func snippet() throws {
    let recipe = try recipe(
      CommandLineRecipe(method: "ties", models: ["A", "B"], settings: ["density=1,30"]))
    guard case .models(let models) = recipe.inputs else { return }
    let position = try #require(models[1].parameters["density"]).settingPosition
    let error = recipe.error(at: position, "The density must be at most 1.")
    #expect(error.code == .usage)
    #expect(error.place == .init(file: "command line"))
    #expect(error.snippet == "--set density=1,30\n                ^")
  }

  @Test("A value of several lines does not shift the lines of later options")
  func severalLines() throws {
    let caught = #expect(throws: TinctureError.self) {
      try recipe(
        CommandLineRecipe(method: "m", base: "a\nb", models: ["c", "d@"], settings: ["x=1"]))
    }
    #expect(caught?.snippet?.hasPrefix("--model d@\n") == true)
  }

  @Test(
    "Malformed options are refused in words",
    arguments: [
      (CommandLineRecipe(method: "m", models: []), "nothing to merge"),
      (CommandLineRecipe(method: "", models: ["a"]), "method is empty"),
      (CommandLineRecipe(method: "m", models: ["a", "a"]), "given twice"),
      (CommandLineRecipe(method: "m", models: ["a@"]), "revision after"),
      (CommandLineRecipe(method: "m", models: ["a"], settings: ["x"]), "KEY=VALUE"),
      (CommandLineRecipe(method: "m", models: ["a"], settings: ["=1"]), "KEY=VALUE"),
      (CommandLineRecipe(method: "m", models: ["a"], settings: ["x="]), "has no value"),
      (CommandLineRecipe(method: "m", models: ["a"], settings: ["x=[1"]), "'x'"),
      (CommandLineRecipe(method: "m", models: ["a"], settings: ["x=.inf"]), "finite"),
      (CommandLineRecipe(method: "m", models: ["a"], settings: ["x=1\n2"]), "KEY=VALUE"),
      (
        CommandLineRecipe(method: "m", models: ["a", "b"], settings: ["x=1,2,3"]), "3 values for 2"
      ),
      (CommandLineRecipe(method: "m", models: ["a"], settings: ["x=1", "x=2"]), "set twice"),
      (CommandLineRecipe(method: "m", models: ["a"], dtype: "bfloat61"), "'bfloat16'"),
      (CommandLineRecipe(method: "m", models: ["a"], seed: -1), "at least 0"),
    ])
  func refused(options: CommandLineRecipe, fragment: String) {
    let error = #expect(throws: TinctureError.self) { try recipe(options) }
    #expect(error?.message.contains(fragment) == true, "\(error?.message ?? "")")
    #expect(error?.code == .usage)
    #expect(error?.snippet != nil)
  }
}
