import ArgumentParser
import SystemPackage
import Tincture

struct LoraFoldCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "fold",
    abstract: "Make an ordinary model of a base and adapters.",
    discussion: """
      Adapters are folded in one after another: W + w s B A, and for a DoRA its rows \
      stretched to their lengths. Sums are in single precision and rounded once. A \
      weight of -1 takes a plain adapter out again.

      EXAMPLE
        tincture lora fold base cars-lora -o cars
        tincture lora fold base cars-lora sun-lora --weights 0.5,0.3 -o both --dtype bfloat16
      """)

  @Argument(help: "The base.")
  var base: String

  @Argument(help: "The adapters.")
  var adapters: [String]

  @Option(
    parsing: .unconditional,
    help: "What the changes are multiplied by: a number for each adapter, or one for all.")
  var weights = NumberList([1])

  @Option(
    name: .shortAndLong, help: "The output directory, or a file when its name ends in .safetensors."
  )
  var output: String

  @Option(help: "The type of floating-point tensors (default: the base's).")
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
      let factors = try weights.spread(over: adapters.count, "adapters")
      var folded: [ModelReference.Adapter] = []
      for (text, weight) in zip(adapters, factors) {
        let reference = try ModelReference(parsing: text)
        guard reference.expert == nil, reference.adapters.isEmpty else {
          throw TinctureError(.usage, "\(text) names more than an adapter.")
        }
        folded.append(
          .init(path: reference.path, revision: reference.revision, weight: weight))
      }
      try await ModelConversion(
        model: base, output: FilePath(output), settings: PlanSettings(shardSize: shardSize.bytes),
        engine: resources.engine, replaces: force, dtype: type, adapters: folded
      ).run(display)
    }
  }
}
