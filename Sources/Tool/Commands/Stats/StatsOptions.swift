import ArgumentParser
import SystemPackage
import Tincture
import TinctureFitting

/// On what models are measured, and where the results go.
struct StatsOptions: ParsableArguments {
  @Argument(help: "The suite, whose tasks name their experts.")
  var suite: String

  @Option(name: .shortAndLong, help: ArgumentHelp("The folder for the files.", valueName: "folder"))
  var output: String

  @Option(
    name: .customLong("task"), help: "Measure the expert of this task only; may be repeated.")
  var tasks: [String] = []

  @Option(help: "Use at most as many examples of each task as this.")
  var examples = 256

  @Option(
    help: ArgumentHelp(
      "Take the examples of all tasks from this file, which has the columns that the suite names.",
      valueName: "file"))
  var data: String?

  @Option(help: "The seed by which examples are chosen where there are more, and labels drawn.")
  var seed: UInt64 = 0

  @Flag(help: "Replace files that exist.")
  var force = false

  func validate() throws {
    if examples < 1 { throw ValidationError("--examples must be at least 1.") }
  }
}

/// Collects statistics and says what came of it.
struct StatsRun {
  private let options: StatsOptions
  private let engines: EngineOptions
  private let computation: ComputationOptions
  private let display: DisplayOptions

  init(
    _ options: StatsOptions, _ engines: EngineOptions, _ computation: ComputationOptions,
    _ display: DisplayOptions
  ) {
    self.options = options
    self.engines = engines
    self.computation = computation
    self.display = display
  }

  func collect(_ measure: StatisticsCollector.Measure) throws(TinctureError) {
    let (collector, experts) = try prepare(measure)
    let progress = ProgressLine(isQuiet: display.quiet, patience: .seconds(2))
    defer { progress.close() }
    progress.begin(total: try collector.exampleCount(), of: "examples")
    let reports = try collector.run(
      experts, into: FilePath(options.output), replaces: options.force
    ) { progress.advance(by: $0) }
    progress.close()
    show(reports)
  }

  func collectMerged(ratio: Double) throws(TinctureError) {
    let (collector, experts) = try prepare(.gram)
    let progress = ProgressLine(isQuiet: display.quiet, patience: .seconds(2))
    defer { progress.close() }
    let reports = try MergedGramCollector(collector, ratio: ratio).run(
      experts, into: FilePath(options.output), replaces: options.force
    ) {
      progress.begin(total: $0, of: "examples")
    } observer: {
      progress.advance(by: $0)
    }
    progress.close()
    show(reports)
  }

  private func prepare(
    _ measure: StatisticsCollector.Measure
  ) throws(TinctureError) -> (StatisticsCollector, [ModelInput]) {
    Signals.install()
    var suite = try EvaluationSuite(
      selecting: options.tasks, of: options.suite, batch: computation.batch)
    if let data = options.data { suite = suite.taking(data: data) }
    let experts = try SuiteExperts(suite).experts
    try computation.prepare(engines)
    var collector = StatisticsCollector(suite, measure)
    collector.exampleLimit = options.examples
    collector.seed = options.seed
    collector.device = try computation.torchDevice
    collector.precision = computation.bf16 ? .bf16 : .full
    collector.interruption = Signals.interruption
    return (collector, experts)
  }

  private func show(_ reports: [StatisticsCollector.Report]) {
    Console.result(display.json ? Self.json(reports).text() : Self.table(reports))
  }

  private static func table(_ reports: [StatisticsCollector.Report]) -> String {
    var table = Table(["task", "file", "size", "tensors", "examples", "rows", "seconds"])
    for report in reports {
      table.add([
        report.task, report.file.string, ByteSize.text(report.byteCount),
        "\(report.tensorCount)", "\(report.exampleCount)",
        report.rowCount.map(String.init) ?? "–", ByteSize.decimal(report.seconds, 1),
      ])
    }
    return table.text
  }

  private static func json(_ reports: [StatisticsCollector.Report]) -> JSONValue {
    .array(
      reports.map { report in
        .object(
          JSONObject([
            ("task", .string(report.task)), ("file", .string(report.file.string)),
            ("bytes", .integer(report.byteCount)), ("tensors", .integer(report.tensorCount)),
            ("examples", .integer(report.exampleCount)),
            ("rows", report.rowCount.map { .integer($0) } ?? .null),
            ("seconds", .number(ByteSize.decimal(report.seconds, 3))),
          ]))
      })
  }
}
