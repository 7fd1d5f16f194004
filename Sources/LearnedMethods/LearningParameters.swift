internal import TinctureFitting
internal import TinctureMerging

/// Parameters that several learned methods share.
enum LearningParameters {
  static func rounds(_ value: Int, name: String = "rounds") -> Parameter<Int> {
    Parameter(name, default: value, in: .between(1, 1e7), "How often every task has a turn.")
  }
  static func batchSize(_ value: Int) -> Parameter<Int> {
    Parameter(
      "batch_size", default: value, in: .between(1, 1e6), "Examples of a task in a turn.")
  }
  static func rate(_ value: Double) -> Parameter<Double> {
    Parameter("lr", default: value, in: .atLeast(0), "The step size of coefficients.")
  }
  static let start = Parameter<Double>(
    "init", default: 0.3, "The coefficient with which every task vector begins.")
  static let granularity = Parameter<String>(
    "granularity", default: "layer_wise",
    of: CoefficientTable.Granularity.allCases.map(\.rawValue),
    "What shares a coefficient: the model, a layer of the network, a tensor, or a chunk or random part of it."
  )
  static let chunks = Parameter<Int>(
    "chunks", default: 4, in: .between(1, 1e6),
    "Into how many chunks or parts each tensor is cut, for granularity: chunk_wise or part_wise.")
  static let clamp = Parameter<Bool>(
    "clamp", default: true, "Keep coefficients between 0 and 1; without it they are free.")

  static let optimizer = Parameter<String>(
    "optimizer", default: "adam", of: ["adam", "adamw", "sgd"],
    "How coefficients follow their derivatives; sgd has a momentum of 0.9.")
  static let adamDecay = Parameter<Double>(
    "weight_decay", default: 0.1, in: .atLeast(0), "The decay of coefficients, for adamw.")
  static let schedule = Parameter<String>(
    "schedule", default: "constant", of: ["constant", "cosine"],
    "Whether the step size stays, or falls along a cosine to zero.")
  static let warmup = Parameter<Int>(
    "warmup", default: 0, in: .between(0, 1e7),
    "Steps over which the step size rises first, for schedule: cosine.")

  /// How coefficients are shared, begin, stay in bounds and move.
  static var all: [any DeclaresParameter] {
    [start, granularity, chunks, clamp, optimizer, adamDecay, schedule, warmup]
  }

  static func passes(_ value: Int) -> Parameter<Int> {
    Parameter(
      "epochs", default: value, in: .between(1, 1e6),
      "How often the task with the fewest examples goes through all of them.")
  }
  static func decay(_ value: Double) -> Parameter<Double> {
    Parameter(
      "weight_decay", default: value, in: .atLeast(0),
      "How fast coefficients decay; 0 is plain Adam.")
  }
  static func clip(_ value: Double) -> Parameter<Double> {
    Parameter(
      "clip", default: value, in: .atLeast(0),
      "The greatest length of a step's derivative; 0 leaves it as it is.")
  }
  static func validation(_ value: Double) -> Parameter<Double> {
    Parameter(
      "validation", default: value, in: .fraction,
      "The share of examples held out, to keep what does best on them; 0 keeps the last state.")
  }
  static func patience(_ value: Int) -> Parameter<Int> {
    Parameter(
      "patience", default: value, in: .between(0, 1e6),
      "After how many passes without a better result on what is held out to stop; 0 goes on.")
  }
  static let boundedStart = Parameter<Double>(
    "init", default: 0.3, in: .between(-1, 1),
    "The coefficient with which every task vector begins, between −1 and 1.")

  /// What is wrong with a share that is held out, or with the start of coefficients between −1 and 1.
  static func objection(validation: Double, start: Double = 0) -> String? {
    if validation >= 1 { return "validation must be below 1: something must be left to learn from" }
    return start.magnitude >= 1 ? "init must lie between −1 and 1, both excluded" : nil
  }

  /// The objective of a name that recipes use.
  static func objective(_ name: String) -> FitObjective {
    switch name {
    case "entropy": .entropy
    case "expert_labels": .expertLabels(.none)
    case "expert_distribution": .expertDistribution(temperature: 1)
    default: .labels
    }
  }

  /// The settings that follow from the shared parameters.
  static func coefficients(
    _ parameters: ResolvedParameters, rate: Parameter<Double>,
    start: Parameter<Double> = start
  ) -> CoefficientSettings {
    var settings = CoefficientSettings()
    let granularity = CoefficientTable.Granularity(rawValue: parameters[Self.granularity])
    settings.granularity = granularity ?? .layer
    settings.starts = [Float(parameters[start])]
    settings.link = parameters[clamp] ? .clamped(0...1) : .identity
    settings.chunks = parameters[chunks]
    settings.rate = parameters[rate]
    if parameters[optimizer] == "sgd" { settings.rule = .descent(momentum: 0.9) }
    if parameters[optimizer] == "adamw" { settings.decay = parameters[adamDecay] }
    if parameters[schedule] == "cosine" {
      settings.schedule = .cosine(warmup: parameters[warmup])
    }
    return settings
  }
}
