import ArgumentParser
import SystemPackage
import Tincture

struct BankCreateCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "create",
    abstract: "Make a bank.",
    discussion: """
      An expert is a model or a model with a LoRA adapter, as in cars=base+cars-lora. \
      Weight matrices are coded; other tensors are stored as they are, and tensors \
      that equal the base's take no room.

      EXAMPLE
        tincture bank create --base base --expert cars=cars --expert sun=sun \\
          --codec rtvq --base-bits 3 --offset-bits 2 --output experts.bank
      """)

  @Option(help: "The model that the experts were tuned from.")
  var base: String

  @Option(help: "An expert, as NAME=PATH; may be repeated.")
  var expert: [NamedExpert]

  @OptionGroup(title: "Codec") var codec: CodecOptions

  @Option(help: "The file to be made.")
  var output: String

  @Flag(help: "Replace an output that exists.")
  var force = false

  @Option(help: "Tensors encoded at a time (default: the number of processors).")
  var workers: Int?

  @OptionGroup(title: "Display") var display: DisplayOptions

  func run() async throws {
    try await Console.reporting { () async throws(TinctureError) in
      Signals.install()
      let target = FilePath(output)
      try CheckpointWriter.checkVacant(target, policy: .init(replace: force))
      let inputs = try BankInputs.open(base: base, experts: expert)
      let progress = BankProgress(isQuiet: display.quiet)
      defer { progress.close() }
      let builder = BankProgress.builder(codec.value, workers: workers, progress)
      let bytes = try await builder.create(
        target, base: inputs.base, experts: inputs.experts, replaces: force)
      progress.close()
      try BankSummary.report(target, bytes, display)
    }
  }
}

struct BankAddCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "add",
    abstract: "Store more experts in a bank.",
    discussion: """
      The bytes of the experts that are there already do not change, and at every \
      moment there is either the old bank or the new one. In a bank of codec rtvq new \
      experts are stored as what the shared vector leaves.

      EXAMPLE
        tincture bank add experts.bank --base base --expert dtd=dtd
      """)

  @Argument(help: "The bank.")
  var bank: String

  @Option(help: "The base of the bank.")
  var base: String

  @Option(help: "An expert, as NAME=PATH; may be repeated.")
  var expert: [NamedExpert]

  @OptionGroup(title: "Codec") var codec: CodecOptions

  @Option(help: "Tensors encoded at a time (default: the number of processors).")
  var workers: Int?

  @OptionGroup(title: "Display") var display: DisplayOptions

  func run() async throws {
    try await Console.reporting { () async throws(TinctureError) in
      Signals.install()
      let inputs = try BankInputs.open(base: base, experts: expert)
      let progress = BankProgress(isQuiet: display.quiet)
      defer { progress.close() }
      let builder = BankProgress.builder(codec.value, workers: workers, progress)
      let path = FilePath(bank)
      let bytes = try await builder.add(to: path, base: inputs.base, experts: inputs.experts)
      progress.close()
      try BankSummary.report(path, bytes, display)
    }
  }
}

struct BankRemoveCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "remove",
    abstract: "Take an expert out of a bank.",
    discussion: """
      The other experts and the shared vector stay as they are.

      EXAMPLE
        tincture bank remove experts.bank --expert dtd
      """)

  @Argument(help: "The bank.")
  var bank: String

  @Option(help: "The name of the expert.")
  var expert: String

  @OptionGroup(title: "Display") var display: DisplayOptions

  func run() async throws {
    try await Console.reporting { () async throws(TinctureError) in
      let path = FilePath(bank)
      let bytes = try BankBuilder.remove(expert, from: path)
      try BankSummary.report(path, bytes, display)
    }
  }
}
