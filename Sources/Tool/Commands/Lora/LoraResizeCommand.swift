import ArgumentParser
import Tincture

struct LoraResizeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "resize",
    abstract: "Give an adapter other ranks.",
    discussion: """
      The largest singular values of each change stay. They come from the factors \
      alone; a rank at least as large as before loses nothing.

      EXAMPLE
        tincture lora resize cars-lora --rank 8 -o small-lora
        tincture lora resize cars-lora --budget 10MB -o small-lora --dtype bfloat16
      """)

  @Argument(help: "The adapter.")
  var adapter: String

  @OptionGroup(title: "Rank") var rank: RankOptions
  @OptionGroup(title: "Output") var output: AdapterOutputOptions
  @OptionGroup(title: "Resources") var resources: ResourceOptions
  @OptionGroup(title: "Display") var display: DisplayOptions

  func run() async throws {
    try await Console.reporting { () async throws(TinctureError) in
      Signals.install()
      let resizing = AdapterResizing(
        try Adapter(opening: adapter), to: try rank.rule(), dtype: try output.type())
      try await output.run(resources, display, comparedTo: .change) {
        (job) async throws(TinctureError) in
        try await resizing.run(job)
      }
    }
  }
}
