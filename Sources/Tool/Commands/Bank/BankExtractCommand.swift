import ArgumentParser
import SystemPackage
import Tincture

struct BankExtractCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "extract",
    abstract: "Write an expert of a bank as an ordinary model.",
    discussion: """
      EXAMPLE
        tincture bank extract experts.bank --expert cars --base base --output cars
      """)

  @Argument(help: "The bank.")
  var bank: String

  @Option(help: "The name of the expert.")
  var expert: String

  @Option(help: "The base of the bank (default: where it was when the bank was made).")
  var base: String?

  @Option(help: "The output directory, or a file when its name ends in .safetensors.")
  var output: String

  @Option(help: "The most bytes of tensors in an output file.")
  var shardSize = ByteSize(5_000_000_000)

  @OptionGroup(title: "Resources") var resources: ResourceOptions
  @OptionGroup(title: "Display") var display: DisplayOptions

  @Flag(help: "Replace an output that exists.")
  var force = false

  func run() async throws {
    try await Console.reporting { () async throws(TinctureError) in
      Signals.install()
      var settings = PlanSettings(shardSize: shardSize.bytes)
      settings.bankBase = try base.map { (base) throws(TinctureError) in
        try ModelReference(parsing: base)
      }
      try await ModelConversion(
        model: "\(bank)#\(expert)", output: FilePath(output), settings: settings,
        engine: resources.engine, replaces: force
      ).run(display)
    }
  }
}

struct BankVerifyCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Read a bank and check it against its digests.",
    discussion: """
      Finds flipped bits, ranges that are not finite, and, with --base, a base that is \
      not the one that the bank was made from. The exit status is 65 when something is \
      wrong.

      EXAMPLE
        tincture bank verify experts.bank --base base
      """)

  @Argument(help: "The bank.")
  var bank: String

  @Option(help: "The base of the bank; all of it is read.")
  var base: String?

  @OptionGroup(title: "Display") var display: DisplayOptions

  func run() async throws {
    try await Console.reporting { () async throws(TinctureError) in
      Signals.install()
      let opened = try ExpertBank(opening: FilePath(bank))
      var faults = try opened.faults { () throws(TinctureError) in
        try Signals.interruption.check()
      }
      if let base {
        let model = ModelSource(try BankInputs.open(base))
        if try BankManifest.Base.digest(of: model) != opened.manifest.base.digest {
          faults.append(
            TinctureError(
              .checkpoint,
              "\(base) is not the base that the bank was made from"
                + " (\(opened.manifest.base.location)).", at: .init(file: bank)))
        }
      }
      guard faults.isEmpty else {
        throw TinctureError(
          .checkpoint, "\(faults.count) faults were found in the bank; restore it from a copy.",
          at: .init(file: bank), causes: faults)
      }
      if display.json {
        Console.result(
          JSONValue.object(JSONObject([("path", .string(bank)), ("sound", .bool(true))])).text())
      } else {
        Console.result("\(bank): \(opened.manifest.digests.count) parts, all as they were stored")
      }
    }
  }
}
