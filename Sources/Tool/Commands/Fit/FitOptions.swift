public import ArgumentParser
import Tincture
public import TinctureFitting

extension CoefficientTable.Granularity: ExpressibleByArgument {}

/// How coefficients are learned; without options as published.
struct FitOptions: ParsableArguments {
  @Option(help: "How often every task has a turn. (default: 500)")
  var rounds: Int?

  @Option(help: "Examples of a turn. (default: 32, for adamerging 16)")
  var batchSize: Int?

  @Option(help: "The step size of coefficients. (default: 0.01, for adamerging 0.001)")
  var rate: Double?

  @Option(help: "The step size of heads; 0 leaves them. (default: 0.01)")
  var headRate: Double?

  @Option(help: "The coefficient with which every task vector begins.")
  var start: Double = 0.3

  @Option(help: "Which tensors share coefficients: task_wise (all) or layer_wise (none).")
  var granularity = CoefficientTable.Granularity.layer

  @Flag(help: "Fit to the experts' probabilities instead of their answers.")
  var soft = false

  @Option(help: "The seed of the order of tasks and examples.")
  var seed: UInt64 = 0

  func validate() throws {
    if let rounds, rounds < 1 { throw ValidationError("--rounds must be at least 1.") }
    if let batchSize, batchSize < 1 { throw ValidationError("--batch-size must be at least 1.") }
    for (name, value) in [("--rate", rate), ("--head-rate", headRate), ("--start", start)] {
      if let value, !value.isFinite || value < 0 {
        throw ValidationError("\(name) must be a number that is not negative.")
      }
    }
  }

  /// The settings of a method with what the options change.
  func settings(_ method: FitCommand.Method) -> FitSettings {
    var settings: FitSettings
    switch method {
    case .tinting: settings = .tinting()
    case .tintingPlus: settings = .tinting(filtered: true)
    case .adamerging: settings = .adaMerging(granularity)
    }
    settings.granularity = granularity
    settings.start = Float(start)
    settings.seed = seed
    if soft, method != .adamerging { settings.objective = .expertDistribution }
    if let rounds { settings.rounds = rounds }
    if let batchSize { settings.batchSize = batchSize }
    if let rate { settings.rate = rate }
    if let headRate, method != .adamerging {
      settings.headRate = headRate == 0 ? nil : headRate
    }
    return settings
  }

  /// The settings in words.
  func text(_ settings: FitSettings) -> String {
    "\(settings.granularity.rawValue), \(settings.rounds) rounds of \(settings.batchSize) examples,"
      + " rate \(settings.rate), seed \(settings.seed)" + (soft ? ", soft" : "")
  }
}
