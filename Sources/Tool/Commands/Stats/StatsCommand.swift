import ArgumentParser
import Tincture
import TinctureFitting

struct StatsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "stats",
    abstract: "Measure models on examples: what merging by statistics needs.",
    discussion: """
      Each expert of a suite runs on its task's examples, and one file for each is \
      written, which a recipe names by `statistics:` beside the model. Labels are \
      never read.

      EXAMPLE
        tincture stats gram Examples/Vision/suite.yaml \
      --data Examples/Vision/calibration.safetensors --output grams
        tincture stats fisher Examples/Vision/suite.yaml --task mnist --output fishers
      """,
    subcommands: [
      StatsGramCommand.self, StatsMergedGramCommand.self, StatsFisherCommand.self,
    ])
}

struct StatsGramCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "gram",
    abstract: "Collect Gram matrices of the inputs of layers, for regmean and lot.",
    discussion: """
      A file has the mean of XᵀX over all rows of inputs for each linear layer and \
      convolution, and the mean square of the normalised input for the factors of \
      each normalisation. Tokens of padding do not count.

      EXAMPLE
        tincture stats gram Examples/Vision/suite.yaml \
      --data Examples/Vision/calibration.safetensors --output grams
        tincture merge --method regmean --model a --model b --statistics grams/a.safetensors \
      --statistics grams/b.safetensors merged
      """)

  @OptionGroup var options: StatsOptions
  @OptionGroup(title: "Engines") var engines: EngineOptions
  @OptionGroup(title: "Computation") var computation: ComputationOptions
  @OptionGroup(title: "Display") var display: DisplayOptions

  func run() async throws {
    try await Console.reporting { () async throws(TinctureError) in
      try StatsRun(options, engines, computation, display).collect(.gram)
    }
  }
}

struct StatsMergedGramCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "merged-gram",
    abstract: "Collect Gram matrices behind merged layers, for regmean_plus_plus.",
    discussion: """
      Layers are merged one after another, and each is measured by what the merged \
      layers before it put out. All experts of a merge are measured together; the \
      recipe has the same models and the same reduce_non_diagonal_ratio.

      EXAMPLE
        tincture stats merged-gram Examples/Vision/suite.yaml \
      --data Examples/Vision/calibration.safetensors --output grams
      """)

  @OptionGroup var options: StatsOptions

  @Option(help: "The reduce_non_diagonal_ratio of the merge.")
  var ratio = 0.95

  @OptionGroup(title: "Engines") var engines: EngineOptions
  @OptionGroup(title: "Computation") var computation: ComputationOptions
  @OptionGroup(title: "Display") var display: DisplayOptions

  func validate() throws {
    if !(0...1).contains(ratio) { throw ValidationError("--ratio must be between 0 and 1.") }
  }

  func run() async throws {
    try await Console.reporting { () async throws(TinctureError) in
      try StatsRun(options, engines, computation, display).collectMerged(ratio: ratio)
    }
  }
}

struct StatsFisherCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "fisher",
    abstract: "Collect the diagonal of the Fisher information, for fisher.",
    discussion: """
      exact is the definition: a backward pass for each example and class. sampled \
      draws labels from what the model says. batch is FusionBench's recipe, which squares \
      the derivative of whole batches. texts is for language models: the texts \
      themselves.

      EXAMPLE
        tincture stats fisher Examples/Vision/suite.yaml \
      --data Examples/Vision/calibration.safetensors --output fishers
        tincture stats fisher suite.yaml --variant sampled --draws 4 --output fishers
      """)

  enum Variant: String, CaseIterable, ExpressibleByArgument {
    case exact
    case sampled
    case batch
    case texts
  }

  @OptionGroup var options: StatsOptions

  @Option(help: "How it is estimated.")
  var variant = Variant.exact

  @Option(help: "Labels drawn for each example, with --variant sampled. (default: 1)")
  var draws: Int?

  @OptionGroup(title: "Engines") var engines: EngineOptions
  @OptionGroup(title: "Computation") var computation: ComputationOptions
  @OptionGroup(title: "Display") var display: DisplayOptions

  func validate() throws {
    guard let draws else { return }
    if variant != .sampled { throw ValidationError("--draws needs --variant sampled.") }
    if draws < 1 { throw ValidationError("--draws must be at least 1.") }
  }

  func run() async throws {
    try await Console.reporting { () async throws(TinctureError) in
      let measured: FisherVariant =
        switch variant {
        case .exact: .exact
        case .sampled: .sampled(draws: draws ?? 1)
        case .batch: .batch
        case .texts: .texts
        }
      try StatsRun(options, engines, computation, display).collect(.fisher(measured))
    }
  }
}
