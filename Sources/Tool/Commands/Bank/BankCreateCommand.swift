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
        tincture bank create --base base --expert cars=cars --expert sun=sun \\
          --codec rtvq --budget 8% --output small.bank
      """)

  @OptionGroup var building: BankBuildingOptions
  @OptionGroup(title: "Codec") var codec: CodecOptions
  @OptionGroup(title: "Budget") var budget: BudgetOptions
  @OptionGroup(title: "Display") var display: DisplayOptions

  @Option(help: "The file to be made.")
  var output: String

  @Flag(help: "Replace an output that exists.")
  var force = false

  func run() async throws {
    try await Console.reporting { () async throws(TinctureError) in
      Signals.install()
      let target = FilePath(output)
      let chosen = try codec.codec(startingWith: BankCodec(.rtvq))
      try CheckpointWriter.checkVacant(target, policy: .init(replace: force))
      try await building.run(target, chosen, display) { (builder, inputs) throws(TinctureError) in
        var builder = builder
        builder.budget = try budget.value(codec, expertBytes: inputs.expertBytes)
        return try await builder.create(
          target, base: inputs.base, experts: inputs.experts, replaces: force)
      }
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

  @OptionGroup var building: BankBuildingOptions
  @OptionGroup(title: "Codec") var codec: CodecOptions
  @OptionGroup(title: "Display") var display: DisplayOptions

  func run() async throws {
    try await Console.reporting { () async throws(TinctureError) in
      Signals.install()
      let path = FilePath(bank)
      let present = try ExpertBank(opening: path).manifest.experts.last?.codec
      let codec = try codec.codec(startingWith: present ?? BankCodec(.rtvq))
      try await building.run(path, codec, display) { (builder, inputs) throws(TinctureError) in
        try await builder.add(to: path, base: inputs.base, experts: inputs.experts)
      }
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
