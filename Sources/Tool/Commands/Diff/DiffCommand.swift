import ArgumentParser
import SystemPackage
import Tincture
import TinctureReports

struct DiffCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "diff",
    abstract: "Compare what models learned beyond their base.",
    discussion: """
      Norms of task vectors, how many elements are small, cosines, how many elements agree in \
      sign, how many singular directions are in use, how far leading directions coincide, and how \
      much of one task vector lies in the span of another.

      EXAMPLE
        tincture diff base math code --layers
        tincture diff base math code --html diff.html
      """)

  @Argument(help: "The base.")
  var base: String

  @Argument(help: "The models.")
  var models: [String]

  @Option(help: "Only tensors whose name contains this.")
  var filter: String?

  @Option(help: "How many singular directions are compared.")
  var rank = 16

  @Flag(
    inversion: .prefixedNo, exclusivity: .exclusive,
    help: "Find singular values, which takes most of the time and needs BLAS.")
  var spectra = true

  @Option(
    help: ArgumentHelp(
      "Magnitudes; the share of elements of a task vector up to each of them is shown.",
      valueName: "numbers"))
  var thresholds = "0,1e-05,0.0001,0.001,0.01"

  @Flag(help: "Show every layer.")
  var layers = false

  @Flag(help: "Show every tensor.")
  var tensors = false

  @Option(
    help: ArgumentHelp(
      "Write a page with tables and heat maps; it needs nothing but a browser.",
      valueName: "file"))
  var html: String?

  @Flag(help: "Replace a page that exists.")
  var force = false

  @OptionGroup(title: "Resources") var resources: ResourceOptions
  @OptionGroup(title: "Display") var display: DisplayOptions

  func validate() throws {
    if force, html == nil { throw ValidationError("--force replaces a page; add --html.") }
    if tensors || layers, html != nil {
      throw ValidationError("The page shows every layer and tensor anyway.")
    }
    if magnitudes == nil {
      throw ValidationError("--thresholds are at most 16 numbers from 0 on, as in 0,1e-5,0.001.")
    }
    if rank < 1 || rank > 65_536 { throw ValidationError("--rank must be between 1 and 65536.") }
  }

  /// The thresholds in order; nil when one is no magnitude.
  private var magnitudes: [Float]? {
    let numbers = thresholds.split(separator: ",").map {
      Float($0.trimmingPrefix { $0.isWhitespace })
    }
    let sound = numbers.compactMap { $0 }.filter { $0.isFinite && $0 >= 0 }
    return sound.count == numbers.count && sound.count <= 16 ? sound.sorted() : nil
  }

  func run() async throws {
    try await Console.reporting { () async throws(TinctureError) in
      Signals.install()
      if let html {
        try CheckpointWriter.checkVacant(FilePath(html), policy: .init(replace: force))
      }
      let job = ComparisonJob(
        base: base, models: models, findsSpectra: spectra, rank: rank,
        thresholds: magnitudes ?? [], filter: filter, engine: resources.engine)
      let plan = try job.plan()
      if !display.quiet { for note in plan.notes { Console.remark("note: \(note)") } }
      let progress = SurveyProgress(plan, isQuiet: display.quiet)
      defer { progress.close() }
      let found = try await job.run(plan, interruption: Signals.interruption) { progress.hear($0) }
      progress.close()
      guard !found.isEmpty else {
        Console.remark(
          "note: no tensor is compared"
            + (filter.map { "; none has a name that contains \"\($0)\"." } ?? "."))
        return
      }
      let report = DiffReport(
        base: base, models: models, rank: rank, thresholds: job.thresholds, tensors: found)
      if let html {
        let path = FilePath(html)
        let bytes = try PageFile.write(
          DiffPage(report).page, to: path, replaces: force, keeping: [])
        if !display.json { Console.result("\(path): \(NumberText.bytes(bytes))") }
      }
      if display.json {
        Console.result(report.json.text())
      } else if html == nil {
        Console.result(report.text(withTensors: tensors, withLayers: layers))
      }
    }
  }
}

/// Shows how far a survey is, by the bytes of the tensors that are done.
final class SurveyProgress: Sendable {
  private let line: ProgressLine
  private let sizes: [Int]

  init(_ plan: MergePlan, isQuiet: Bool, passes: Int = 1) {
    sizes = plan.steps.map(\.inputBytes)
    line = ProgressLine(isQuiet: isQuiet, patience: .seconds(1))
    line.begin(total: passes * plan.inputBytes)
  }

  func hear(_ event: MergeEvent) {
    if case .finished(let step) = event, sizes.indices.contains(step) {
      line.advance(by: sizes[step])
    }
  }

  func close() { line.close() }
}
