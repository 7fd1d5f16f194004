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
      model of a task as MODEL#TASK; experts of banks are extracted by `bank extract`. \
      Of models with masks for each task (emr, tall_masks, flexmerge) the plain checkpoint \
      is the base with what the task's mask leaves of the change.

      Models that mix experts into their tensors for every input (twin_merging, we_moe) \
      have plain checkpoints, too: of twin_merging the shared expert with the whole \
      exclusive expert of the task. we_moe has none, since every perceptron is mixed \
      anew; with --mean each tensor is mixed as the task's examples were on average.

      EXAMPLE
        tincture extract merged --task mnist --output merged-mnist
      """)

  @Argument(help: "The directory of a merged model.")
  var model: String

  @Option(help: "The task.")
  var task: String

  @Flag(help: "Mix as the task's examples were mixed on average; MODEL#TASK:mean in recipes.")
  var mean = false

  @Option(name: .shortAndLong, help: "The directory, or a file that ends in .safetensors.")
  var output: String

  @Flag(help: "Replace an output that exists.")
  var force = false

  @OptionGroup(title: "Resources") var resources: ResourceOptions
  @OptionGroup(title: "Display") var display: DisplayOptions

  func run() async throws {
    try await Console.reporting { () async throws(TinctureError) in
      Signals.install()
      let path = FilePath(model)
      if FileKind(of: path) == .file, (try? ExpertBank(opening: path)) == nil {
        throw TinctureError(
          .usage,
          "This is a file; models of single tasks are taken out of the directory of a merge, and experts of a"
            + " bank by: tincture bank extract.", at: .init(file: model))
      }
      let conversion = ModelConversion(
        model: "\(model)#\(task)\(mean ? Mixture.meanSuffix : "")", output: FilePath(output),
        settings: PlanSettings(),
        engine: resources.engine, replaces: force)
      try await conversion.run(display)
    }
  }
}
