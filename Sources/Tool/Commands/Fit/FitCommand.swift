import ArgumentParser
import Foundation
import SystemPackage
import Tincture
import TinctureFitting

struct FitCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "fit",
    abstract: "Learn the coefficients of a merge from examples without labels.",
    discussion: """
      The experts of a suite's tasks are merged so that the merged model does on the \
      suite's data what the experts do there (tinting), or is sure of its answers \
      (adamerging). The result is a recipe with a weight for each tensor of each \
      expert, which `tincture merge` carries out, and with --heads the heads that were \
      learned beside it, which `tincture evaluate --heads` uses.

      Labels are never read. The method tinting_plus leaves out examples of which the \
      merged model is surer than the expert.

      EXAMPLE
        tincture fit Examples/Vision/suite.yaml --method tinting --rounds 60 \
      --output tinting.yaml --heads tinted.safetensors
        tincture evaluate Examples/Vision/suite.yaml tinting.yaml --heads tinted.safetensors
      """)

  enum Method: String, CaseIterable, ExpressibleByArgument {
    case tinting
    case tintingPlus = "tinting_plus"
    case adamerging
  }

  @Argument(help: "The suite.")
  var suite: String

  @Option(help: "How coefficients are learned.")
  var method: Method

  @OptionGroup(title: "Learning") var learning: FitOptions

  @Option(name: .shortAndLong, help: ArgumentHelp("The recipe.", valueName: "file"))
  var output: String

  @Option(help: ArgumentHelp("Write the learned heads (safetensors).", valueName: "file"))
  var heads: String?

  @Option(help: ArgumentHelp("Write losses and coefficients (JSON).", valueName: "file"))
  var log: String?

  @Flag(help: "Replace files that exist.")
  var force = false

  @OptionGroup(title: "Engines") var engines: EngineOptions
  @OptionGroup(title: "Computation") var computation: ComputationOptions
  @OptionGroup(title: "Display") var display: DisplayOptions

  func validate() throws {
    if heads != nil, method == .adamerging {
      throw ValidationError("adamerging learns no heads; leave out --heads.")
    }
  }

  func run() async throws {
    try await Console.reporting { () async throws(TinctureError) in
      Signals.install()
      var suite = try EvaluationSuite(reading: FilePath(suite))
      if let batch = computation.batch { suite.batchSize = batch }
      for path in [output, heads, log].compactMap(\.self) {
        try CheckpointWriter.checkVacant(FilePath(path), policy: .init(replace: force))
      }
      try computation.prepare(engines)
      let models = try FitModels(suite)
      let vectors = try TaskVectorSet(
        reading: suite, base: models.base, experts: models.experts)
      let settings = learning.settings(method)
      var fit = try CoefficientFit(suite, vectors, settings)
      fit.device = try computation.torchDevice
      fit.interruption = Signals.interruption
      let progress = ProgressLine(isQuiet: display.quiet, patience: .seconds(2))
      defer { progress.close() }
      progress.begin(total: settings.rounds, of: "rounds")
      let start = ContinuousClock.now
      let precision: ComputePrecision = computation.bf16 ? .bf16 : .full
      let outcome = try precision.scope { () throws(TinctureError) in
        try fit.run { _, _ in progress.advance(by: 1) }
      }
      progress.close()
      let seconds = (ContinuousClock.now - start) / .seconds(1)
      let files = FitFiles(suite: suite, vectors: vectors, outcome: outcome, replaces: force)
      try files.write(
        recipe: output, remark: "\(method.rawValue), \(learning.text(settings)); tincture fit",
        base: models.paths.base, experts: models.paths.experts)
      if let heads { try files.write(heads: heads) }
      if let log { try files.write(log: log) }
      show(outcome, seconds)
    }
  }

  private func show(_ outcome: CoefficientFit.Outcome, _ seconds: Double) {
    let last = outcome.rounds.last?.losses.compactMap(\.self) ?? []
    let loss = last.isEmpty ? nil : last.reduce(0, +) / Double(last.count)
    let values = outcome.coefficients.raw
    if display.json {
      let document = JSONObject([
        ("recipe", .string(output)),
        ("rounds", .integer(outcome.rounds.count)),
        ("skipped_turns", .integer(outcome.skippedTurns)),
        ("last_loss", loss.map { .number(String($0)) } ?? .null),
        ("seconds", .number(ByteSize.decimal(seconds, 3))),
      ])
      Console.result(JSONValue.object(document).text())
    } else {
      let range =
        "\(ByteSize.decimal(Double(values.min() ?? 0), 3)) to "
        + ByteSize.decimal(Double(values.max() ?? 0), 3)
      Console.result(
        "\(output): \(values.count) coefficients from \(range), last loss "
          + (loss.map { ByteSize.decimal($0, 4) } ?? "–")
          + ", \(outcome.skippedTurns) turns skipped, \(ByteSize.decimal(seconds, 1)) s")
    }
  }
}
