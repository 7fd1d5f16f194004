import ArgumentParser
import SystemPackage
import Tincture

struct PlanCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plan",
    abstract: "Show what a merge would do, without doing it.",
    discussion: """
      Checks everything that merge checks before it reads tensors.

      EXAMPLE
        tincture plan recipe.yaml --tensors
      """)

  @Argument(help: "The recipe file (unless --method is given; with --append a merge).")
  var file: String?

  @OptionGroup(title: "Recipe Without A File") var recipe: RecipeOptions
  @OptionGroup(title: "Output") var plan: PlanOptions
  @OptionGroup(title: "Resources") var resources: ResourceOptions
  @OptionGroup(title: "Learning") var machine: MachineOptions
  @OptionGroup(title: "Engines") var engines: EngineOptions
  @OptionGroup(title: "Display") var display: DisplayOptions

  @Flag(help: "List every tensor with its sources and parameters.")
  var tensors = false

  func run() async throws {
    guard recipe.isUsed == (file == nil) else {
      throw ValidationError("Give a recipe file or --method.")
    }
    try await Console.reporting { () async throws(TinctureError) in
      let recipes = try recipe.recipes(file: file)
      let engine = resources.engine
      var settings = plan.settings
      try machine.prepare(recipes, &settings, engines)
      let job = MergeJob(
        recipes: recipes, output: FilePath("output"), settings: settings, engine: engine)
      if recipes.count > 1 {
        let names = recipes.map { $0.name?.value ?? "(unnamed)" }.joined(separator: ", ")
        Console.remark(
          "note: \(recipes.count) recipes run in this order: \(names); the first is shown.")
      }
      let plan = try job.plan(0)
      for remark in AttentionCheck.remarks(on: plan) { Console.remark("warning: \(remark)") }
      let view = PlanView(plan, engine: engine)
      Console.result(display.json ? view.json.text() : view.text(withTensors: tensors))
    }
  }
}
