import ArgumentParser
import Tincture

struct EvaluateCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "evaluate",
    abstract: "Measure how good models are at the tasks of a suite.",
    discussion: """
      A suite is a YAML file that names a network, tasks with their data and heads, \
      and models to compare with. A MODEL is a checkpoint, FILE#EXPERT, a bank (whose \
      experts do the tasks of their names), a recipe (which is carried out first), or \
      the name of a model that the suite lists. Without one all that the suite lists \
      are measured. Outputs are kept by content: what was measured before costs nothing.

      Normalised is the mean share of the experts' quality; forgotten is how much worse \
      than the base the tasks are, counting those that are worse.

      EXAMPLE
        tincture evaluate Examples/Vision/suite.yaml merged --json
        tincture evaluate Examples/Vision/suite.yaml --html report.html
      """)

  @Argument(help: "The suite.")
  var suite: String

  @Argument(help: "What to measure.")
  var model: [String] = []

  @Option(name: .customLong("task"), help: "Measure this task only; may be repeated.")
  var tasks: [String] = []

  @Option(
    help: ArgumentHelp("Take the heads of all tasks from this file.", valueName: "file"))
  var heads: String?

  @Option(help: "Use only the first examples of each task, as many as this.")
  var limit: Int?

  @Option(
    help: ArgumentHelp(
      "Of models that mix experts by features, or behind layers as smile does: mix softly, or take the expert with the highest score.",
      valueName: "soft|top"))
  var routing: MixtureRouting?

  @Flag(
    help:
      "Measure models in linear form, f(θ₀) + J (θ − θ₀) about the suite's base, in which task vectors add up exactly."
  )
  var linearized = false

  @Flag(help: "Measure neither the base nor the experts to compare with.")
  var plain = false

  @OptionGroup(title: "Results") var output: EvaluationOutputOptions
  @OptionGroup(title: "Engines") var engines: EngineOptions
  @OptionGroup(title: "Computation") var computation: ComputationOptions
  @OptionGroup(title: "Resources") var resources: ResourceOptions
  @OptionGroup(title: "Display") var display: DisplayOptions

  func validate() throws {
    if let limit, limit < 1 { throw ValidationError("--limit must be at least 1.") }
  }

  func run() async throws {
    try await Console.reporting { () async throws(TinctureError) in
      Signals.install()
      let suite = try EvaluationSuite(
        selecting: tasks, of: suite, batch: computation.batch)
      try output.check()
      if !(suite.network is PredictedOutputs) { try computation.prepare(engines) }
      var evaluator = Evaluator(suite)
      evaluator.device = try computation.torchDevice
      evaluator.precision = computation.bf16 ? .bf16 : .full
      evaluator.cache = output.outputCache
      evaluator.exampleLimit = limit
      evaluator.routing = routing
      evaluator.isLinearized = linearized
      evaluator.interruption = Signals.interruption
      let progress = ProgressLine(isQuiet: display.quiet, patience: .seconds(2))
      defer { progress.close() }
      var machine = LearningMachine()
      machine.device = computation.machine.device
      machine.usesHalfPrecision = computation.bf16
      let shelf = EvaluationShelf(suite: suite, engine: resources.engine, machine: machine)
      defer { shelf.clear() }
      let named = try shelf.models(model)
      let table = try await measure(evaluator, named, shelf, progress)
      progress.close()
      try output.write(table, suite)
      Console.result(display.json ? table.json.text() : table.text)
      if !display.json, !display.quiet { for note in table.notes { Console.remark(note) } }
      if routing != nil, !display.quiet, !table.rows.contains(where: \.mixes) {
        Console.remark("note: No model mixes experts for every input; --routing has no effect.")
      }
    }
  }

  private func measure(
    _ evaluator: Evaluator, _ named: [SuiteModel], _ shelf: EvaluationShelf,
    _ progress: ProgressLine
  ) async throws(TinctureError) -> EvaluationTable {
    let suite = evaluator.suite
    let comparisons = plain ? (base: nil, experts: nil) : shelf.comparisons
    // What is compared with keeps the suite's own heads.
    let extra = [comparisons.base, comparisons.experts].compactMap(\.self)
      .filter { model in heads != nil || !named.contains { $0.source == model.source } }
    var measured = evaluator
    if let heads { measured = try evaluator.with(heads: heads) }
    let each = try evaluator.exampleCount()
    progress.begin(total: each * (named.count + extra.count), of: "examples")
    var found: [SuiteModel.Source: ModelScores] = [:]
    var rows: [ModelScores] = []
    for (position, model) in (named + extra).enumerated() {
      let opened: EvaluatedModel
      do throws(TinctureError) {
        opened = try await shelf.open(model)
      } catch  where error.code == .missingFacility && self.model.isEmpty {
        // The rest of the suite's list does not depend on what one of its models needs.
        Console.remark("note: \(model.name) is left out. \(error.message)")
        progress.advance(by: each)
        continue
      }
      let isCompared = position >= named.count
      let scores = try (isCompared ? evaluator : measured).evaluate(opened) {
        progress.advance(by: $0)
      }
      shelf.close(model)
      found[model.source] = scores
      if position < named.count { rows.append(scores) }
    }
    return EvaluationTable(
      suite: suite, rows: rows, base: comparisons.base.flatMap { found[$0.source] },
      experts: comparisons.experts.flatMap { found[$0.source] })
  }
}
