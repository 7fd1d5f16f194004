import ArgumentParser
import SystemPackage
import Tincture

struct MergeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "merge",
    abstract: "Merge models by a recipe.",
    discussion: """
      Recipes are mergekit's YAML with additions. The output is a directory like \
      those of Hugging Face, or a single file when its name ends in .safetensors. \
      Nothing is left behind by a merge that fails.

      EXAMPLE
        tincture merge recipe.yaml merged --memory 2GB
        tincture merge --method linear --model a --model b --set weight=3,1 merged
        tincture merge --append c merged grown
      """)

  @Argument(
    help: "The recipe file (unless --method is given; with --append a merge) and the output.")
  var paths: [String] = []

  @OptionGroup(title: "Recipe Without A File") var recipe: RecipeOptions
  @OptionGroup(title: "Output") var plan: PlanOptions
  @OptionGroup(title: "Resources") var resources: ResourceOptions
  @OptionGroup(title: "Learning") var machine: MachineOptions
  @OptionGroup(title: "Engines") var engines: EngineOptions
  @OptionGroup(title: "Display") var display: DisplayOptions

  @Flag(help: ArgumentHelp("Replace an output that exists.", discussion: ""))
  var force = false

  @Flag(help: "Continue an interrupted merge, and keep what is done when interrupted.")
  var resume = false

  @Option(help: "Where the results of all recipes but the last go (default: OUTPUT-stages).")
  var stages: String?

  // Not `validate()`, which would come before the complaint about an unknown option.
  private func checkPaths() throws {
    if recipe.isUsed {
      guard paths.count == 1 else {
        throw ValidationError(
          "With --method give the output only: tincture merge --method … OUTPUT.")
      }
    } else if !recipe.append.isEmpty {
      guard paths.count == 2 else {
        throw ValidationError(
          "Give the merge and an output: tincture merge --append MODEL MERGE OUTPUT.")
      }
    } else if paths.count != 2 {
      throw ValidationError("Give a recipe and an output: tincture merge RECIPE.yaml OUTPUT.")
    }
  }

  func run() async throws {
    try checkPaths()
    try await Console.reporting { () async throws(TinctureError) in
      Signals.install()
      let recipes = try recipe.recipes(file: paths.first)
      let output = FilePath(paths[paths.count - 1])
      var settings = plan.settings
      try machine.prepare(recipes, &settings, engines)
      let job = MergeJob(
        recipes: recipes, output: output, stageDirectory: stages.map { FilePath($0) },
        settings: settings, engine: resources.engine,
        policy: .init(replace: force, resume: resume))
      let progress = ProgressLine(isQuiet: display.quiet)
      let start = ContinuousClock.now
      let isQuiet = display.quiet
      defer { progress.close() }
      let reports = try await job.run(interruption: Signals.interruption) { _, plan in
        if !isQuiet { for note in plan.notes { Console.remark("note: \(note)") } }
        for remark in AttentionCheck.remarks(on: plan) { Console.remark("warning: \(remark)") }
      } observer: {
        progress.hear($0)
      }
      progress.close()
      show(reports, output, seconds: (ContinuousClock.now - start) / .seconds(1))
    }
  }

  private func show(_ reports: [MergeReport], _ output: FilePath, seconds: Double) {
    guard let last = reports.last else { return }
    let taskBytes = Self.taskBytes(in: output)
    if display.json {
      let document = JSONValue.object(
        JSONObject([
          ("output", .string(output.string)),
          ("steps", .integer(last.steps)),
          ("resumed_steps", .integer(last.resumedSteps)),
          ("input_bytes", .integer(last.inputBytes)),
          ("output_bytes", .integer(last.outputBytes)),
          ("task_bytes", .integer(taskBytes)),
          ("peak_bytes", .integer(last.peakBytes)),
          ("seconds", .number(ByteSize.decimal(seconds, 3))),
        ]))
      Console.result(document.text())
    } else {
      let tasks = taskBytes > 0 ? ", and \(ByteSize.text(taskBytes)) for single tasks," : ""
      Console.result(
        "\(output): \(ByteSize.text(last.outputBytes))\(tasks) in \(ByteSize.decimal(seconds, 1)) s"
      )
    }
  }

  /// The size of the files for single tasks beside a merged model.
  private static func taskBytes(in output: FilePath) -> Int {
    [TaskParts.fileName, Mixture.fileName, TaskMasks.fileName].reduce(0) { sum, name in
      sum + ((try? InputFile(opening: output.appending(name)))?.size ?? 0)
    }
  }
}
