import ArgumentParser
import SystemPackage
import Tincture

struct ExtractCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "extract",
    abstract: "Write the model of one task as a plain checkpoint.",
    discussion: """
      Some methods leave parts for single tasks beside the merged model: heads, tinted \
      layers. The plain checkpoint has the task's own tensors in place of the shared \
      ones, and its head under the name that the suite has for it. Recipes take the \
      model of a task as MODEL#TASK; experts of banks are extracted by `bank extract`.

      EXAMPLE
        tincture extract merged --task mnist --output merged-mnist
      """)

  @Argument(help: "The directory of a merged model.")
  var model: String

  @Option(help: "The task.")
  var task: String

  @Option(name: .shortAndLong, help: "The directory, or a file that ends in .safetensors.")
  var output: String

  @Flag(help: "Replace an output that exists.")
  var force = false

  @OptionGroup(title: "Resources") var resources: ResourceOptions
  @OptionGroup(title: "Display") var display: DisplayOptions

  func run() async throws {
    try await Console.reporting { () async throws(TinctureError) in
      Signals.install()
      let conversion = ModelConversion(
        model: "\(model)#\(task)", output: FilePath(output), settings: PlanSettings(),
        engine: resources.engine, replaces: force)
      try await conversion.run(display)
    }
  }
}
