import ArgumentParser
import Tincture

struct LoraExtractCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "extract",
    abstract: "Make an adapter of the difference between two models.",
    discussion: """
      The largest singular values of each weight's difference become the factors. The \
      table says what each layer lost. Embeddings, heads, norms and whatever else is no \
      weight of a layer are listed when they differ.

      EXAMPLE
        tincture lora extract --base base --model cars --rank 16 -o cars-lora
        tincture lora extract --base base --model cars --budget 50MB --save-others -o cars-lora
      """)

  @Option(help: "The base.")
  var base: String

  @Option(help: "The fine-tuned model; an expert of a bank is one, too.")
  var model: String

  @OptionGroup(title: "Rank") var rank: RankOptions
  @OptionGroup(title: "Output") var output: AdapterOutputOptions
  @OptionGroup(title: "Resources") var resources: ResourceOptions
  @OptionGroup(title: "Display") var display: DisplayOptions

  @Flag(help: "Factor embeddings and heads, too.")
  var factorVocabulary = false

  @Flag(
    help:
      "Store tensors whole that differ and have no factors (modules_to_save), and changed biases of layers."
  )
  var saveOthers = false

  @Option(
    help: ArgumentHelp(
      "Only tensors in whose name this regular expression is found; may be repeated.",
      valueName: "regex"))
  var include: [String] = []

  @Option(
    help: ArgumentHelp(
      "No tensors in whose name this regular expression is found; may be repeated.",
      valueName: "regex"))
  var exclude: [String] = []

  func run() async throws {
    try await Console.reporting { () async throws(TinctureError) in
      Signals.install()
      let locator = ModelLocator()
      let first = try ModelInput(opening: ModelReference(parsing: base), locator: locator)
      let second = try ModelInput(
        opening: ModelReference(parsing: model), locator: locator, base: first)
      var extraction = AdapterExtraction(base: first, model: second, to: try rank.rule())
      extraction.dtype = try output.type()
      extraction.factorsVocabulary = factorVocabulary
      extraction.savesOthers = saveOthers
      try extraction.limit(to: include, without: exclude)
      let ready = extraction
      try await output.run(resources, display, comparedTo: .change) {
        (job) async throws(TinctureError) in
        try await ready.run(job)
      }
    }
  }
}
