import ArgumentParser
import SystemPackage
import Tincture

struct ConvertCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "convert",
    abstract: "Rewrite a model: other type, other shards, PyTorch files to safetensors.",
    discussion: """
      No code in PyTorch files is ever run.

      EXAMPLE
        tincture convert pytorch_model.bin model.safetensors
        tincture convert model model-bf16 --dtype bfloat16 --shard-size 2GB
      """)

  @Argument(help: "The model.")
  var model: String

  @Argument(help: "The output directory, or a file when its name ends in .safetensors.")
  var output: String

  @Option(help: "The type of floating-point tensors; integers stay as they are.")
  var dtype: String?

  @Option(help: "The most bytes of tensors in an output file.")
  var shardSize = ByteSize(5_000_000_000)

  @OptionGroup(title: "Resources") var resources: ResourceOptions
  @OptionGroup(title: "Display") var display: DisplayOptions

  @Flag(help: "Replace an output that exists.")
  var force = false

  func run() async throws {
    try await Console.reporting { () async throws(TinctureError) in
      Signals.install()
      if let dtype, DType(recipeName: dtype)?.isArithmetic != true {
        throw TinctureError(
          .usage, "--dtype \(dtype) is no floating-point type; choose float32, float16 or bfloat16."
        )
      }
      var recipe = try Recipe(
        CommandLineRecipe(method: "passthrough", base: nil, models: [model], settings: []))
      if let dtype, let type = DType(recipeName: dtype) {
        recipe.outputDtype = Located(type, at: recipe.method.position)
      }
      let target = FilePath(output)
      let job = MergeJob(
        recipes: [recipe], output: target,
        settings: PlanSettings(
          shardSize: shardSize.bytes, nonFinite: .propagate, isConversion: true),
        engine: resources.engine, policy: .init(replace: force))
      let progress = ProgressLine(isQuiet: display.quiet)
      defer { progress.close() }
      let reports = try await job.run(
        interruption: Signals.interruption, observer: { progress.hear($0) })
      progress.close()
      let bytes = reports.last?.outputBytes ?? 0
      if display.json {
        let document = JSONObject([
          ("output", .string(target.string)), ("output_bytes", .integer(bytes)),
        ])
        Console.result(JSONValue.object(document).text())
      } else {
        Console.result("\(target): \(ByteSize.text(bytes))")
      }
    }
  }
}
