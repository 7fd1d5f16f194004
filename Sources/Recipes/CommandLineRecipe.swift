/// A recipe given as options of a command, without a file.
public struct CommandLineRecipe: Sendable, Hashable {
  /// The method (`--method`).
  public var method: String
  /// The base (`--base`).
  public var base: String?
  /// The models, in order (`--model`, once for each).
  public var models: [String]
  /// Parameters as `KEY=VALUE`, or `KEY=V1,V2,…` with one value for each model (`--set`).
  ///
  /// A value is what a recipe may hold in one line: a number, a word, a gradient such as
  /// `[0, 0.5, 1]`, or a condition such as `{filter: mlp, value: 0.5}`.
  public var settings: [String]
  /// Steps before the method, in order, as a recipe writes one (`--preprocess`).
  public var preprocess: [String]
  /// Steps after the method, in order, as a recipe writes one (`--postprocess`).
  public var postprocess: [String]
  /// Files of statistics (`--statistics`): one of all models, or one for each, in their order.
  public var statistics: [String]
  /// The type of the arithmetic (`--dtype`).
  public var dtype: String?
  /// The type that is written (`--out-dtype`).
  public var outputDtype: String?
  /// Where the vocabulary comes from (`--tokenizer-source`).
  public var tokenizerSource: String?
  /// The chat template (`--chat-template`).
  public var chatTemplate: String?
  /// A named set of parameters (`--preset`).
  public var preset: String?
  /// The suite that a learned method learns from (`--data`).
  public var data: String?
  /// The seed of everything random (`--seed`).
  public var seed: Int?

  /// Creates a recipe from the values of options.
  public init(
    method: String, base: String? = nil, models: [String], settings: [String] = [],
    statistics: [String] = [], dtype: String? = nil, outputDtype: String? = nil,
    tokenizerSource: String? = nil, chatTemplate: String? = nil, preset: String? = nil,
    data: String? = nil, seed: Int? = nil, preprocess: [String] = [], postprocess: [String] = []
  ) {
    self.method = method
    self.base = base
    self.models = models
    self.settings = settings
    self.preprocess = preprocess
    self.postprocess = postprocess
    self.statistics = statistics
    self.dtype = dtype
    self.outputDtype = outputDtype
    self.tokenizerSource = tokenizerSource
    self.chatTemplate = chatTemplate
    self.preset = preset
    self.data = data
    self.seed = seed
  }

  /// The options with their values, in the order in which they are checked and shown.
  var options: [(name: String, value: String)] {
    var options = [("--method", method)]
    func add(_ name: String, _ value: String?) {
      if let value { options.append((name, value)) }
    }
    add("--preset", preset)
    add("--base", base)
    add("--data", data)
    for model in models { add("--model", model) }
    for setting in settings { add("--set", setting) }
    for step in preprocess { add("--preprocess", step) }
    for step in postprocess { add("--postprocess", step) }
    for file in statistics { add("--statistics", file) }
    add("--dtype", dtype)
    add("--out-dtype", outputDtype)
    add("--tokenizer-source", tokenizerSource)
    add("--chat-template", chatTemplate)
    add("--seed", seed.map(String.init))
    return options
  }
}
