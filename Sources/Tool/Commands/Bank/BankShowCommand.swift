import ArgumentParser
import SystemPackage
import Tincture
import TinctureReports

struct BankShowCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show",
    abstract: "Show what a bank holds and what was lost.",
    discussion: """
      The relative error of an expert is the norm of what its task vector lacks by \
      the norm of the task vector.

      EXAMPLE
        tincture bank show experts.bank --tensors
        tincture bank show experts.bank --html experts.html
      """)

  @Argument(help: "The bank.")
  var bank: String

  @Flag(help: "Show every tensor.")
  var tensors = false

  @Option(
    help: ArgumentHelp(
      "Write a page with charts of sizes and errors; it needs nothing but a browser.",
      valueName: "file"))
  var html: String?

  @Flag(help: "Replace a page that exists.")
  var force = false

  @OptionGroup(title: "Display") var display: DisplayOptions

  func validate() throws {
    if force, html == nil { throw ValidationError("--force replaces a page; add --html.") }
    if tensors, html != nil { throw ValidationError("The page shows every tensor anyway.") }
  }

  func run() async throws {
    try await Console.reporting { () async throws(TinctureError) in
      let summary = BankSummary(try ExpertBank(opening: FilePath(bank)))
      if let html { return try write(summary, to: FilePath(html)) }
      guard !display.json else { return Console.result(summary.json.text()) }
      var table = Table(
        ["expert", "codec", "size", "bits/weight", "of fp32", "of source", "error"],
        alignRight: [2, 3, 4, 5, 6])
      for expert in summary.experts {
        let own = Double(expert.bytes)
        table.add([
          expert.name, expert.codec.text, ByteSize.text(expert.bytes),
          Self.ratio(8 * own, expert.elements),
          BankSummary.percent(own / (4 * Double(max(1, expert.elements)))),
          BankSummary.percent(own / Double(max(1, expert.sourceBytes))),
          BankSummary.percent(expert.relativeError),
        ])
      }
      Console.result(table.text)
      Console.result("")
      if summary.sharedBytes > 0 {
        Console.result("shared   \(ByteSize.text(summary.sharedBytes))")
      }
      Console.result(
        "file     \(ByteSize.text(summary.fileBytes)), \(BankSummary.percent(summary.fractionOfSingle)) of"
          + " single precision, \(BankSummary.percent(summary.fractionOfSource)) of the sources")
      Console.result("base     \(summary.bank.manifest.base.location)")
      if tensors { showTensors(summary.bank) }
    }
  }

  private func write(_ summary: BankSummary, to path: FilePath) throws(TinctureError) {
    let bytes = try PageFile.write(
      BankPage(summary).page, to: path, replaces: force, keeping: [summary.bank.file.path])
    if display.json {
      let document = JSONObject([
        ("output", .string(path.string)), ("output_bytes", .integer(bytes)),
      ])
      Console.result(JSONValue.object(document).text())
    } else {
      Console.result("\(path): \(NumberText.bytes(bytes))")
    }
  }

  private func showTensors(_ bank: ExpertBank) {
    var table = Table(
      ["tensor", "owner", "stored as", "shape", "size", "error"], alignRight: [4, 5])
    for (tensor, owners) in bank.manifest.records.sorted(by: { $0.key < $1.key }) {
      for (owner, record) in owners.sorted(by: { $0.key < $1.key }) {
        let error =
          record.squaredNorm > 0
          ? BankSummary.percent((record.squaredError / record.squaredNorm).squareRoot()) : ""
        table.add([
          tensor, BankSummary.name(owner), BankSummary.text(record), record.shape.description,
          ByteSize.text(bank.byteCount(tensor, of: owner)), error,
        ])
      }
    }
    Console.result("")
    Console.result(table.text)
  }

  private static func ratio(_ bits: Double, _ elements: Int) -> String {
    ByteSize.decimal(bits / Double(max(1, elements)), 3)
  }
}
