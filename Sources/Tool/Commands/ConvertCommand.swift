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
      let type = dtype.flatMap { DType(recipeName: $0) }
      if let dtype, type?.isArithmetic != true {
        throw TinctureError(
          .usage, "--dtype \(dtype) is no floating-point type; choose float32, float16 or bfloat16."
        )
      }
      try await ModelConversion(
        model: model, output: FilePath(output), settings: PlanSettings(shardSize: shardSize.bytes),
        engine: resources.engine, replaces: force, dtype: type
      ).run(display)
    }
  }
}
