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
    "What shares a coefficient: the model, a layer of the network, a tensor, or a chunk of a tensor."
  )
  static let chunks = Parameter<Int>(
    "chunks", default: 4, in: .between(1, 1e6),
    "Into how many chunks each tensor is cut, for granularity: chunk_wise.")
  static let clamp = Parameter<Bool>(
    "clamp", default: true, "Keep coefficients between 0 and 1; without it they are free.")

  static let optimizer = Parameter<String>(
    "optimizer", default: "adam", of: ["adam", "adamw", "sgd"],
    "How coefficients follow their derivatives; sgd has a momentum of 0.9.")
  static let decay = Parameter<Double>(
    "weight_decay", default: 0.1, in: .atLeast(0), "The decay of coefficients, for adamw.")
  static let schedule = Parameter<String>(
    "schedule", default: "constant", of: ["constant", "cosine"],
    "Whether the step size stays, or falls along a cosine to zero.")
  static let warmup = Parameter<Int>(
    "warmup", default: 0, in: .between(0, 1e7),
    "Steps over which the step size rises first, for schedule: cosine.")

  /// How coefficients are shared, begin, stay in bounds and move.
  static var all: [any DeclaresParameter] {
    [start, granularity, chunks, clamp, optimizer, decay, schedule, warmup]
  }

  /// The settings that follow from the shared parameters.
  static func coefficients(
    _ parameters: ResolvedParameters, rate: Parameter<Double>
  ) -> CoefficientSettings {
    var settings = CoefficientSettings()
    let granularity = CoefficientTable.Granularity(rawValue: parameters[Self.granularity])
    settings.granularity = granularity ?? .layer
    settings.starts = [Float(parameters[start])]
    settings.link = parameters[clamp] ? .clamped(0...1) : .identity
    settings.chunks = parameters[chunks]
    settings.rate = parameters[rate]
    if parameters[optimizer] == "sgd" { settings.rule = .descent(momentum: 0.9) }
    if parameters[optimizer] == "adamw" { settings.decay = parameters[decay] }
    if parameters[schedule] == "cosine" {
      settings.schedule = .cosine(warmup: parameters[warmup])
    }
    return settings
  }
}
