import SystemPackage
import Tincture
import TinctureReports

/// A bank as a page: sizes, losses by expert and by place, and every tensor.
struct BankPage {
  private let summary: BankSummary
  private let bank: ExpertBank

  init(_ summary: BankSummary) {
    self.summary = summary
    bank = summary.bank
  }

  var page: ReportPage {
    let file = bank.file.path.lastComponent?.string ?? bank.file.path.string
    let count = summary.experts.count
    var page = ReportPage(
      title: "Expert bank \(file)",
      introduction: "\(count) expert\(count == 1 ? "" : "s") of one base in "
        + "\(NumberText.bytes(summary.fileBytes)): "
        + "\(NumberText.percent(summary.fractionOfSingle)) of what they take in single precision.")
    page.sections = [
      ReportSection("The bank", [facts]),
      ReportSection(
        "Experts",
        note:
          "Size is what an expert takes by itself; what all share is not in it. The error is the "
          + "norm of what its task vector lacks by the norm of the task vector.", [experts]),
      ReportSection(
        "Bytes of each expert",
        note: summary.sharedBytes > 0
          ? "What all experts share is divided equally among them." : "", [bytes]),
      ReportSection("Error of each expert", [errors]),
    ]
    let maps = BankMaps(bank, summary.experts.map(\.name))
    page.sections += maps.sections
    page.sections.append(
      ReportSection(
        "Tensors", note: "Every stored vector; tensors that are not listed equal the base's.",
        isFolded: true, [maps.tensors]))
    return page
  }

  private var facts: ReportFacts {
    let manifest = bank.manifest
    var facts = ReportFacts()
    facts.add("file", ReportCell(bank.file.path.string))
    facts.add("base", ReportCell(manifest.base.location))
    facts.add("base, SHA-256", ReportCell(manifest.base.digest))
    facts.add("contents, SHA-256", ReportCell(bank.contentDigest))
    facts.add("experts", .count(summary.experts.count))
    facts.add("size on disk", .bytes(summary.fileBytes))
    facts.add("of it shared", .bytes(summary.sharedBytes))
    facts.add("of single precision", .percent(summary.fractionOfSingle))
    facts.add("of the sources", .percent(summary.fractionOfSource))
    return facts
  }

  private var experts: ReportTable {
    var table = ReportTable([
      .init("expert"), .init("error", isNumeric: true), .init("size", isNumeric: true),
      .init("bits/weight", isNumeric: true), .init("of fp32", isNumeric: true),
      .init("elements", isNumeric: true), .init("source size", isNumeric: true), .init("source"),
      .init("codec"),
    ])
    for expert in summary.experts {
      let elements = Double(max(1, expert.elements))
      table.add([
        ReportCell(expert.name), .percent(expert.relativeError), .bytes(expert.bytes),
        .decimal(8 * Double(expert.bytes) / elements, 3),
        .percent(Double(expert.bytes) / (4 * elements)), .count(expert.elements),
        .bytes(expert.sourceBytes), ReportCell(expert.source), ReportCell(expert.codec.text),
      ])
    }
    return table
  }

  private var bytes: BarChart {
    let shared = Double(summary.sharedBytes) / Double(max(1, summary.experts.count))
    let isSharing = summary.sharedBytes > 0
    return BarChart(
      title: "Bytes of each expert", series: isSharing ? ["own", "shared"] : ["own"],
      bars: summary.experts.map {
        .init($0.name, isSharing ? [Double($0.bytes), shared] : [Double($0.bytes)])
      }, unit: .bytes)
  }

  private var errors: BarChart {
    BarChart(
      title: "Relative error of each expert", series: ["error"],
      bars: summary.experts.map { .init($0.name, [$0.relativeError]) }, unit: .fraction)
  }
}
