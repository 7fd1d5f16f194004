import ArgumentParser
import SystemPackage
import Tincture
import TinctureReports

struct TrainCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train",
    abstract: "Train a network by a run.",
    discussion: """
      A run is a YAML file that names a network, what it begins with, data, and a rule \
      of optimisation. The output is a directory with the model, its head, a log and a \
      page with curves. The state of an unfinished run is kept beside the output, in \
      OUTPUT-training, after every epoch and when it is interrupted; --resume goes on \
      from it, on the processor to the same bits.

      EXAMPLE
        tincture train Examples/Training/fashion_expert.yaml expert
        tincture train run.yaml model --resume
        tincture train run.yaml --check
      """)

  @Argument(help: "The run and the output (with --check the run alone).")
  var paths: [String] = []

  @Flag(help: "Check the run, show its phases and end.")
  var check = false

  @Flag(help: "Continue an interrupted run.")
  var resume = false

  @Flag(help: ArgumentHelp("Replace an output that exists, or begin an interrupted run anew."))
  var force = false

  @Option(help: "The seed, in place of the run's.")
  var seed: UInt64?

  @OptionGroup(title: "Computation") var machine: MachineOptions
  @OptionGroup(title: "Engines") var engines: EngineOptions
  @OptionGroup(title: "Display") var display: DisplayOptions

  // Not `validate()`, which would come before the complaint about an unknown option.
  private func checkPaths() throws {
    if check {
      guard paths.count == 1 || paths.count == 2 else {
        throw ValidationError("Give a run: tincture train RUN.yaml --check.")
      }
      if resume || force {
        throw ValidationError("--check trains nothing; remove --resume and --force.")
      }
    } else if paths.count != 2 {
      throw ValidationError("Give a run and an output: tincture train RUN.yaml OUTPUT.")
    }
    if resume, force { throw ValidationError("--resume and --force exclude each other.") }
  }

  func run() async throws {
    try checkPaths()
    try await Console.reporting { () async throws(TinctureError) in
      Signals.install()
      var run = try TrainingRun(reading: FilePath(paths[0]))
      if let seed { run.seed = seed }
      if machine.bf16 { run.precision = .bf16 }
      try machine.prepare(engines)
      var job = TrainingJob(run, output: FilePath(paths.count > 1 ? paths[1] : "output"))
      job.device = try machine.torchDevice
      job.policy = .init(replace: force, resume: resume)
      job.toolVersion = TinctureVersion.current
      if check {
        let plan = try job.plan()
        remark(plan)
        let view = TrainingView(plan)
        Console.result(display.json ? view.json.text() : view.text)
        return
      }
      try await train(job)
    }
  }

  private func remark(_ plan: TrainingPlan) {
    guard !display.quiet else { return }
    for note in plan.notes { Console.remark("note: \(note)") }
  }

  private func train(_ job: TrainingJob) async throws(TinctureError) {
    let progress = ProgressLine(isQuiet: display.quiet)
    defer { progress.close() }
    let start = ContinuousClock.now
    let report = try await job.run(
      interruption: Signals.interruption, observer: { progress.hear($0) }, planned: remark)
    progress.close()
    let view = TrainingView(report.plan)
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    Console.result(
      display.json
        ? view.json(report, seconds: seconds).text() : view.text(report, seconds: seconds))
  }
}
